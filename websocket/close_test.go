package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/memnet"
)

// TestClose: the closing handshake from either side, and what comes of it.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := memPair(common{}, nil)
		read := make(chan error)
		go func() {
			_, _, err := server.Read(context.Background())
			read <- err
		}()
		must(t, "close", client.Close(4321, "that is all"))
		e, ok := errors.AsType[*CloseError](<-read)
		if !ok || e.Code != 4321 || e.Reason != "that is all" {
			t.Errorf("the server reads %v", e)
		}
		if err := client.Close(StatusNormal, ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close again: %v", err)
		}
		if err := server.Close(StatusNormal, ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close of the other side: %v", err)
		}
		if err := client.Write(context.Background(), MessageText, nil); err == nil {
			t.Error("Write after Close")
		}
		if _, _, err := client.Read(context.Background()); err == nil {
			t.Error("Read after Close")
		}
	})
	synctest.Test(t, func(t *testing.T) { // messages that arrive meanwhile are dropped
		c, p := memPeer(t, common{}, true)
		p.send(p.raw(fin|1, "late"))
		closed := make(chan error)
		go func() { closed <- c.Close(StatusGoingAway, "") }()
		p.want("close 1001")
		p.send(append(p.raw(fin|1, "later"), p.raw(fin|8, "\x03\xe9")...))
		p.nc.Close()
		must(t, "close", <-closed)
	})
	synctest.Test(t, func(t *testing.T) { // no answer
		c, p := memPeer(t, common{}, true)
		began := time.Now()
		err := c.Close(StatusNormal, "")
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != closeTimeout {
			t.Errorf("Close: %v after %v", err, took)
		}
		p.want("close 1000")
		p.want("EOF")
	})
	synctest.Test(t, func(t *testing.T) { // the peer vanishes
		c, p := memPeer(t, common{}, true)
		p.nc.Close()
		_, _, err := c.Read(context.Background())
		if CloseStatus(err) != StatusAbnormal || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			t.Errorf("Read: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) { // what cannot be sent
		c, p := memPeer(t, common{}, true)
		for _, code := range []StatusCode{0, 999, 1004, StatusAbnormal, StatusTLS, 5000} {
			if err := c.Close(code, ""); err == nil || errors.Is(err, net.ErrClosed) {
				t.Errorf("Close(%d): %v", code, err)
			}
		}
		if err := c.Close(StatusNormal, strings.Repeat("x", 124)); err == nil {
			t.Error("a reason of 124 bytes")
		}
		c.CloseNow()
		p.want("EOF")
	})
}

// TestCloseNowEndsReads: a Read, a Ping and a CloseRead end with the connection.
func TestCloseNowEndsReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{}, true)
		errs := make(chan error)
		go func() {
			_, _, err := c.Read(context.Background())
			errs <- err
		}()
		synctest.Wait()
		go func() { errs <- c.Ping(context.Background()) }()
		synctest.Wait()
		c.CloseNow()
		for range 2 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v", err)
			}
		}
		p.nc.Close()
	})
	for _, writing := range []bool{true, false} { // a Read that tells a peer who does not read of a fault
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.Pipe(&memnet.Options{Buffer: 100})
			c, p := newBlocking(a, common{}.settings(false), nil, deflateParams{}, nil), &peer{t: t, nc: b, client: true}
			if writing {
				go c.Write(context.Background(), MessageText, make([]byte, 1000))
			} else {
				a.Write(make([]byte, 99)) // no room
			}
			synctest.Wait()
			p.send(p.raw(fin|3, ""))
			read := make(chan error)
			go func() {
				_, _, err := c.Read(context.Background())
				read <- err
			}()
			synctest.Wait()
			began := time.Now()
			if err := c.CloseNow(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("CloseNow: %v", err)
			}
			if err := <-read; CloseStatus(err) != StatusProtocolError || time.Since(began) > 0 {
				t.Errorf("Read (somebody writes: %v): %v, %v after CloseNow", writing, err, time.Since(began))
			}
			b.Close()
		})
	}
}

func TestCloseRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{}, false)
		ctx := c.CloseRead(context.Background())
		p.send(p.raw(fin|9, "there?"))
		p.want("pong there?")
		p.send(p.raw(fin|8, "\x03\xe8"))
		<-ctx.Done()
		if err := context.Cause(ctx); CloseStatus(err) != StatusNormal {
			t.Errorf("cause: %v", err)
		}
		p.want("close 1000")
		p.nc.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{}, false)
		ctx := c.CloseRead(context.Background())
		p.send(p.raw(fin|1, "surprise"))
		p.want("close 1008 no messages are expected")
		p.send(p.raw(fin|8, "\x03\xf0"))
		<-ctx.Done()
		p.nc.Close()
	})
}

// TestReadInTime: a Read ends with its context though nothing can be written: neither the
// answer to a ping, nor the last close frame; and those are written when they can be.
func TestReadInTime(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]func(*peer) []byte{
		"ping":  func(p *peer) []byte { return append(p.raw(fin|9, "one"), p.raw(fin|9, "two")...) },
		"fault": func(p *peer) []byte { return p.raw(fin|3, "") },
		"close": func(p *peer) []byte { return p.raw(fin|8, "\x03\xe9") },
	} {
		for _, writing := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				a, b := memnet.Pipe(&memnet.Options{Buffer: 100})
				c, p := newBlocking(a, common{}.settings(false), nil, deflateParams{}, nil), &peer{t: t, nc: b, client: true}
				message := strings.Repeat("x", 1000)
				if writing {
					go c.Write(context.Background(), MessageText, []byte(message))
				} else {
					a.Write([]byte(message[:99])) // no room
				}
				synctest.Wait()
				b.Write(in(p))
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				began := time.Now()
				_, _, err := c.Read(ctx)
				if took := time.Since(began); took > time.Second || err == nil || name == "ping" && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s (somebody writes: %v): Read: %v after %v", name, writing, err, took)
				}
				if writing {
					p.want("text " + message)
				} else {
					io.ReadFull(b, make([]byte, 99))
				}
				want := map[string]string{"ping": "pong two", "fault": "close 1002 a reserved opcode", "close": "close 1001"}[name]
				if got := p.read(); got != want && (writing || got != "pong one" || p.read() != want) {
					t.Errorf("%s (somebody writes: %v): got %s, want %s", name, writing, got, want)
				}
				c.CloseNow()
				b.Close()
			})
		}
	}
}

// TestAfterClose: what this side has closed is a net.ErrClosed for all of its calls, and
// what the peer has closed is not.
func TestAfterClose(t *testing.T) {
	t.Parallel()
	client, other := pair(t, nil, nil)
	ctx := background(t)
	ended := make(chan error, 1)
	go func() {
		_, _, err := other.Read(ctx)
		ended <- err
	}()
	must(t, "close", client.Close(StatusNormal, "bye"))
	_, _, read := client.Read(ctx)
	for what, err := range map[string]error{"Read": read, "Write": client.Write(ctx, MessageText, nil), "Ping": client.Ping(ctx), "Close": client.Close(StatusNormal, "")} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := await(t, "the server", ended); errors.Is(err, net.ErrClosed) || CloseStatus(err) != StatusNormal {
		t.Errorf("the server's Read: %v", err)
	}
	drivers(t, func(t *testing.T, s server) {
		conns, ended := make(chan *Conn, 1), make(chan error, 1)
		addr := s.start(t, &AcceptOptions{Handler: &Funcs{OnOpen: func(c *Conn) { conns <- c }, OnClose: func(_ *Conn, err error) { ended <- err }}})
		p := dialPeer(t, addr, "/")
		must(t, "close", await(t, "Open", conns).Close(4000, ""))
		p.want("close 4000")
		p.send(p.raw(fin|8, "\x0f\xa0"))
		if err := await(t, "Close", ended); !errors.Is(err, net.ErrClosed) || CloseStatus(err) != 4000 {
			t.Errorf("Close: %v", err)
		}
	})
}

