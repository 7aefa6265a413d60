package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
)

// drivers are the servers of the event style.
func drivers(t *testing.T, f func(t *testing.T, s server)) {
	for _, s := range servers() {
		if s.event {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.needs(t)
				f(t, s)
			})
		}
	}
}

// TestEventOrder: Open, then messages in order, then Close with the reason.
func TestEventOrder(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		var mu sync.Mutex
		var log []string
		note := func(format string, a ...any) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf(format, a...))
		}
		closed := make(chan error, 1)
		addr := s.start(t, &AcceptOptions{Handler: &Funcs{
			OnOpen: func(c *Conn) {
				note("open")
				c.Write(context.Background(), MessageText, []byte("welcome"))
			},
			OnMessage: func(c *Conn, typ MessageType, data []byte) {
				note("%v %s", typ, data)
				c.Write(context.Background(), typ, data)
			},
			OnClose: func(_ *Conn, err error) { closed <- err },
		}})
		p := dialPeer(t, addr, "/")
		p.want("text welcome")
		want := []string{"open"}
		var out []byte
		for i := range 100 {
			out = append(out, p.raw(fin|1, fmt.Sprint(i))...)
			want = append(want, fmt.Sprint("text ", i))
		}
		p.send(out)
		for i := range 100 {
			p.want(fmt.Sprint("text ", i))
		}
		p.send(p.raw(fin|8, "\x0f\xa1bye"))
		p.want("close 4001")
		p.want("EOF")
		e, ok := errors.AsType[*CloseError](await(t, "Close", closed))
		if !ok || e.Code != 4001 || e.Reason != "bye" {
			t.Errorf("closed with %v", e)
		}
		mu.Lock()
		defer mu.Unlock()
		if strings.Join(log, ",") != strings.Join(want, ",") {
			t.Errorf("got %v", log)
		}
	})
}

// TestSlowReader: what a peer does not read is bounded, and the connection goes on.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		p, c := s.pair(t, &AcceptOptions{MaxBacklogBytes: 256 << 10})
		message := make([]byte, 10<<10)
		sent := 0
		deadline := time.Now().Add(patience)
		for {
			err := c.Write(context.Background(), MessageBinary, message)
			if err == ErrBacklog {
				break
			}
			must(t, "write", err)
			sent++
			if time.Now().After(deadline) {
				t.Fatal("no limit")
			}
		}
		if unsent := c.ev.Backlog(); unsent > 256<<10 {
			t.Errorf("%d bytes unsent", unsent)
		}
		for range sent {
			p.want("binary " + string(message))
		}
		must(t, "write", c.Write(context.Background(), MessageText, []byte("again")))
		p.want("text again")
		p.send(p.raw(fin|8, ""))
		p.want("close 1005")
	})
}

// TestPingFlood: who sends pings and reads no pongs is not read any more.
func TestPingFlood(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		p, c := s.pair(t, &AcceptOptions{WriteTimeout: 2 * time.Second})
		var flood []byte
		for range 500 {
			flood = append(flood, p.raw(fin|9, strings.Repeat("p", 125))...)
		}
		p.nc.SetWriteDeadline(time.Now().Add(time.Second))
		total := 0
		for {
			n, err := p.nc.Write(flood)
			total += n
			if err != nil {
				break
			}
			if total > 256<<20 {
				t.Fatal("the flood has no end")
			}
		}
		if c.ev != nil {
			if unsent := c.ev.Backlog(); unsent > 1<<20 {
				t.Errorf("%d bytes unsent", unsent)
			}
		}
		p.nc.Close()
	})
}

