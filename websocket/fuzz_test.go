package websocket

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// FuzzExtensions: no header makes the negotiation fail in another way than by
// declining, and what it answers a client understands.
func FuzzExtensions(f *testing.F) {
	f.Add("permessage-deflate; client_max_window_bits", true, uint8(10))
	f.Add(`permessage-deflate; server_max_window_bits="9", x; a="b,\"c"`, false, uint8(0))
	f.Add("permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=15", false, uint8(8))
	f.Fuzz(func(t *testing.T, header string, takeover bool, bits uint8) {
		d := &Deflate{ContextTakeover: takeover, WindowBits: int(bits)}
		p, answer := acceptDeflate(http.Header{headerExtensions: {header}}, d)
		if p.on != (answer != "") {
			t.Fatalf("%q is answered %q with %+v", header, answer, p)
		}
		if !p.on {
			return
		}
		list, ok := parseExtensions(http.Header{headerExtensions: {answer}})
		if !ok || len(list) != 1 {
			t.Fatalf("the answer %q is not one extension", answer)
		}
		o, ok := parseDeflate(list[0], true)
		if !ok || o.deflateParams != p {
			t.Errorf("the answer %q reads %+v, is %+v", answer, o.deflateParams, p)
		}
		checkDeflate(http.Header{headerExtensions: {header}}, d)
	})
}

// FuzzFeed: whatever arrives, whole or cut in two, comes out the same, and what is
// held is bounded.
func FuzzFeed(f *testing.F) {
	p := &peer{client: true, t: f}
	f.Add(p.raw(fin|1, "hello"), uint16(3), false)
	f.Add(append(p.raw(1, "he"), append(p.raw(fin|9, "!"), p.raw(fin, "llo")...)...), uint16(9), false)
	f.Add(p.raw(fin|rsv1|1, "\xf2\x48\xcd\xc9\xc9\x07\x00"), uint16(7), true)
	f.Add(p.raw(fin|8, "\x03\xe8bye"), uint16(4), true)
	set := common{maxMessage: 1 << 12}.settings(false)
	f.Fuzz(func(t *testing.T, in []byte, cut uint16, compressed bool) {
		read := func(pieces ...[]byte) string {
			c := newEvent(nil, set, nil, deflateParams{on: compressed})
			var log strings.Builder
			for _, b := range pieces {
				b = append([]byte(nil), b...)
				for len(b) > 0 {
					e, n, err := c.feed(b)
					if err != nil {
						return log.String() + err.Error()
					}
					if n == 0 {
						t.Fatal("nothing was taken")
					}
					if e.kind != evNone {
						fmt.Fprintf(&log, "%d %v %q\n", e.kind, e.typ, e.data)
					}
					if p := c.part; p != nil && len(p.buf) > 8<<10 {
						t.Fatalf("%d bytes are held", len(p.buf))
					}
					b = b[n:]
					c.settle()
				}
			}
			return log.String()
		}
		at := min(int(cut), len(in))
		if whole, parts := read(in), read(in[:at], in[at:]); whole != parts {
			t.Errorf("whole:\n%s\nin parts:\n%s", whole, parts)
		}
	})
}