// TestUntil: connections are told that the server ends, whatever their style and server,
// and those that have ended before are forgotten.
func TestUntil(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		conns, closed := make(chan *Conn, 3), make(chan error, 3)
		o := &AcceptOptions{Until: ctx, Handler: &Funcs{
			OnOpen:  func(c *Conn) { conns <- c },
			OnClose: func(_ *Conn, err error) { closed <- err },
		}}
		addr := s.start(t, o)
		gone := dialPeer(t, addr, "/")
		await(t, "Open", conns)
		gone.nc.Close()
		await(t, "the end", closed)
		p := dialPeer(t, addr, "/")
		await(t, "Open", conns)
		open := o.settings().open
		open.mu.Lock()
		if n := len(open.conns); n != 1 {
			t.Errorf("%d connections are remembered, want 1", n)
		}
		open.mu.Unlock()
		cancel()
		for range 2 {
			p.want("close 1001")
			p.send(p.raw(fin|8, "\x03\xe9"))
			p.want("EOF")
			if err := await(t, "the end", closed); CloseStatus(err) != StatusGoingAway {
				t.Errorf("closed with %v", err)
			}
			p = dialPeer(t, addr, "/") // too late
		}
		p.nc.Close()
		await(t, "the end", closed)
	})
}

// stuck starts a server in event style, and returns both ends of a connection to it, the
// peer's end of which has not read for so long that something is unsent.
func (s server) stuck(t *testing.T, o *AcceptOptions) (p *peer, c *Conn, closed chan error) {
	t.Helper()
	conns, closed := make(chan *Conn, 1), make(chan error, 1)
	o.Handler = &Funcs{OnOpen: func(c *Conn) { conns <- c }, OnClose: func(_ *Conn, err error) { closed <- err }}
	p = dialPeer(t, s.start(t, o), "/")
	c = await(t, "Open", conns)
	until(t, "Open returns", func() bool { return c.has(stOpen) })
	c.fill(t, 16<<10)
	return p, c, closed
}

// fill writes until more than n bytes are unsent, and stay so. From 64 KiB on the engine
// would not read.
func (c *Conn) fill(t *testing.T, n int) {
	t.Helper()
	for before := 0; ; {
		unsent := c.ev.Backlog()
		switch {
		case unsent <= n:
			must(t, "write", c.Write(context.Background(), MessageBinary, make([]byte, 16<<10)))
			time.Sleep(time.Millisecond / 4)
		case unsent == before:
			return
		default:
			time.Sleep(20 * time.Millisecond)
		}
		before = unsent
	}
}

// TestCloseStuck: a connection that has ended is closed though the peer does not read.
func TestCloseStuck(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup // they wait together
	for _, s := range servers() {
		if !s.event || s.driver.Available() != nil {
			continue
		}
		for name, b0 := range map[string]byte{"fault": fin | 3, "close": fin | 8} {
			p, _, closed := s.stuck(t, &AcceptOptions{PingAfter: -1})
			p.send(p.raw(b0, ""))
			all.Go(func() {
				select {
				case <-closed:
				case <-time.After(2*closeTimeout + 2*time.Second): // crypto/tls waits for as long, in its Close
					t.Errorf("%s, after a %s: the connection is not closed", s.name, name)
				}
				p.nc.Close()
			})
		}
	}
	all.Wait()
}

// TestCloseNowStuck: the same at once, by CloseNow. Without it who reads gets the last words.
func TestCloseNowStuck(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		for want, in := range map[string]byte{"close 1002 a reserved opcode": fin | 3, "close 1005": fin | 8} {
			p, c, closed := s.stuck(t, &AcceptOptions{})
			w, err := c.Writer(context.Background(), MessageText)
			must(t, "writer", err)
			p.send(p.raw(in, ""))
			until(t, "the end", func() bool { return c.has(stEnded) })
			if err := w.Close(); err == nil {
				t.Error("a Writer that is late succeeds")
			}
			m := p.read()
			for strings.HasPrefix(m, "binary ") {
				m = p.read()
			}
			if m != want {
				t.Errorf("got %s, want %s", short(m), want)
			}
			p.nc.Close()
			await(t, "Close", closed)

			p, c, closed = s.stuck(t, &AcceptOptions{})
			p.send(p.raw(in, ""))
			until(t, "the end", func() bool { return c.has(stEnded) })
			if s.secure && s.driver == engine.DriverGoroutine {
				continue // crypto/tls waits for the peer, in its Close
			}
			began := time.Now()
			c.CloseNow()
			if await(t, "Close", closed); time.Since(began) > closeTimeout/2 {
				t.Errorf("closed %v after CloseNow", time.Since(began))
			}
		}
	})
}
