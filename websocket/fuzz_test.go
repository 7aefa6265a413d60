package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
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

// FuzzAccept: no request is upgraded that does not ask for it, and no page of another
// site may connect unless it was allowed.
func FuzzAccept(f *testing.F) {
	head := "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	f.Add(head+"Origin: https://a.example\r\n\r\n", "")
	f.Add(head+"Origin: https://b.example\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "https://*.example")
	f.Add(head+"Origin: http://[::1]:80\r\n\r\n", "[::1]")
	f.Add("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", "[")
	f.Fuzz(func(t *testing.T, head, pattern string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			return
		}
		o := &AcceptOptions{Origins: []string{pattern}, Subprotocols: []string{"b"}, Deflate: &Deflate{}, Logger: slog.New(slog.DiscardHandler)}
		w := httptest.NewRecorder()
		_, err = Accept(w, r, o) // a recorder cannot be hijacked: 501 is what would be upgraded
		if err == nil || w.Code < 400 {
			t.Fatalf("%d, %v", w.Code, err)
		}
		if w.Code != http.StatusNotImplemented {
			return
		}
		h := r.Header
		if r.Method != http.MethodGet || len(h[headerKey]) != 1 || len(h[headerVersion]) != 1 || len(h["Origin"]) > 1 {
			t.Errorf("upgraded: %q", head)
		}
		if origin := h.Get("Origin"); origin != "" && pattern == "" && !strings.Contains(strings.ToLower(origin), strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(r.Host, ":80"), ":443"))) {
			t.Errorf("a page of %q at %q", origin, r.Host)
		}
	})
}

// FuzzDial: whatever a server answers, Dial upgrades to what was agreed upon or fails, and
// holds little.
func FuzzDial(f *testing.F) {
	f.Add("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n\x81\x02hi")
	f.Add("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
	f.Add("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\nSec-WebSocket-Protocol: b\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		d := dialer{o: &DialOptions{Subprotocols: []string{"a", "b"}, Deflate: &Deflate{}, MaxHeaderBytes: 4 << 10}}
		must(t, "prepare", d.prepare("ws://a.example/"))
		accept := acceptKey(d.key)
		early, sub, pm, err := d.handshake(&scripted{in: strings.NewReader(strings.ReplaceAll(answer, "KEY", accept))})
		if e, ok := errors.AsType[*ResponseError](err); ok && (e.StatusCode == http.StatusSwitchingProtocols || len(e.Body) > maxBody) {
			t.Errorf("%d with %d bytes", e.StatusCode, len(e.Body))
		}
		if err != nil {
			return
		}
		if !strings.Contains(answer, "KEY") || !strings.HasSuffix(strings.ReplaceAll(answer, "KEY", accept), string(early)) {
			t.Errorf("upgraded by %q, with %q behind it", answer, early)
		}
		if sub != nil && *sub != "a" && *sub != "b" || pm.on && !pm.serverNoTakeover {
			t.Errorf("%v and %+v were not offered", sub, pm)
		}
	})
}

// scripted is a connection that says what it was told to.
type scripted struct {
	net.Conn
	in io.Reader
}

func (s *scripted) Read(b []byte) (int, error)      { return s.in.Read(b) }
func (s *scripted) Write(b []byte) (int, error)     { return len(b), nil }
func (s *scripted) SetReadDeadline(time.Time) error { return nil }
