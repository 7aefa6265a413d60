package websocket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestCallBack: a callback pings, and asks back and reads the answer, over its own
// connection; messages that arrive meanwhile come after it, in order.
func TestCallBack(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		addr := s.start(t, &AcceptOptions{Handler: &Funcs{OnMessage: func(c *Conn, typ MessageType, data []byte) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			say := func(s string) { c.Write(ctx, MessageText, []byte(s)) }
			switch what := string(data); what {
			case "ping":
				err := c.Ping(ctx)
				say(fmt.Sprintf("ponged %s %v", data, err))
			case "ping-elsewhere":
				err := make(chan error)
				go func() { err <- c.Ping(ctx) }()
				say(fmt.Sprint("ponged ", <-err))
			case "ask":
				say("question?")
				_, answer, err := c.Read(ctx)
				say(fmt.Sprintf("%s: %s %v", data, answer, err))
			case "slow":
				time.Sleep(20 * time.Millisecond) // longer than a loop's patience
				say("slow done")
			default:
				say("echo " + what)
			}
		}}})
		for _, chop := range []int{0, 1} {
			p := dialPeer(t, addr, "/")
			pong := func() {
				t.Helper()
				got, ok := strings.CutPrefix(p.read(), "ping ")
				if !ok {
					t.Errorf("got %q, want a ping", got)
				}
				testCase{chop: chop}.write(p.nc, append(append(p.raw(fin|1, "between"), p.raw(fin|10, got)...), p.raw(fin|1, "after")...))
			}
			say := func(s string) {
				t.Helper()
				if err := (testCase{chop: chop}).write(p.nc, p.raw(fin|1, s)); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				say("ping")
				pong()
				p.want("text ponged ping <nil>")
				p.want("text echo between")
				p.want("text echo after")
				say("ping-elsewhere")
				pong()
				p.want("text ponged <nil>")
				p.want("text echo between")
				p.want("text echo after")
				say("ask")
				p.want("text question?")
				say("the answer")
				say("more")
				p.want("text ask: the answer <nil>")
				p.want("text echo more")
				p.send(append(append(p.raw(fin|1, "ask"), p.raw(fin|1, "there already")...), p.raw(fin|1, "more")...))
				p.want("text question?")
				p.want("text ask: there already <nil>")
				p.want("text echo more")
				say("slow")
				say("quick")
				p.want("text slow done")
				p.want("text echo quick")
			}
			p.send(p.raw(fin|8, ""))
			p.want("close 1005")
		}
	})
}

// TestCallBackEnds: what waits within a callback ends with the connection, and with
// its context; after that the connection goes on.
func TestCallBackEnds(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		errs, closed := make(chan error, 1), make(chan error, 1)
		addr := s.start(t, &AcceptOptions{Handler: &Funcs{
			OnMessage: func(c *Conn, _ MessageType, data []byte) {
				timeout := patience
				if string(data) == "short" {
					timeout = 30 * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(context.Background(), timeout)
				defer cancel()
				if string(data) == "read" {
					_, _, err := c.Read(ctx)
					errs <- err
					return
				}
				errs <- c.Ping(ctx)
			},
			OnClose: func(_ *Conn, err error) { closed <- err },
		}})
		p := dialPeer(t, addr, "/")
		p.send(p.raw(fin|1, "short"))
		if got := p.read(); !strings.HasPrefix(got, "ping ") {
			t.Errorf("got %q", got)
		}
		if err := await(t, "the end of Ping", errs); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Ping: %v", err)
		}
		p.send(p.raw(fin|9, "still there"))
		p.want("pong still there")
		p.send(p.raw(fin|1, "read"))
		p.send(p.raw(fin|8, "\x03\xe9"))
		if err := await(t, "the end of Read", errs); CloseStatus(err) != StatusGoingAway {
			t.Errorf("Read: %v", err)
		}
		p.want("close 1001")
		if err := await(t, "Close", closed); CloseStatus(err) != StatusGoingAway {
			t.Errorf("Close: %v", err)
		}

		p = dialPeer(t, addr, "/")
		p.send(p.raw(fin|1, "ping"))
		p.read()
		p.nc.Close()
		if err := await(t, "the end of Ping", errs); CloseStatus(err) != StatusAbnormal {
			t.Errorf("Ping: %v", err)
		}
		if err := await(t, "Close", closed); CloseStatus(err) != StatusAbnormal {
			t.Errorf("Close: %v", err)
		}
	})
}

// TestReadOutsideCallback says so.
func TestReadOutsideCallback(t *testing.T) {
	t.Parallel()
	conns := make(chan *Conn, 1)
	addr := servers()[1].start(t, &AcceptOptions{Handler: &Funcs{OnOpen: func(c *Conn) {
		if err := c.Ping(context.Background()); err == nil {
			t.Error("Ping in Open")
		}
		conns <- c
	}}})
	p := dialPeer(t, addr, "/")
	c := await(t, "Open", conns)
	if _, _, err := c.Read(context.Background()); err != ErrHandlerReads {
		t.Errorf("Read: %v", err)
	}
	if got := p.read(); !strings.HasPrefix(got, "ping ") {
		t.Errorf("got %q", got)
	}
	// A Ping from elsewhere needs no callback.
	errs := make(chan error)
	go func() { errs <- c.Ping(context.Background()) }()
	p.send(p.raw(fin|10, strings.TrimPrefix(p.read(), "ping ")))
	must(t, "ping", await(t, "Ping", errs))
	p.send(p.raw(fin|8, ""))
}

