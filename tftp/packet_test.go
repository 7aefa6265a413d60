package tftp

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/burrownet/burrow/internal/wiretest"
)

// describe is a packet, or what is wrong with it, as the vectors have it.
func describe(b []byte) string {
	var p packet
	if err := p.parse(b); err != nil {
		e, ok := errors.AsType[*ProtocolError](err)
		if !ok {
			return fmt.Sprintf("error of type %T\n", err)
		}
		return fmt.Sprintf("error: %s (%s)\n", e.Reason, e.Rule)
	}
	switch p.op {
	case opDATA:
		return fmt.Sprintf("DATA %d %q\n", p.block, p.data)
	case opACK:
		return fmt.Sprintf("ACK %d\n", p.block)
	case opERROR:
		return fmt.Sprintf("ERROR %d (%v) %q\n", p.code, p.code, p.message)
	case opOACK:
		return fmt.Sprintf("OACK [%v]\n", p.options)
	}
	return fmt.Sprintf("%v %q %q [%v]\n", p.op, p.name, p.mode, p.options)
}

// A datagram arrives whole: what can be cut is its end, which must never be
// looked past.
func TestPacketVectors(t *testing.T) {
	t.Parallel()
	for _, v := range wiretest.Vectors(t, "testdata/packet/*.txtar") {
		t.Run(v.Name, func(t *testing.T) {
			v.Check(t, describe(v.Input))
			for n := range v.Input {
				describe(bytes.Clone(v.Input[:n:n]))
			}
			checkRoundTrip(t, v.Input)
		})
	}
}

// checkRoundTrip: what is written of a packet reads as that packet.
func checkRoundTrip(t *testing.T, b []byte) {
	t.Helper()
	var p packet
	if p.parse(b) != nil {
		return
	}
	again := p.append(nil)
	if got, want := describe(again), describe(b); got != want {
		t.Errorf("%q reads as %s written as %q that reads as %s", b, want, again, got)
	}
}

func TestGrantVectors(t *testing.T) {
	t.Parallel()
	for _, v := range wiretest.Vectors(t, "testdata/grant/*.txtar") {
		t.Run(v.Name, func(t *testing.T) {
			var p packet
			if err := p.parse(v.Input); err != nil {
				t.Fatal(err)
			}
			agreed, granted := grant(p.options, p.op == opWRQ, 262144, caps{blockSize: 1468, window: 64})
			s := fmt.Sprintf("OACK [%v]\nblock %d window %d timeout %v size %d rollover %d\n",
				granted, agreed.blockSize, agreed.window, agreed.timeout, agreed.size, agreed.rollover)
			v.Check(t, s)
			// What a server grants, a client that asked for it accepts, as the same.
			read, err := accept(p.options, granted)
			if _, sized := granted.get(optSize); !sized {
				read.size = agreed.size
			}
			if err != nil || read != agreed {
				t.Errorf("the client reads %+v, %v", read, err)
			}
		})
	}
}

func TestAcceptRefuses(t *testing.T) {
	t.Parallel()
	asked := options{{"blksize", "1024"}, {"windowsize", "8"}, {"timeout", "2"}, {"rollover", "1"}}
	for _, o := range []option{
		{"tsize", "1"},
		{"blksize", "1025"},
		{"blksize", "7"},
		{"blksize", "x"},
		{"blksize", ""},
		{"windowsize", "9"},
		{"windowsize", "0"},
		{"timeout", "1"},
		{"timeout", "3"},
		{"rollover", "0"},
		{"rollover", "2"},
	} {
		if p, err := accept(asked, options{o}); err == nil {
			t.Errorf("%v: accepted as %+v", o, p)
		}
	}
}

func TestNetasciiVectors(t *testing.T) {
	t.Parallel()
	for _, v := range wiretest.Vectors(t, "testdata/netascii/*.txtar") {
		t.Run(v.Name, func(t *testing.T) {
			v.Check(t, wiretest.Feed(t, v.Input, func(pieces iter.Seq[[]byte]) string {
				var d asciiDecoder
				var text []byte
				for p := range pieces {
					text = d.decode(text, p)
				}
				text = d.flush(text)
				return fmt.Sprintf("%q\n", text) + encoded(text)
			}))
		})
	}
}

// encoded is text in netascii; every size of block gives the same.
func encoded(text []byte) string {
	var first []byte
	for size := 1; size <= len(text)+1; size++ {
		var all []byte
		var e asciiEncoder
		for src, dst := text, make([]byte, size); ; {
			wrote, used := e.encode(dst, src)
			all = append(all, dst[:wrote]...)
			src = src[used:]
			if wrote < size {
				break
			}
		}
		if size > 1 && !bytes.Equal(all, first) {
			return fmt.Sprintf("in blocks of %d: %q, of 1: %q\n", size, all, first)
		}
		first = all
	}
	return fmt.Sprintf("%q\n", first)
}

func TestErrorIs(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&Error{CodeNotFound, ""}, &Error{CodeAccess, ""}, &Error{CodeExists, ""}, &Error{CodeDiskFull, ""}, &Error{CodeNoUser, ""}} {
		// What a server tells of an error is, for a client, that error again.
		if got := wireError(err); got.Code != err.(*Error).Code || !errors.Is(got, err) {
			t.Errorf("%v: told as %v", err, got)
		}
	}
	if s := (&Error{CodeNotFound, "gone"}).Error(); !strings.HasPrefix(s, "tftp: ") || !strings.Contains(s, `"gone" (code 1)`) {
		t.Errorf("text %q", s)
	}
}

// FuzzPacket: nothing panics, and what is parsed survives being written.
func FuzzPacket(f *testing.F) {
	for _, v := range wiretest.Vectors(f, "testdata/packet/*.txtar") {
		f.Add(v.Input)
	}
	for _, v := range wiretest.Vectors(f, "testdata/grant/*.txtar") {
		f.Add(v.Input)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkRoundTrip(t, b)
		var p packet
		if p.parse(b) != nil {
			return
		}
		agreed, granted := grant(p.options, p.op == opWRQ, 1000, caps{blockSize: maxBlockSize, window: 64})
		read, err := accept(p.options, granted)
		if _, sized := granted.get(optSize); !sized {
			read.size = agreed.size
		}
		if err != nil || read != agreed {
			t.Fatalf("asked %v, granted %v: server %+v, client %+v, %v", p.options, granted, agreed, read, err)
		}
		if agreed.blockSize*agreed.window > maxWindowBytes && agreed.window > 1 {
			t.Fatalf("window of %d blocks of %d", agreed.window, agreed.blockSize)
		}
	})
}

// FuzzNetascii: text survives the way there and back, in any blocks.
func FuzzNetascii(f *testing.F) {
	f.Add([]byte("a\r\nb\rc\n\x00"), 3)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		size = 1 + int(uint(size)%600)
		var e asciiEncoder
		var d asciiDecoder
		var got []byte
		for src, dst := text, make([]byte, size); ; {
			wrote, used := e.encode(dst, src)
			got = d.decode(got, dst[:wrote])
			src = src[used:]
			if wrote < size {
				break
			}
		}
		if got = d.flush(got); !bytes.Equal(got, text) {
			t.Fatalf("%q came back as %q", text, got)
		}
	})
}
