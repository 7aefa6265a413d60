//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// Tests with a measured window are not parallel: it is short, and closed loops take
// all of the processors.

// serveWS runs a WebSocket server that gives each connection to h.
func serveWS(t *testing.T, useTLS bool, u *websocket.Upgrader, h func(*websocket.Conn)) *options {
	t.Helper()
	o := serve(t, useTLS, func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		h(c)
	})
	o.mode, o.payload, o.headers = "ws", 64, 1
	return o
}

// echoing answers each message with what f makes of it.
func echoing(f func(n int, message []byte) []byte) func(*websocket.Conn) {
	return func(c *websocket.Conn) {
		for n := 0; ; n++ {
			kind, message, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, f(n, message)) != nil {
				return
			}
		}
	}
}

var (
	compressing = &websocket.Upgrader{EnableCompression: true}
	faithful    = echoing(func(_ int, message []byte) []byte { return message })
)

func TestWSEcho(t *testing.T) {
	for name, set := range map[string]func(*options){
		"64":      func(*options) {},
		"1k":      func(o *options) { o.payload = 1 << 10 },
		"deflate": func(o *options) { o.payload, o.deflate = 1<<10, true },
	} {
		t.Run(name, func(t *testing.T) {
			o := serveWS(t, false, compressing, faithful)
			set(o)
			r := measured(t, o)
			if r.Elapsed < o.duration || r.ServerCPU <= 0 || r.Latency.P99 < r.Latency.P50 || r.Latency.P50 <= 0 {
				t.Errorf("result = %+v", r)
			}
		})
	}
}

func TestWSErrorsAreCounted(t *testing.T) {
	// The first answers are right: what is learned then must not hide what follows.
	later := func(f func([]byte) []byte) func(*websocket.Conn) {
		return echoing(func(n int, message []byte) []byte {
			if n < 3 {
				return message
			}
			return f(message)
		})
	}
	for _, test := range []struct {
		name    string
		deflate bool
		h       func(*websocket.Conn)
		want    string // in the error
	}{
		{"wrong byte", false, later(func(b []byte) []byte { b[len(b)-1]++; return b }), "not what was sent"},
		{"wrong number", false, later(func(b []byte) []byte { b[0] = 'x'; return b }), "not what was sent"},
		{"too short", false, later(func(b []byte) []byte { return b[1:] }), "want"},
		{"too long", false, later(func(b []byte) []byte { return append(b, 'x') }), "want"},
		{"wrong byte, compressed", true, later(func(b []byte) []byte { b[99]++; return b }), "not what was sent"},
		{"too long, compressed", true, later(func(b []byte) []byte { return append(b, 'x') }), "not what was sent"},
		{"not compressed", true, func(c *websocket.Conn) { c.EnableWriteCompression(false); faithful(c) }, "frame that begins with"},
		{"other type", false, func(c *websocket.Conn) {
			c.ReadMessage()
			c.WriteMessage(websocket.TextMessage, make([]byte, 64))
		}, "frame that begins with"},
		{"twice", false, func(c *websocket.Conn) {
			_, b, _ := c.ReadMessage()
			c.WriteMessage(websocket.BinaryMessage, b)
			c.WriteMessage(websocket.BinaryMessage, b)
			c.ReadMessage()
		}, ""},
		{"closed", false, func(c *websocket.Conn) { c.ReadMessage() }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := serveWS(t, false, compressing, test.h)
			if o.deflate = test.deflate; o.deflate {
				o.payload = 1 << 10
			}
			r, err := o.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.Errors != int64(o.conns) || !strings.Contains(r.FirstError, test.want) {
				t.Errorf("%d errors (%q), want one for each of %d connections, about %q", r.Errors, r.FirstError, o.conns, test.want)
			}
		})
	}
}

