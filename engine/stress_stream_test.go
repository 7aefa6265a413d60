package engine

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burrownet/burrow/internal/leak"
)

// stressSize is how large a stress test is: the second figure with BURROW_STRESS=full.
func stressSize(everyDay, full int) int {
	if os.Getenv("BURROW_STRESS") == "full" {
		return full
	}
	return everyDay
}

// stressTime is for how long each kind of mixed load goes on: BURROW_STRESS may be a duration.
func stressTime(t *testing.T) time.Duration {
	s := os.Getenv("BURROW_STRESS")
	if s == "" || s == "full" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("BURROW_STRESS is %q, want full or a duration", s)
	}
	return d
}

// A stream of the test is its own check: the bytes of a generator that the connection's number seeds. A head of 16
// bytes tells the number and the length.
const streamHead = 16

func streamBytes(id, length uint64) []byte {
	b := make([]byte, streamHead+length)
	binary.BigEndian.PutUint64(b, id)
	binary.BigEndian.PutUint64(b[8:], length)
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], id)
	rand.NewChaCha8(seed).Read(b[streamHead:])
	return b
}

// streamServer counts what its connections do.
type streamServer struct {
	e        *Engine
	opened   atomic.Int64
	closed   atomic.Int64
	detached atomic.Int64
	moved    sync.WaitGroup // goroutines that work for detached connections

	mu   sync.Mutex
	errs []error
}

func (s *streamServer) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

func (s *streamServer) accept(*Conn) Protocol {
	n := s.opened.Add(1)
	return &streamProto{s: s, r: rand.New(rand.NewPCG(uint64(n), 1)), move: n%5 == 0}
}

// streamProto checks what arrives and sends it back, in a different way each time.
type streamProto struct {
	s    *streamServer
	r    *rand.Rand
	want []byte // the whole stream; nil until its head is here
	at   int    // how much of it has arrived
	move bool   // Detach somewhere in the middle
	over bool   // Closed was called
}

// check takes b as the next part of the stream.
func (p *streamProto) check(b []byte) bool {
	if p.want == nil {
		p.want = streamBytes(binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]))
	}
	if len(b) > len(p.want)-p.at || !bytes.Equal(b, p.want[p.at:p.at+len(b)]) {
		p.s.fail("stream %x: wrong bytes at %d", p.want[:8], p.at)
		return false
	}
	p.at += len(b)
	return true
}

func (p *streamProto) Data(c *Conn, b []byte) (int, error) {
	if p.over {
		p.s.fail("Data after Closed")
	}
	if p.want == nil && len(b) < streamHead && !c.EOF() {
		return 0, nil
	}
	if len(b) == 0 || p.want == nil && len(b) < streamHead {
		return len(b), p.end(c)
	}
	if p.move && p.at > 1000 {
		p.move = false
		p.detach(c, b)
		return 0, nil
	}
	switch p.r.IntN(6) {
	case 0: // some of it, unless that is the last that comes
		if n := p.r.IntN(len(b)); p.at+len(b) < len(p.want) && p.want != nil && !c.EOF() {
			if !p.check(b[:n]) {
				return 0, errors.New("wrong bytes")
			}
			return n, p.write(c, b[:n])
		}
	case 1: // the same call goes on reading
		if p.want != nil && p.at+len(b) < len(p.want) {
			more, err := c.More(b, 10*time.Second)
			if err != nil && err != io.EOF {
				return 0, err
			}
			b = more
		}
	case 2: // elsewhere
		c.Go(func() { p.elsewhere(c) })
		return 0, nil
	}
	if !p.check(b) {
		return 0, errors.New("wrong bytes")
	}
	if err := p.write(c, b); err != nil {
		return len(b), err
	}
	return len(b), p.end(c)
}

func (p *streamProto) end(c *Conn) error {
	if c.EOF() {
		return io.EOF
	}
	return nil
}

// elsewhere works off the input on a goroutine of its own.
func (p *streamProto) elsewhere(c *Conn) {
	in := c.Input()
	if p.want == nil && len(in) < streamHead {
		p.s.fail("Go: %d bytes of input, there were more", len(in))
	}
	if !p.check(in) || p.write(c, in) != nil {
		c.Close()
		return
	}
	c.Unread(nil)
	if c.EOF() {
		c.Shutdown()
	}
}

