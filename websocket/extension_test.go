package websocket

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/burrownet/burrow/engine"
)

// deflateCase is one of 13.*: what is offered, and what our side allows.
type deflateCase struct {
	id    string
	offer string
	d     Deflate
	want  string // the answer
}

func deflateCases() []deflateCase {
	const all = "permessage-deflate; client_max_window_bits"
	takeover := Deflate{ContextTakeover: true}
	return []deflateCase{
		{"13.1 plain offer, no takeover", "permessage-deflate", Deflate{}, "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{"13.2 plain offer, takeover", "permessage-deflate", takeover, "permessage-deflate"},
		{"13.3 client asks the server for none", "permessage-deflate; server_no_context_takeover", takeover, "permessage-deflate; server_no_context_takeover"},
		{"13.4 server window 9", "permessage-deflate; server_max_window_bits=9", takeover, "permessage-deflate; server_max_window_bits=9"},
		{"13.5 server window 15", "permessage-deflate; server_max_window_bits=15", takeover, "permessage-deflate; server_max_window_bits=15"},
		{"13.6 server window 9, no takeover", "permessage-deflate; server_max_window_bits=9; server_no_context_takeover", takeover, "permessage-deflate; server_no_context_takeover; server_max_window_bits=9"},
		{"13.7 fallback to the second offer", "permessage-deflate; server_max_window_bits=99, permessage-deflate", takeover, "permessage-deflate"},
		{"13.8 server window 8", "permessage-deflate; server_max_window_bits=8", takeover, "permessage-deflate; server_max_window_bits=8"},
		{"13.9 client window allowed, none wanted", all, takeover, "permessage-deflate"},
		{"13.10 client window wanted", all, Deflate{ContextTakeover: true, WindowBits: 10}, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10"},
		{"13.11 client window offered smaller", all + "=11", Deflate{ContextTakeover: true, WindowBits: 12}, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=11"},
		{"13.12 client window not allowed", "permessage-deflate", Deflate{ContextTakeover: true, WindowBits: 12}, "permessage-deflate; server_max_window_bits=12"},
		{"13.13 level 9", "permessage-deflate", Deflate{ContextTakeover: true, Level: 9}, "permessage-deflate"},
	}
}

// compressedSizes are those of 12.*, and what the tests send of each.
var compressedSizes = []int{0, 1, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072}

// TestServerCompression runs 12.* and 13.* against every server.
func TestServerCompression(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		for _, tc := range deflateCases() {
			t.Run(tc.id, func(t *testing.T) {
				t.Parallel()
				tc.d.MinBytes = -1
				p := dialPeer(t, s.start(t, &AcceptOptions{Deflate: &tc.d}), "/", "Sec-WebSocket-Extensions: "+tc.offer)
				if got := p.resp.Header.Get(headerExtensions); got != tc.want {
					t.Fatalf("agreed upon %q, want %q", got, tc.want)
				}
				echoCompressed(p)
			})
		}
	})
}

// TestClientCompression runs 12.* and 13.* against our client.
func TestClientCompression(t *testing.T) {
	t.Parallel()
	for _, style := range clients() {
		for _, tc := range []deflateCase{
			{id: "no takeover", want: "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
			{id: "takeover", d: Deflate{ContextTakeover: true}, want: "permessage-deflate"},
			{id: "server none", d: Deflate{ContextTakeover: true}, want: "permessage-deflate; server_no_context_takeover"},
			{id: "client none", d: Deflate{ContextTakeover: true}, want: "permessage-deflate; client_no_context_takeover"},
			{id: "client window 8", d: Deflate{ContextTakeover: true}, want: "permessage-deflate; client_max_window_bits=8"},
			{id: "client window 12", d: Deflate{ContextTakeover: true}, want: "permessage-deflate; client_max_window_bits=12"},
		} {
			t.Run(style.name+"/"+tc.id, func(t *testing.T) {
				t.Parallel()
				style.needs(t)
				tc.d.MinBytes = -1
				o := &DialOptions{Deflate: &tc.d, Engine: &engine.Engine{Driver: style.driver}}
				echoCompressed(dialEcho(t, o, style.event, tc.want))
			})
		}
	}
}

// echoCompressed sends messages of all sizes, in frames of all sizes, with control
// frames between; some of them not compressed.
func echoCompressed(p *peer) {
	p.t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 3 {
		for i, n := range compressedSizes {
			if round > 0 && n > 16384 {
				continue // the large ones once
			}
			s := json1(rnd, n)
			if round == 2 && i%4 == 1 {
				p.send(p.raw(fin|1, s))
				p.want("text " + s)
				continue
			}
			z := p.deflate(s)
			size := max(1, len(z))
			if round == 1 {
				size = 1 + len(z)/(1+rnd.IntN(20))
			}
			var out []byte
			for i, f := range fragments(1, z, size) {
				if i == 0 {
					f.b0 |= rsv1
				}
				out = append(out, p.raw(f.b0, f.payload)...)
				if i == 0 && f.b0&fin == 0 {
					p.send(append(out, p.raw(fin|9, "between")...))
					p.want("pong between")
					out = nil
				}
			}
			p.send(out)
			p.want("text " + s)
		}
	}
	p.send(p.raw(fin|8, "\x03\xe8"))
	p.want("close 1000")
}

// TestNegotiation: what is no valid offer is declined, and what is no valid answer
// refused.
func TestNegotiation(t *testing.T) {
	t.Parallel()
	for _, offer := range []string{
		"", "permessage-bzip2", "permessage-deflate; unknown", "permessage-deflate; server_no_context_takeover=1",
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover", "permessage-deflate; server_max_window_bits",
		"permessage-deflate; server_max_window_bits=7", "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=08",
		"permessage-deflate; client_max_window_bits=+9", "permessage-deflate;;", `permessage-deflate; client_max_window_bits="`, "=permessage-deflate",
	} {
		p, answer := acceptDeflate(http.Header{headerExtensions: {offer}}, &Deflate{})
		if p.on || answer != "" {
			t.Errorf("offer %q is answered %q", offer, answer)
		}
	}
	for offer, want := range map[string]string{
		`Permessage-Deflate; server_max_window_bits="10"`:            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10",
		`x-other; a="b,c", permessage-deflate`:                       "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		"permessage-deflate ; client_max_window_bits , x-webkit-foo": "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
	} {
		if _, answer := acceptDeflate(http.Header{headerExtensions: {offer}}, &Deflate{}); answer != want {
			t.Errorf("offer %q is answered %q, want %q", offer, answer, want)
		}
	}
	if p, _ := acceptDeflate(http.Header{headerExtensions: {"permessage-deflate"}}, nil); p.on {
		t.Error("compression without Deflate")
	}
	for _, tc := range []struct {
		answer string
		d      *Deflate
		ok     bool
	}{
		{"", nil, true},
		{"permessage-deflate", nil, false},
		{"permessage-deflate", &Deflate{}, false}, // it has to start anew
		{"permessage-deflate; server_no_context_takeover", &Deflate{}, true},
		{"permessage-deflate", &Deflate{ContextTakeover: true}, true},
		{"permessage-deflate; client_max_window_bits", &Deflate{ContextTakeover: true}, false},
		{"permessage-deflate; client_max_window_bits=9", &Deflate{ContextTakeover: true}, true},
		{"permessage-deflate", &Deflate{ContextTakeover: true, WindowBits: 10}, false},
		{"permessage-deflate; server_max_window_bits=11", &Deflate{ContextTakeover: true, WindowBits: 10}, false},
		{"permessage-deflate; server_max_window_bits=10", &Deflate{ContextTakeover: true, WindowBits: 10}, true},
		{"permessage-deflate; unknown", &Deflate{ContextTakeover: true}, false},
		{"permessage-deflate, permessage-deflate", &Deflate{ContextTakeover: true}, false},
		{"other", &Deflate{}, false},
	} {
		h := http.Header{}
		if tc.answer != "" {
			h.Set(headerExtensions, tc.answer)
		}
		if _, ok := checkDeflate(h, tc.d); ok != tc.ok {
			t.Errorf("answer %q to %+v: %v, want %v", tc.answer, tc.d, ok, tc.ok)
		}
	}
	// RFC 7692 7.1: what we offer is something that we would accept.
	for _, d := range []*Deflate{{}, {ContextTakeover: true}, {WindowBits: 9}, {ContextTakeover: true, WindowBits: 12}} {
		_, answer := acceptDeflate(http.Header{headerExtensions: {d.offer()}}, d)
		if _, ok := checkDeflate(http.Header{headerExtensions: {answer}}, d); !ok || answer == "" {
			t.Errorf("%+v offers %q, accepts %q", d, d.offer(), answer)
		}
	}
}