// TestEventClose: Close of this side, from a callback and from elsewhere.
func TestEventClose(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		conns, closed := make(chan *Conn, 1), make(chan error, 1)
		addr := s.start(t, &AcceptOptions{Handler: &Funcs{
			OnOpen: func(c *Conn) { conns <- c },
			OnMessage: func(c *Conn, typ MessageType, data []byte) {
				c.Close(4000, "enough")
				// RFC 6455 5.5.1: nothing after the close frame.
				if err := c.Write(context.Background(), typ, data); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write after Close: %v", err)
				}
			},
			OnClose: func(_ *Conn, err error) { closed <- err },
		}})
		p := dialPeer(t, addr, "/")
		c := await(t, "Open", conns)
		p.send(append(p.raw(fin|1, "go"), p.raw(fin|1, "not heard")...))
		p.want("close 4000 enough")
		p.send(append(p.raw(fin|1, "dropped"), p.raw(fin|8, "\x0f\xa0")...))
		p.want("EOF")
		if err := await(t, "Close", closed); CloseStatus(err) != 4000 {
			t.Errorf("Close: %v", err)
		}
		if err := c.Write(context.Background(), MessageText, nil); err == nil {
			t.Error("Write after the end")
		}
		if err := c.Ping(context.Background()); err == nil {
			t.Error("Ping after the end")
		}

		p = dialPeer(t, addr, "/")
		c = await(t, "Open", conns)
		must(t, "close", c.Close(StatusNormal, ""))
		p.want("close 1000")
		p.send(p.raw(fin|8, "\x03\xe8"))
		p.want("EOF")
		await(t, "Close", closed)

		p = dialPeer(t, addr, "/")
		c = await(t, "Open", conns)
		must(t, "close", c.CloseNow())
		if got := p.read(); got != "EOF" && got != "reset" {
			t.Errorf("got %q", got)
		}
		if err := await(t, "Close", closed); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
	})
}

// TestEventKeepAlive: a silent peer is asked, and given up; one that answers is not.
func TestEventKeepAlive(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		closed := make(chan error, 2)
		addr := s.start(t, &AcceptOptions{PingAfter: 60 * time.Millisecond, PongTimeout: 400 * time.Millisecond, Handler: &Funcs{
			OnClose: func(_ *Conn, err error) { closed <- err },
		}})
		for _, first := range []string{"", "hello"} {
			p := dialPeer(t, addr, "/")
			if first != "" {
				p.send(p.raw(fin|1, first))
			}
			for range 3 {
				p.want("ping ")
				p.send(p.raw(fin|10, ""))
			}
			p.want("ping ")
			if got := p.read(); got != "EOF" && got != "reset" {
				t.Errorf("got %q, want the end", got)
			}
			if err := await(t, "Close", closed); !errors.Is(err, ErrPongTimeout) {
				t.Errorf("Close: %v", err)
			}
		}
		p := dialPeer(t, addr, "/")
		p.want("ping ") // says nothing at all
		if err := await(t, "Close", closed); !errors.Is(err, ErrPongTimeout) {
			t.Errorf("Close: %v", err)
		}
		p.nc.Close()
	})
}

// TestKeepAliveStuck: what is written to a peer meanwhile is no sign of its life, and
// hides none.
func TestKeepAliveStuck(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		p, c, _ := s.stuck(t, &AcceptOptions{PingAfter: -1})
		look := func(what string, want bool) {
			t.Helper()
			for range 10 {
				must(t, "write", c.Write(context.Background(), MessageText, []byte("more")))
			}
			if got := c.unanswered(); got != want {
				t.Errorf("%s: unanswered: %v, want %v", what, got, want)
			}
		}
		look("the ping", false)
		unsent := c.ev.Backlog()
		for range 3 {
			look("who does not read", true)
		}
		go io.Copy(io.Discard, p.nc)
		until(t, "all has left", func() bool { return c.ev.Backlog() == 0 })
		p.nc.SetReadDeadline(longAgo)
		c.fill(t, unsent)
		look("who has read", false)
		look("who reads no more", true)
		p.nc.Close()
	})
}

