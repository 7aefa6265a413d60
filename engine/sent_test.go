package engine

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// sender is a Protocol made of functions that is a Sender, too.
type sender struct {
	proto
	sent func(c *Conn)
}

func (s *sender) Sent(c *Conn) { s.sent(c) }

// onPlainAndTLS runs a test on every driver, without TLS and with it.
func onPlainAndTLS(t *testing.T, f func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn)) {
	cert := selfSigned(t)
	t.Run("plain", func(t *testing.T) {
		on(t, func(t *testing.T, e *Engine) {
			f(t, e, nil, func(nc net.Conn) net.Conn { return nc })
		})
	})
	t.Run("tls", func(t *testing.T) {
		on(t, func(t *testing.T, e *Engine) {
			opts := &ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
			f(t, e, opts, func(nc net.Conn) net.Conn { return tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) })
		})
	})
}

// TestSentGoesOn has a protocol send much, piece by piece, without waiting: it leaves
// its input unused, and is offered that again when what it has written has left.
func TestSentGoesOn(t *testing.T) {
	onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
		const total = 8 << 20
		var written, calls, sents atomic.Int64
		full := make(chan bool, 1) // the peer does not read before
		call := func() func() {
			if calls.Add(1) != 1 {
				t.Error("calls overlap")
			}
			return func() { calls.Add(-1) }
		}
		dial := serve(t, e, same(&sender{
			proto: proto{data: func(c *Conn, b []byte) (int, error) {
				defer call()()
				if string(b) != "go" {
					return 0, nil
				}
				for written.Load() < total {
					if c.Backlog() > 64<<10 {
						select {
						case full <- true:
						default:
						}
						return 0, nil
					}
					if _, err := c.Write(make([]byte, 32<<10)); err != nil {
						return 0, err
					}
					written.Add(32 << 10)
				}
				return len(b), io.EOF
			}},
			sent: func(c *Conn) {
				defer call()()
				sents.Add(1)
				if n := c.Backlog(); n != 0 {
					t.Errorf("Sent is called with %d bytes unsent", n)
				}
			},
		}), opts)
		nc := client(dial())
		nc.Write([]byte("go"))
		<-full
		n, err := io.Copy(io.Discard, nc)
		if n != total || err != nil {
			t.Errorf("%d bytes of %d arrived, %v; %d were written", n, total, err, written.Load())
		}
		if sents.Load() == 0 {
			t.Error("all was sent without a backlog: this shows nothing")
		}
	})
}

// TestSentForStrangers fills the budget from outside.
func TestSentForStrangers(t *testing.T) {
	onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
		e.MaxBacklog = 256 << 10
		// With the others the first writes may be behind one that is on its way.
		exact := e.Driver != DriverGoroutine && e.Driver != DriverUring
		conns, sents := make(chan *Conn, 1), make(chan int, 1000)
		dial := serve(t, e, same(&sender{
			proto: proto{data: func(c *Conn, b []byte) (int, error) {
				if len(b) > 0 {
					conns <- c
				}
				return len(b), nil
			}},
			sent: func(c *Conn) { sents <- c.Backlog() },
		}), opts)
		nc := client(dial())
		nc.Write([]byte("x"))
		c := <-conns
		for range 3 {
			size := 0
			for piece := make([]byte, 10000); ; size += len(piece) {
				_, err := c.Write(piece)
				if errors.Is(err, ErrBacklog) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if exact && len(sents) > 0 {
				t.Error("Sent is called with the budget used up")
			}
			if _, err := io.ReadFull(nc, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			for backlog := -1; backlog != 0; {
				backlog = <-sents // all but the last may be of the writes before
			}
			nc.Write([]byte("x")) // a Sent too many would come before this
			if <-conns; exact && len(sents) > 0 {
				t.Error("Sent is called twice for one backlog")
			}
			for len(sents) > 0 {
				<-sents
			}
		}
	})
}