// TestBlockingCallback: one that blocks holds up nobody else, and from then on others
// with the same options do not even get onto the loop.
func TestBlockingCallback(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	var loops atomic.Int32
	o := &AcceptOptions{Handler: &Funcs{OnMessage: func(c *Conn, typ MessageType, data []byte) {
		if c.ev.OnLoop() {
			loops.Add(1)
		}
		if string(data) == "block" {
			c.Write(context.Background(), typ, []byte("blocking"))
			<-block
		}
		c.Write(context.Background(), typ, data)
	}}}
	addr := servers()[1].start(t, o)
	blocked := make([]*peer, 8)
	for i := range blocked {
		blocked[i] = dialPeer(t, addr, "/")
		blocked[i].send(blocked[i].raw(fin|1, "block"))
		blocked[i].want("text blocking") // although the callback has not returned
	}
	if !o.settings().habit.blocks() {
		t.Error("the habit was not noticed")
	}
	p := dialPeer(t, addr, "/")
	was := loops.Load()
	p.send(p.raw(fin|1, "first"))
	p.want("text first")
	if loops.Load() != was {
		t.Error("a callback ran on the loop although others block")
	}
	// One that the machine held up for a moment was not quick: it begins anew then.
	for end := time.Now().Add(20 * time.Second); loops.Load() == was; {
		if time.Now().After(end) {
			t.Fatal("quick callbacks are not trusted again")
		}
		p.send(p.raw(fin|1, "quick"))
		p.want("text quick")
	}
	close(block)
	for _, b := range blocked {
		b.want("text block")
	}
}

// TestPanic: a callback that panics ends its connection, and is logged.
func TestPanic(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		log := &logs{}
		closed := make(chan error, 1)
		addr := s.start(t, &AcceptOptions{Logger: textLogger(log), Handler: &Funcs{
			OnMessage: func(*Conn, MessageType, []byte) { panic("oh no") },
			OnClose:   func(_ *Conn, err error) { closed <- err },
		}})
		p := dialPeer(t, addr, "/")
		p.send(p.raw(fin|1, "go"))
		p.want("close 1011")
		p.want("EOF")
		p.nc.Close()
		if err := await(t, "Close", closed); CloseStatus(err) != StatusInternalError {
			t.Errorf("Close: %v", err)
		}
		if s := log.String(); !strings.Contains(s, "oh no") || !strings.Contains(s, "TestPanic") {
			t.Errorf("logged: %s", s)
		}
	})
}

// TestCallbackKeepAlive: a callback that waits for a silent peer gives it up in time, and
// one whose peer answers pings does not.
func TestCallbackKeepAlive(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		done := make(chan error, 1)
		addr := s.start(t, &AcceptOptions{PingAfter: 100 * time.Millisecond, PongTimeout: 400 * time.Millisecond, Handler: &Funcs{
			OnMessage: func(c *Conn, _ MessageType, _ []byte) {
				_, _, err := c.Read(background(t))
				done <- err
			},
		}})
		p := dialPeer(t, addr, "/")
		p.send(p.raw(fin|1, "go"))
		for range 3 {
			p.want("ping ")
			p.send(p.raw(fin|10, ""))
		}
		p.want("ping ")
		if err := await(t, "the callback", done); !errors.Is(err, ErrPongTimeout) {
			t.Errorf("Read: %v", err)
		}
		if got := p.read(); got != "EOF" && got != "reset" {
			t.Errorf("got %q, want the end", got)
		}
	})
}

// TestOpenStarts: what Open has started may wait for the peer before Open returns, but
// Open itself may not.
func TestOpenStarts(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		pinged, ended := make(chan error, 1), make(chan error, 1)
		addr := s.start(t, &AcceptOptions{Handler: &Funcs{OnOpen: func(c *Conn) {
			ctx := c.CloseRead(context.Background())
			go func() {
				<-ctx.Done()
				ended <- context.Cause(ctx)
			}()
			go func() { pinged <- c.Ping(context.Background()) }()
			time.Sleep(20 * time.Millisecond)
		}}})
		p := dialPeer(t, addr, "/")
		p.send(p.raw(fin|10, strings.TrimPrefix(p.read(), "ping ")))
		must(t, "ping", await(t, "the ping", pinged))
		p.send(p.raw(fin|8, "\x0f\xa0"))
		p.want("close 4000")
		if err := await(t, "CloseRead", ended); CloseStatus(err) != 4000 {
			t.Errorf("CloseRead: %v", err)
		}
	})
}

// TestCloseReadWhileUnread: the context of CloseRead does not end while more waits than
// is kept for a callback.
func TestCloseReadWhileUnread(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		ended, waited := make(chan error, 1), make(chan bool)
		first := true
		addr := s.start(t, &AcceptOptions{Handler: &Funcs{OnMessage: func(c *Conn, _ MessageType, _ []byte) {
			if !first {
				return
			}
			first = false
			ctx := c.CloseRead(context.Background())
			go func() {
				<-ctx.Done()
				ended <- context.Cause(ctx)
			}()
			if err := c.Ping(context.Background()); err != ErrUnread {
				t.Errorf("Ping: %v, want %v", err, ErrUnread)
			}
			close(waited)
		}}})
		p := dialPeer(t, addr, "/")
		p.send(p.raw(fin|1, "go"))
		for range 40 {
			p.send(p.raw(fin|2, strings.Repeat("x", 60000)))
		}
		await(t, "the callback", waited)
		p.send(p.raw(fin|8, "\x0f\xa0"))
		if err := await(t, "CloseRead", ended); CloseStatus(err) != 4000 {
			t.Errorf("CloseRead: %v", err)
		}
	})
}
