package engine

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proto is a Protocol made of functions.
type proto struct {
	data    func(c *Conn, b []byte) (int, error)
	timeout func(c *Conn)
	drain   func(c *Conn)
	closed  func(c *Conn, err error)
}

func (p *proto) Data(c *Conn, b []byte) (int, error) { return p.data(c, b) }

func (p *proto) Timeout(c *Conn) {
	if p.timeout != nil {
		p.timeout(c)
	} else {
		c.Close()
	}
}

func (p *proto) Drain(c *Conn) {
	if p.drain != nil {
		p.drain(c)
	} else {
		c.Close()
	}
}

func (p *proto) Closed(c *Conn, err error) {
	if p.closed != nil {
		p.closed(c, err)
	}
}

func echo(c *Conn, b []byte) (int, error) {
	if _, err := c.Write(b); err != nil {
		return 0, err
	}
	if c.EOF() {
		return len(b), io.EOF
	}
	return len(b), nil
}

// on runs a test on every driver of this platform.
func on(t *testing.T, f func(t *testing.T, e *Engine)) {
	for _, d := range platformDrivers() {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			needs(t, d)
			f(t, &Engine{Driver: d})
		})
	}
}

// onLoops runs a test on every driver that has loops, one after the other.
func onLoops(t *testing.T, f func(t *testing.T, e *Engine)) {
	for _, d := range platformDrivers() {
		if d != DriverGoroutine {
			t.Run(d.String(), func(t *testing.T) {
				needs(t, d)
				f(t, &Engine{Driver: d})
			})
		}
	}
}

// needs skips a test whose driver this system refuses: the ring, in containers.
func needs(t testing.TB, d Driver) {
	t.Helper()
	if err := d.Available(); err != nil {
		t.Skipf("this system refuses the %v driver: %v", d, err)
	}
}

// serve runs an engine for the time of a test and returns how to dial it.
func serve(t testing.TB, e *Engine, accept func(*Conn) Protocol, opts *ServeOptions) func() net.Conn {
	t.Helper()
	addr := serveAddr(t, e, accept, opts)
	return func() net.Conn {
		t.Helper()
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		return nc
	}
}

// serveAddr is serve for peers that dial by themselves.
func serveAddr(t testing.TB, e *Engine, accept func(*Conn) Protocol, opts *ServeOptions) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(ctx, ln, accept, opts) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve did not return")
		}
	})
	return ln.Addr().String()
}

func same(p Protocol) func(*Conn) Protocol { return func(*Conn) Protocol { return p } }

func roundTrip(t *testing.T, nc net.Conn, msg []byte) {
	t.Helper()
	go nc.Write(msg)
	got := make([]byte, len(msg))
	if _, err := io.ReadFull(nc, got); err != nil {
		t.Fatalf("read: %v", err)
	}
	if !bytes.Equal(got, msg) {
		t.Fatal("the echo differs")
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(b)
	return b
}

func TestEcho(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		dial := serve(t, e, same(&proto{data: echo}), nil)
		var wg sync.WaitGroup
		for range 20 {
			nc := dial()
			wg.Go(func() {
				for _, n := range []int{1, 100, 5000, 70000, 1 << 20} {
					roundTrip(t, nc, noise(n))
				}
			})
		}
		wg.Wait()
	})
}

func TestHalfClose(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		closed := make(chan error, 1)
		var all []byte
		dial := serve(t, e, same(&proto{
			data: func(c *Conn, b []byte) (int, error) {
				all = append(all, b...)
				if c.EOF() {
					c.Write(all) // everything, once the peer has said everything
					return len(b), io.EOF
				}
				return len(b), nil
			},
			closed: func(_ *Conn, err error) { closed <- err },
		}), nil)
		nc := dial()
		msg := noise(300000)
		nc.Write(msg)
		nc.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(nc)
		if err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(msg))
		}
		if err := <-closed; err != nil {
			t.Fatalf("Closed got %v, want nil", err)
		}
	})
}

func TestAbortiveCloseIsAnError(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		closed := make(chan error, 1)
		opened := make(chan bool, 1)
		dial := serve(t, e, same(&proto{
			data:   func(c *Conn, b []byte) (int, error) { opened <- true; return len(b), nil },
			closed: func(_ *Conn, err error) { closed <- err },
		}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		<-opened
		nc.(*net.TCPConn).SetLinger(0)
		nc.Close()
		if err := <-closed; err == nil {
			t.Fatal("Closed got nil after a reset")
		}
	})
}

func TestDeadline(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		var start atomic.Int64
		took := make(chan time.Duration, 1)
		dial := serve(t, e, same(&proto{
			data: func(c *Conn, b []byte) (int, error) {
				start.Store(clock())
				c.SetDeadline(time.Hour)
				c.SetDeadline(60 * time.Millisecond)
				return len(b), nil
			},
			timeout: func(c *Conn) {
				took <- time.Duration(clock() - start.Load())
				c.Close()
			},
		}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		if d := <-took; d < 60*time.Millisecond || d > 3*time.Second {
			t.Fatalf("timed out after %v, want 60 ms", d)
		}
		if _, err := nc.Read(make([]byte, 1)); err == nil {
			t.Fatal("the connection is still open")
		}
	})
}

func TestGo(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		var inCall atomic.Int32
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if len(b) == 0 {
				return 0, nil
			}
			if inCall.Add(1) != 1 {
				t.Error("calls overlap")
			}
			first := b[0]
			c.Go(func() {
				time.Sleep(time.Millisecond)
				c.Write([]byte{first})
				inCall.Add(-1)
			})
			return 1, nil // the rest is offered after it
		}}), nil)
		roundTrip(t, dial(), []byte("ordered"))
	})
}

func TestPostAndAfterFunc(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		conns := make(chan *Conn, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			conns <- c
			return len(b), nil
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		c := <-conns
		ran := make(chan string, 3)
		if err := c.Post(func() { ran <- "posted" }); err != nil {
			t.Fatal(err)
		}
		if got := <-ran; got != "posted" {
			t.Fatal(got)
		}
		stop := c.AfterFunc(time.Hour, func() { ran <- "never" })
		c.AfterFunc(20*time.Millisecond, func() { ran <- "later" })
		if got := <-ran; got != "later" {
			t.Fatal(got)
		}
		if !stop() {
			t.Fatal("stop came too late")
		}
	})
}

func TestWatch(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		gone := make(chan error, 1)
		in := make(chan bool, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if len(b) == 0 || c.EOF() {
				return len(b), io.EOF
			}
			c.Go(func() {
				ch := make(chan error, 1)
				c.Watch(func(err error) { ch <- err })
				in <- true
				gone <- <-ch
			})
			return len(b), nil
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		<-in
		nc.Close()
		select {
		case err := <-gone:
			if err == nil {
				t.Fatal("the watcher got nil")
			}
		case <-time.After(5 * time.Second):
			t.Fatal("nobody told the watcher")
		}
	})
}