// TestDrain: a server that ends says 1001.
func TestDrain(t *testing.T) {
	t.Parallel()
	for _, d := range engine.Drivers() {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			server{driver: d}.needs(t)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, "listen", err)
			ctx, cancel := context.WithCancel(context.Background())
			closed := make(chan error, 1)
			o := &AcceptOptions{}
			h := &Funcs{OnClose: func(_ *Conn, err error) { closed <- err }}
			e := &engine.Engine{Driver: d}
			ended := make(chan error, 1)
			go func() {
				ended <- e.Serve(ctx, ln, func(ev *engine.Conn) engine.Protocol {
					c := newEvent(h, o.settings(), nil, deflateParams{})
					c.open(ev)
					return (*protocol)(c)
				}, nil)
			}()
			nc, err := net.Dial("tcp", ln.Addr().String())
			must(t, "dial", err)
			nc.SetDeadline(time.Now().Add(patience))
			p := &peer{t: t, nc: nc, client: true}
			p.send(p.raw(fin|9, "in"))
			p.want("pong in")
			cancel()
			p.want("close 1001")
			p.send(p.raw(fin|8, "\x03\xe9"))
			p.want("EOF")
			nc.Close()
			must(t, "serve", await(t, "the end", ended))
			if err := await(t, "Close", closed); CloseStatus(err) != StatusGoingAway {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// TestOneWritePerTurn: the answers to what has arrived together leave together.
func TestOneWritePerTurn(t *testing.T) {
	t.Parallel()
	h := &Funcs{OnMessage: func(c *Conn, typ MessageType, data []byte) { c.Write(context.Background(), typ, data) }}
	var reads int
	near, far := tcpPair(t)
	e := &engine.Engine{}
	c := newEvent(h, (&AcceptOptions{}).settings(), nil, deflateParams{})
	must(t, "attach", c.attach(e, near, nil))
	p := &peer{t: t, nc: far, client: true}
	var out []byte
	for range 100 {
		out = append(out, p.raw(fin|1, "a few bytes")...)
	}
	p.send(out)
	got := 0
	buf := make([]byte, 64<<10)
	for got < 100*(2+len("a few bytes")) {
		n, err := far.Read(buf)
		must(t, "read", err)
		got += n
		reads++
	}
	if reads > 5 {
		t.Errorf("the answers came in %d pieces", reads)
	}
	p.send(p.raw(fin|8, ""))
	p.in = nil
	p.want("close 1005")
	p.want("EOF")
}

// TestEventWriters: callbacks, strangers and Writers write at the same time, and
// pings go both ways: every message arrives whole, and those of one writer in order.
func TestEventWriters(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		conns := make(chan *Conn, 1)
		addr := s.start(t, &AcceptOptions{MaxBacklogBytes: -1, Handler: &Funcs{
			OnOpen: func(c *Conn) { conns <- c },
			OnMessage: func(c *Conn, typ MessageType, data []byte) {
				if len(data)%50 == 7 {
					time.Sleep(2 * time.Millisecond) // longer than a loop's patience
				}
				if err := c.Write(context.Background(), typ, data); err != nil {
					t.Error(err)
				}
			},
		}})
		client := dialServer(t, addr, &DialOptions{})
		defer client.CloseNow()
		c := await(t, "Open", conns)
		until(t, "Open returns", func() bool { return c.has(stOpen) })
		ctx := background(t)
		const writers, each = 4, 100
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				for j := range each {
					body := []byte(strings.Repeat(string(rune('a'+i)), 1+j))
					var err error
					switch i {
					case 0: // the peer's own, echoed
						err = client.Write(ctx, MessageBinary, body)
					case 1:
						var w io.WriteCloser
						w, err = c.Writer(ctx, MessageBinary)
						if err == nil {
							w.Write(body[:j/2])
							w.Write(body[j/2:])
							err = w.Close()
						}
					default:
						err = c.Write(ctx, MessageBinary, body)
						if j%25 == 0 {
							err = errors.Join(err, c.Ping(ctx))
						}
					}
					if err != nil {
						t.Errorf("writer %d, message %d: %v", i, j, err)
						return
					}
				}
			})
		}
		seen := map[byte]int{}
		for range writers * each {
			_, data, err := client.Read(ctx)
			must(t, "read", err)
			if len(data) != 1+seen[data[0]] || strings.Count(string(data), string(data[:1])) != len(data) {
				t.Fatalf("message %d of %c has %d bytes", seen[data[0]], data[0], len(data))
			}
			seen[data[0]]++
		}
		stop := client.CloseRead(ctx) // answers the pings that are left
		wg.Wait()
		client.CloseNow()
		<-stop.Done()
	})
}
