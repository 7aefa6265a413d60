package websocket

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/wsframe"
)

// sink is a connection that throws away what is written to it, and holds nothing.
func echoConn() *Conn {
	h := &Funcs{OnMessage: func(c *Conn, typ MessageType, data []byte) { c.settle() }}
	c := newEvent(h, (&AcceptOptions{}).settings(), nil, deflateParams{})
	c.state.Store(stOpen)
	return c
}

// TestEventSize: what an idle connection keeps.
func TestEventSize(t *testing.T) {
	t.Parallel()
	if n := unsafe.Sizeof(Conn{}); n > 144 {
		t.Errorf("a Conn has %d bytes, want 144 at most", n)
	}
	if n := unsafe.Sizeof(wsframe.Reader{}); n > 24 {
		t.Errorf("a Reader has %d bytes, want 24 at most", n)
	}
}

// TestFeedAllocs: a message in one piece costs no memory, nor does one in several.
func TestFeedAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector a sync.Pool forgets on purpose")
	}
	c := echoConn()
	p := &peer{t: t, client: true}
	whole := p.raw(fin|1, strings.Repeat("x", 64))
	parts := append(p.raw(1, strings.Repeat("x", 64)), p.raw(fin, "yz")...)
	buf := make([]byte, 1<<10)
	run := func(in []byte, cut int) {
		for _, b := range [][]byte{in[:cut], in[cut:]} {
			b = buf[:copy(buf, b)]
			for len(b) > 0 {
				_, n, err := c.feed(b)
				if err != nil {
					t.Fatal(err)
				}
				b = b[n:]
				c.settle()
			}
		}
	}
	for _, tc := range []struct {
		in  []byte
		cut int
	}{{whole, 0}, {whole, 3}, {whole, 30}, {parts, 0}, {parts, 1}, {parts, 75}} {
		run(tc.in, tc.cut)
		if n := testing.AllocsPerRun(100, func() { run(tc.in, tc.cut) }); n > 0.5 {
			t.Errorf("%d bytes cut at %d: %v allocations", len(tc.in), tc.cut, n)
		}
	}
}

// TestEchoAllocs: an echo over a socket costs no memory.
func TestEchoAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector a sync.Pool forgets on purpose")
	}
	near, far := tcpPair(t)
	h := &Funcs{OnMessage: func(c *Conn, typ MessageType, data []byte) { c.Write(context.Background(), typ, data) }}
	c := newEvent(h, (&AcceptOptions{}).settings(), nil, deflateParams{})
	must(t, "attach", c.attach(&engine.Engine{}, near, nil))
	p := &peer{t: t, nc: far, client: true}
	out := p.raw(fin|1, strings.Repeat("x", 64))
	buf := make([]byte, 66)
	echo := func() {
		far.Write(out)
		if _, err := io.ReadFull(far, buf); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		echo()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 2000
	for range rounds {
		echo()
	}
	runtime.ReadMemStats(&after)
	if n := float64(after.Mallocs-before.Mallocs) / rounds; n > 0.1 {
		t.Errorf("%v allocations per echo", n)
	}
	p.send(p.raw(fin|8, ""))
	p.want("close 1005")
	p.want("EOF")
}

func BenchmarkEcho(b *testing.B) {
	for _, s := range servers() {
		for _, n := range []int{64, 1 << 10} {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				s.needs(b)
				p := dialPeer(b, s.start(b, nil), "/")
				p.nc.SetDeadline(time.Time{})
				out := p.raw(fin|2, strings.Repeat("x", n))
				buf := make([]byte, len(out)-4)
				b.ReportAllocs()
				for b.Loop() {
					p.nc.Write(out)
					if _, err := io.ReadFull(p.nc, buf); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				p.send(p.raw(fin|8, ""))
			})
		}
	}
}

// BenchmarkData is the part of an echo that is not the kernel's.
func BenchmarkFeed(b *testing.B) {
	for _, n := range []int{64, 1 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := echoConn()
			p := &peer{t: b, client: true}
			in := p.raw(fin|1, strings.Repeat("x", n))
			buf := make([]byte, len(in))
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				copy(buf, in)
				e, _, err := c.feed(buf)
				if err != nil || e.kind != evMessage {
					b.Fatal(err)
				}
				c.settle()
			}
		})
	}
}
