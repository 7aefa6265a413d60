package wsframe

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/burrownet/burrow/internal/wiretest"
)

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range wiretest.Vectors(t, "testdata/*.txtar") {
		t.Run(v.Name, func(t *testing.T) {
			v.Check(t, wiretest.Feed(t, v.Input, func(pieces iter.Seq[[]byte]) string { return events(v, pieces) }))
		})
	}
}

// account joins the pieces of a payload, so that how they were cut does not show.
type account struct {
	strings.Builder
	payload []byte
	text    UTF8
}

func (a *account) frame(f Frame) (ok bool) {
	switch {
	case f.Opcode == Close:
		code, reason, err := ParseClose(f.Payload)
		if err != nil {
			a.fail(err)
			return false
		}
		fmt.Fprintf(a, "close %d %q\n", code, reason)
		return true
	case f.Opcode.Control():
		fmt.Fprintf(a, "%s %q\n", names[f.Opcode], f.Payload)
		return true
	}
	if f.First {
		a.payload, a.text = nil, UTF8{}
		fmt.Fprintf(a, "%s begins", names[f.Opcode])
		if f.Compressed {
			fmt.Fprintf(a, ", compressed")
		}
		fmt.Fprintln(a)
	}
	if f.Begin {
		fmt.Fprintf(a, "frame of %d\n", f.Length)
	}
	a.payload = append(a.payload, f.Payload...)
	if f.Opcode == Text && !f.Compressed && (!a.text.Valid(f.Payload) || f.Last && !a.text.Complete()) {
		a.fail(ErrUTF8)
		return false
	}
	if f.Last {
		fmt.Fprintf(a, "message %q\n", a.payload)
	}
	return true
}

func (a *account) fail(err error) {
	var e *ProtocolError
	if !errors.As(err, &e) {
		fmt.Fprintf(a, "error of type %T: %v\n", err, err)
		return
	}
	fmt.Fprintf(a, "error %d: %s (%s)\n", e.Code, e.Reason, e.Rule)
}

var names = map[Opcode]string{Text: "text", Binary: "binary", Close: "close", Ping: "ping", Pong: "pong"}

// events reads frames until the input ends or a rule is broken.
func events(v wiretest.Vector, pieces iter.Seq[[]byte]) string {
	r := Reader{Server: v.Params["role"] == "server", Compression: v.Params["compression"] != ""}
	var a account
	var unused []byte
	for piece := range pieces {
		unused = append(append(make([]byte, 0, len(unused)+len(piece)), unused...), piece...)
		for {
			need := r.Need(unused)
			f, n, err := r.Next(unused)
			if err != nil {
				a.fail(err)
				return a.String()
			}
			if n == 0 {
				if need <= len(unused) {
					fmt.Fprintf(&a, "needs %d, has %d, takes none\n", need, len(unused))
				}
				break
			}
			if need > len(unused) {
				fmt.Fprintf(&a, "needs %d, takes %d of %d\n", need, n, len(unused))
			}
			unused = unused[n:]
			if !a.frame(f) {
				return a.String()
			}
		}
	}
	if len(unused) > 0 || r.InMessage() {
		fmt.Fprintf(&a, "incomplete %q after %q\n", unused, a.payload)
	}
	return a.String()
}