// TestSentFollowsTheCall has a stranger's backlog leave while a call is in progress.
func TestSentFollowsTheCall(t *testing.T) {
	onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
		e.MaxBacklog = -1
		const size = 8 << 20
		conns, written, in, sent := make(chan *Conn, 1), make(chan bool), make(chan bool, 1), make(chan bool, 10)
		dial := serve(t, e, same(&sender{
			proto: proto{data: func(c *Conn, b []byte) (int, error) {
				if len(b) == 0 {
					return 0, io.EOF
				}
				c.Go(func() {
					conns <- c
					<-written
					if err := c.Flush(0); err != nil {
						t.Error(err)
					}
					in <- true
					<-written
					if len(sent) > 0 {
						t.Error("Sent is called beside a call")
					}
				})
				return len(b), nil
			}},
			sent: func(c *Conn) { sent <- true },
		}), opts)
		nc := client(dial())
		nc.Write([]byte("x"))
		c := <-conns
		if _, err := c.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		written <- true
		if _, err := io.ReadFull(nc, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		<-in
		written <- true
		<-sent
	})
}

// TestSentOnlyAfterBacklogs: what the socket takes at once is not told.
func TestSentOnlyAfterBacklogs(t *testing.T) {
	onLoops(t, func(t *testing.T, e *Engine) {
		var sents atomic.Int64
		dial := serve(t, e, same(&sender{proto: proto{data: echo}, sent: func(*Conn) { sents.Add(1) }}), nil)
		nc := dial()
		for range 100 {
			roundTrip(t, nc, []byte("x"))
		}
		if n := sents.Load(); n != 0 {
			t.Errorf("Sent was called %d times", n)
		}
	})
}

// TestSentKeepsItsWord: whenever a call, or another goroutine's Write, has left a
// backlog, Sent follows, however soon that leaves.
func TestSentKeepsItsWord(t *testing.T) {
	const large = 16 << 20
	// left waits until the peer has read enough for nothing to be unsent. With the
	// goroutine driver what a call writes leaves at its end.
	left := func(c *Conn) {
		poll(10*time.Second, func() bool { return c.loop == nil || c.Backlog() == 0 })
	}
	for name, call := range map[string]func(c *Conn, read func()){
		"later": func(c *Conn, read func()) {
			read()
			c.WriteLater([]byte("y"))
		},
		"later then write": func(c *Conn, read func()) {
			c.WriteLater([]byte("y"))
			c.Write(make([]byte, large))
			read()
			left(c)
		},
		"stranger refused": func(c *Conn, read func()) {
			c.WriteLater(make([]byte, large))
			refused := make(chan error)
			go func() {
				_, err := c.Write(make([]byte, large))
				refused <- err
			}()
			if err := <-refused; !errors.Is(err, ErrBacklog) {
				c.Close()
			}
			read()
			left(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
				sent, reading := make(chan bool, 10), make(chan int, 1)
				dial := serve(t, e, same(&sender{
					proto: proto{data: func(c *Conn, b []byte) (int, error) {
						if len(b) > 0 {
							c.Go(func() {
								call(c, func() { reading <- c.Backlog() })
							})
						}
						return len(b), nil
					}},
					sent: func(*Conn) { sent <- true },
				}), opts)
				nc := client(dial())
				nc.Write([]byte("x"))
				backlog := <-reading
				go io.Copy(io.Discard, nc)
				if name == "later" && opts != nil && e.Driver != DriverGoroutine {
					return // WriteLater does not wait there
				}
				select {
				case <-sent:
				case <-time.After(5 * time.Second):
					t.Errorf("no Sent after a backlog of %d bytes", backlog)
				}
			})
		})
	}
	t.Run("greeting", func(t *testing.T) {
		on(t, func(t *testing.T, e *Engine) {
			sent := make(chan bool, 10)
			dial := serve(t, e, func(c *Conn) Protocol {
				c.Write([]byte("hello"))
				if c.Backlog() == 0 {
					t.Error("what is written before the handshake does not wait")
				}
				return &sender{proto: proto{data: echo}, sent: func(*Conn) { sent <- true }}
			}, withTLS(t))
			if _, err := io.ReadFull(tlsClient(dial()), make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-sent:
			case <-time.After(5 * time.Second):
				t.Error("no Sent after a greeting")
			}
		})
	})
}
