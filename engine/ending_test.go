package engine

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestNoDataAfterTheEnd has a connection ended while some of its answer is unsent. The
// loop is held up meanwhile, so that it hears in one event that the peer has read, which
// makes room for the rest, and has sent something more: that is nobody's input.
func TestNoDataAfterTheEnd(t *testing.T) {
	ends := map[string]func(c *Conn) error{
		"eof":      func(*Conn) error { return io.EOF },
		"shutdown": func(c *Conn) error { return c.Shutdown() },
	}
	const piece = 128 << 10
	for how, end := range ends {
		t.Run(how, func(t *testing.T) {
			onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
				e.Loops, e.Patience = 1, -1
				answered, holding, release, closed := make(chan int, 1), make(chan bool), make(chan bool), make(chan error, 2)
				dial := serve(t, e, func(*Conn) Protocol {
					over := false
					return &proto{
						data: func(c *Conn, b []byte) (int, error) {
							switch {
							case over:
								t.Errorf("Data gets %q after the end", b)
							case string(b) == "end":
								over = true
								size := 0
								for ; c.Backlog() == 0; size += piece {
									if _, err := c.Write(make([]byte, piece)); err != nil {
										t.Error(err)
									}
								}
								answered <- size
								return len(b), end(c)
							case string(b) == "hold":
								holding <- true
								<-release
							}
							return len(b), nil
						},
						closed: func(_ *Conn, err error) {
							if over {
								closed <- err
							}
						},
					}
				}, opts)
				nc, other := client(dial()), client(dial())
				nc.Write([]byte("end"))
				size := <-answered
				other.Write([]byte("hold"))
				<-holding
				first := max(size-2*piece, 0) // what has left for certain
				if _, err := io.ReadFull(nc, make([]byte, first)); err != nil {
					t.Fatal(err)
				}
				nc.Write([]byte("more"))
				time.Sleep(10 * time.Millisecond) // until the kernel has that
				close(release)
				// An end without lingering, with input unread, resets the connection.
				if n, err := io.Copy(io.Discard, nc); how == "shutdown" && (n != int64(size-first) || err != nil) {
					t.Errorf("%d bytes arrived, %v; want %d", n, err, size-first)
				}
				nc.Close()
				if err := <-closed; err != nil {
					t.Errorf("Closed: %v, want nil", err)
				}
			})
		})
	}
}

// TestFlushOfWhatIsLost has a call wait for its backlog while the connection breaks: it
// is not told that all has left, and the protocol hears of it.
func TestFlushOfWhatIsLost(t *testing.T) {
	for how, ends := range map[string]func(nc *net.TCPConn, c *Conn){
		"reset": func(nc *net.TCPConn, _ *Conn) {
			nc.SetLinger(0)
			nc.Close()
		},
		"close": func(_ *net.TCPConn, c *Conn) { c.Close() },
	} {
		t.Run(how, func(t *testing.T) {
			on(t, func(t *testing.T, e *Engine) {
				conns, flushed, closed := make(chan *Conn, 1), make(chan error, 1), make(chan error, 1)
				dial := serve(t, e, same(&proto{
					data: func(c *Conn, b []byte) (int, error) {
						c.Write(make([]byte, 32<<20))
						c.Go(func() {
							conns <- c
							flushed <- c.Flush(0)
							c.Shutdown()
						})
						return len(b), nil
					},
					closed: func(_ *Conn, err error) { closed <- err },
				}), nil)
				nc := dial()
				nc.Write([]byte("x"))
				c := <-conns
				io.ReadFull(nc, make([]byte, 1<<20)) // so that it is on its way
				ends(nc.(*net.TCPConn), c)
				if err := <-flushed; err == nil {
					t.Error("Flush says that all has left")
				}
				if err := <-closed; err == nil {
					t.Error("Closed says that all has left")
				}
			})
		})
	}
}