// write sends b in pieces and waits when the peer lags behind.
func (p *streamProto) write(c *Conn, b []byte) error {
	for len(b) > 0 {
		n := 1 + p.r.IntN(len(b))
		var err error
		switch p.r.IntN(4) {
		case 0:
			k := p.r.IntN(n + 1)
			err = c.Write2(b[:k], b[k:n])
		case 1:
			err = c.WriteLater(b[:n])
		default:
			_, err = c.Write(b[:n])
		}
		if err != nil {
			return err
		}
		b = b[n:]
		if c.Backlog() > 100<<10 || p.r.IntN(50) == 0 {
			if err := c.Flush(10 * time.Second); err != nil {
				return err
			}
		}
	}
	return nil
}

// detach works off b on the bare net.Conn and gives that to the engine again.
func (p *streamProto) detach(c *Conn, b []byte) {
	given := bytes.Clone(b)
	nc, unread, err := c.Detach(b)
	if err != nil {
		return // the peer has gone; Closed follows
	}
	p.s.detached.Add(1)
	if !bytes.HasPrefix(unread, given) {
		p.s.fail("Detach: the input that was given back is not what it was given")
	}
	p.s.moved.Go(func() {
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		if !p.check(unread) {
			nc.Close()
			p.s.closed.Add(1)
			return
		}
		if _, err := nc.Write(unread); err != nil {
			nc.Close()
			p.s.closed.Add(1)
			return
		}
		nc.SetDeadline(time.Time{})
		if _, err := p.s.e.Attach(nc, p); err != nil {
			p.s.fail("Attach: %v", err)
			p.s.closed.Add(1)
		}
	})
}

func (p *streamProto) Timeout(c *Conn) { p.s.fail("Timeout without a deadline") }
func (p *streamProto) Drain(c *Conn)   { c.Close() }

func (p *streamProto) Closed(c *Conn, err error) {
	if p.over {
		p.s.fail("Closed twice")
	}
	p.over = true
	p.s.closed.Add(1)
}

// TestStressStreams sends checked streams over many connections at the same time. The server uses every way to read and
// write there is; clients read slowly, shut their side, or go away in the middle. No byte is lost, crossed or repeated.
func TestStressStreams(t *testing.T) {
	cert := selfSigned(t)
	for _, d := range platformDrivers() {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/tls=%v", d, secure), func(t *testing.T) {
				var opts *ServeOptions
				if secure {
					opts = &ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
				}
				needs(t, d)
				stressStreams(t, &Engine{Driver: d, Loops: 2}, opts)
			})
		}
	}
}

func stressStreams(t *testing.T, e *Engine, opts *ServeOptions) {
	s := &streamServer{e: e}
	dial := serve(t, e, s.accept, opts)
	first := dial()
	addr := first.RemoteAddr().String()
	first.Close()
	if !poll(10*time.Second, func() bool { return s.opened.Load() == 1 && s.closed.Load() == 1 }) {
		t.Fatal("the first connection did not come and go") // when it has, all loops are there
	}
	var wg sync.WaitGroup
	var whole, broken atomic.Int64
	conns := stressSize(100, 1000)
	next := atomic.Int64{}
	end := time.Now().Add(stressTime(t))
	fds, heap := leak.FDs(), heapInUse()
	for range 24 {
		wg.Go(func() {
			for id := next.Add(1); id <= int64(conns) || time.Now().Before(end); id = next.Add(1) {
				c := streamClient{id: uint64(id), r: rand.New(rand.NewPCG(uint64(id), 2)), secure: opts != nil}
				ok, err := c.run(addr)
				switch {
				case err != nil:
					s.fail("client %d: %w", id, err)
				case ok:
					whole.Add(1)
				default:
					broken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	s.moved.Wait()
	if !poll(10*time.Second, func() bool { return s.closed.Load() == s.opened.Load() }) {
		s.fail("%d connections opened, %d closed", s.opened.Load(), s.closed.Load())
	}
	if !poll(10*time.Second, func() bool { return leak.FDs() <= fds }) {
		s.fail("%d descriptors were open before, %d are after", fds, leak.FDs())
	}
	// What the pools of both sides hold is much, but does not grow with the number of streams.
	if now := heapInUse(); now > heap+heapSlack {
		s.fail("%d bytes of heap were in use before, %d are after", heap, now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("%d whole streams, %d broken off, %d detached and attached", whole.Load(), broken.Load(), s.detached.Load())
	for i, err := range s.errs {
		if i == 8 {
			t.Fatalf("and %d more", len(s.errs)-i)
		}
		t.Error(err)
	}
}

// heapSlack is what the heap may have grown by after the load, in bytes.
const heapSlack = 16 << 20

// heapInUse is the size of the heap without garbage and what pools keep.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // the second empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// poll waits until ok says so; it reports false after limit.
func poll(limit time.Duration, ok func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
