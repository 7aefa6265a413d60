package websocket

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
)

// TestHubEncodesOnce: a message is made once for each set of options, and
// connections that take over understand what else they get.
func TestHubEncodesOnce(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		h := &Hub{}
		addr := s.start(t, &AcceptOptions{Handler: hubHandler(h), Deflate: &Deflate{ContextTakeover: true}})
		offers := []string{
			"", "",
			"permessage-deflate; server_no_context_takeover",
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
			"permessage-deflate",
			"permessage-deflate",
			"permessage-deflate; server_max_window_bits=10",
			"permessage-deflate; server_max_window_bits=10; server_no_context_takeover",
		}
		var peers []*peer
		for _, offer := range offers {
			header := "X: y"
			if offer != "" {
				header = headerExtensions + ": " + offer
			}
			peers = append(peers, subscriber(t, addr, "t", header))
		}
		for i := range 5 {
			text := strings.Repeat(fmt.Sprintf("message %d of the hub, ", i), 100)
			publish(t, h, "t", text, len(peers))
			for _, p := range peers {
				p.want("text " + text)
				echo := text[:500] + " and an echo"
				p.send(p.raw(fin|1, echo))
				p.want("text " + echo)
			}
		}
		publish(t, h, "t", "too short to be compressed", len(peers))
		for _, p := range peers {
			p.want("text too short to be compressed")
		}
		if got := h.Stats().Encoded; got != 5*3+1 {
			t.Errorf("%d frames were made, want %d", got, 5*3+1)
		}
	})
}

// TestHubIncompressible: what compression makes larger is sent as it is.
func TestHubIncompressible(t *testing.T) {
	t.Parallel()
	h := &Hub{}
	s := servers()[1]
	addr := s.start(t, &AcceptOptions{Handler: hubHandler(h), Deflate: &Deflate{MinBytes: -1}})
	p := subscriber(t, addr, "t", headerExtensions+": permessage-deflate")
	publish(t, h, "t", "x", 1)
	f := make([]byte, 3)
	io.ReadFull(p.nc, f)
	if string(f) != "\x81\x01x" {
		t.Errorf("got %q, want the message as it is", f)
	}
}

// TestHubClients: connections of clients mask, each with a key of its own.
func TestHubClients(t *testing.T) {
	t.Parallel()
	h := &Hub{}
	var far []*peer
	for range 3 {
		c, p := memPeer(t, common{}, true)
		defer p.nc.Close()
		defer c.CloseNow()
		must(t, "subscribe", h.Subscribe(c, "t"))
		far = append(far, p)
	}
	if n, err := h.Publish(background(t), "t", MessageBinary, []byte("hello")); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	keys := map[string]bool{}
	for _, p := range far {
		b := make([]byte, 11)
		io.ReadFull(p.nc, b)
		keys[string(b[2:6])] = true
		p.in = b
		p.want("binary hello")
	}
	if len(keys) != 3 {
		t.Errorf("%d masking keys, want 3", len(keys))
	}
}

// crowd is n connections on an engine, with somebody who reads what they get.
func crowd(t testing.TB, h *Hub, n int) {
	t.Helper()
	e := &engine.Engine{}
	set := (&AcceptOptions{}).settings()
	for range n {
		near, far := tcpPair(t)
		far.SetDeadline(time.Time{})
		c := newEvent(&Funcs{}, set, nil, deflateParams{})
		must(t, "attach", c.attach(e, near, nil))
		must(t, "subscribe", h.Subscribe(c, "t"))
		go io.Copy(io.Discard, struct{ io.Reader }{far})
		t.Cleanup(func() {
			far.(*net.TCPConn).Close()
			until(t, "the connection ends", func() bool { return c.has(stEnded) })
		})
	}
}

// TestHubAllocs: a message costs no memory, to however many connections it goes.
func TestHubAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector a sync.Pool forgets on purpose")
	}
	h := &Hub{}
	const n = 200
	crowd(t, h, n)
	data := []byte(strings.Repeat("x", 1<<10))
	ctx := context.Background()
	send := func() { h.Publish(ctx, "t", MessageBinary, data) }
	for range 10 {
		send()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 200
	for range rounds {
		send()
	}
	runtime.ReadMemStats(&after)
	if got := float64(after.Mallocs-before.Mallocs) / rounds; got > 2 {
		t.Errorf("%v allocations per message to %d connections, want 2 at most", got, n)
	}
}

// TestHubJoinDuringPublish: who joins does not wait for a message to go out.
func TestHubJoinDuringPublish(t *testing.T) {
	t.Parallel()
	h := &Hub{}
	c, p := memPeer(t, common{}, false)
	defer p.nc.Close()
	defer c.CloseNow()
	must(t, "subscribe", h.Subscribe(c, "t"))
	h.topics["t"].publish.Lock() // as a Publish that takes its time
	defer h.topics["t"].publish.Unlock()
	joined := make(chan error, 1)
	go func() {
		d, q := memPeer(t, common{}, false)
		defer q.nc.Close()
		defer d.CloseNow()
		err := h.Subscribe(d, "t")
		h.Unsubscribe(d, "t")
		joined <- err
	}()
	must(t, "subscribe during a message", await(t, "subscribe", joined))
}

func BenchmarkHubPublish(b *testing.B) {
	for _, n := range []int{1, 100, 400} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := &Hub{BudgetBytes: -1}
			crowd(b, h, n)
			data := []byte(strings.Repeat("x", 1<<10))
			b.ReportAllocs()
			for b.Loop() {
				h.Publish(context.Background(), "t", MessageBinary, data)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/delivery")
		})
	}
}