func TestWSHandshakeIsChecked(t *testing.T) {
	switching := func(fields string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			nc, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				nc.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + fields + "\r\n"))
				nc.Close()
			}
		}
	}
	const accept = "Sec-WebSocket-Accept: 6Yat8qC638TyM69bC/JnDVZDwIA=\r\n"
	for _, test := range []struct {
		name    string
		deflate bool
		h       http.HandlerFunc
		want    string
	}{
		{"refused", false, hello, "want 101"},
		{"wrong key", false, switching("Sec-WebSocket-Accept: AAAA\r\n"), "Sec-WebSocket-Accept is"},
		{"not offered", false, switching(accept + "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "was not offered"},
		{"no compression", true, switching(accept), "want permessage-deflate"},
		{"takeover", true, switching(accept + "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "without context takeover"},
		{"speaks first", false, switching(accept + "\r\nx"), "speaks first"},
	} {
		o := serve(t, false, test.h)
		o.mode, o.payload, o.deflate = "ws", 1<<10, test.deflate
		if _, err := o.run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want one about %q", test.name, err, test.want)
		}
	}
}

func TestWSHold(t *testing.T) {
	for _, useTLS := range []bool{false, true} {
		for _, deflate := range []bool{false, true} {
			o := serveWS(t, useTLS, compressing, faithful)
			o.mode, o.payload, o.deflate, o.plateaus, o.idle = "ws-hold", 1<<10, deflate, "3,70", 1
			r := measured(t, o)
			if want := int64(70 * (holdDepth + 2)); len(r.Memory) != 2 || r.Requests != want {
				t.Fatalf("plateaus = %+v after %d messages, want 2 after %d", r.Memory, r.Requests, want)
			}
			for i, want := range []int{3, 70} {
				if got := r.Memory[i]; got.Conns != want || got.Alive != want || got.RSS == 0 {
					t.Errorf("plateau %d = %+v, want %d connections, all alive", i, got, want)
				}
			}
		}
	}
}

// hall is a server's side of a broadcast.
type hall struct {
	mu     sync.Mutex
	all    []*websocket.Conn
	absent int // how many of the last are left out
}

func (h *hall) serve(c *websocket.Conn) {
	h.mu.Lock()
	h.all = append(h.all, c)
	h.mu.Unlock()
	for {
		kind, message, err := c.ReadMessage()
		if err != nil {
			return
		}
		h.mu.Lock()
		for _, to := range h.all[:len(h.all)-h.absent] {
			to.WriteMessage(kind, message)
		}
		h.mu.Unlock()
	}
}

func TestWSBroadcast(t *testing.T) {
	o := serveWS(t, false, &websocket.Upgrader{}, new(hall).serve)
	o.mode, o.conns = "ws-broadcast", 20
	r := measured(t, o)
	if r.Latency.P50 <= 0 || r.Latency.P50 > r.Elapsed {
		t.Errorf("time to the last byte = %+v", r.Latency)
	}
	o = serveWS(t, false, &websocket.Upgrader{}, (&hall{absent: 1}).serve)
	o.mode, o.conns = "ws-broadcast", 20
	if r, err := o.run(t.Context()); err == nil {
		t.Errorf("one connection gets nothing, and the result is %+v; want an error", r)
	}
	o = serveWS(t, false, &websocket.Upgrader{}, faithful)
	o.mode, o.conns = "ws-broadcast", 20
	if r, err := o.run(t.Context()); err == nil {
		t.Errorf("only the sender gets its message, and the result is %+v; want an error", r)
	}
}

// An answer must be found wherever the network has cut it.
func TestWSAnswerAtEverySplit(t *testing.T) {
	t.Parallel()
	for _, deflate := range []bool{false, true} {
		for _, size := range []int{64, 125, 126, 1 << 10} {
			if deflate && size < 1<<10 {
				continue
			}
			traffic, err := newWSTraffic(size, deflate, "")
			if err != nil {
				t.Fatal(err)
			}
			_, want, err := traffic.message(7)
			if err != nil {
				t.Fatal(err)
			}
			payload := traffic.payload(7)
			if deflate {
				if payload, err = deflated(payload); err != nil {
					t.Fatal(err)
				}
			}
			answer := []byte{want.first, byte(len(payload))}
			if len(payload) > 125 {
				answer = []byte{want.first, 126, byte(len(payload) >> 8), byte(len(payload))}
			}
			answer = append(answer, payload...)
			for range 2 { // the second time it is known
				for i := range answer {
					if n, err := want.take(answer[:i]); n != 0 || err != nil {
						t.Fatalf("%d of %d bytes: took %d, %v", i, len(answer), n, err)
					}
				}
				if n, err := want.take(append(bytes.Clone(answer), "more"...)); n != len(answer) || err != nil {
					t.Fatalf("whole answer: took %d, %v; want %d", n, err, len(answer))
				}
			}
		}
	}
}

func TestWSTraffic(t *testing.T) {
	t.Parallel()
	traffic, err := newWSTraffic(1<<10, true, "")
	if err != nil {
		t.Fatal(err)
	}
	one, two := traffic.payload(1), traffic.payload(10_000)
	if len(one) != 1<<10 || !json.Valid(one) || bytes.Equal(one, two) {
		t.Errorf("messages are not JSON of 1 KiB that differ: %s", one)
	}
	packed, err := deflated(one)
	if err != nil || len(packed) > 600 || len(packed) < 200 || !inflatesTo(packed, one) || inflatesTo(packed, two) {
		t.Errorf("compressed to %d bytes, %v; want a third to a half, and back", len(packed), err)
	}
	for _, size := range []int{0, 7, 11} {
		if _, err := newWSTraffic(size, false, "all "); err == nil {
			t.Errorf("messages of %d bytes hold no number: no error", size)
		}
	}
	if traffic, err := newWSTraffic(64, false, "all "); err != nil || !bytes.HasPrefix(traffic.payload(3), []byte("all 00000003")) {
		t.Errorf("a message for all does not say so: %v", err)
	}
}
