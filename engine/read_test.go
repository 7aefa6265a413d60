package engine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

func TestUnusedInputIsKept(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		// Lines: what has no line end yet is not used.
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			n := bytes.LastIndexByte(b, '\n') + 1
			c.Write(b[:n])
			return n, nil
		}}), nil)
		nc := dial()
		for _, part := range []string{"one", " and", " a half\ntwo", "\n", "3\n4\n5"} {
			nc.Write([]byte(part))
			time.Sleep(2 * time.Millisecond) // so that they arrive apart; nothing depends on it
		}
		want := "one and a half\ntwo\n3\n4\n"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(nc, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

func TestMoreAndFlush(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		// One call reads a whole megabyte and answers it.
		const size = 1 << 20
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if len(b) == 0 {
				return 0, nil
			}
			var all []byte
			for {
				all = append(all, b...)
				if len(all) >= size {
					break
				}
				var err error
				if b, err = c.More(nil, 5*time.Second); err != nil {
					return 0, err
				}
			}
			for len(all) > 0 {
				n := min(len(all), 30000)
				c.Write(all[:n])
				all = all[n:]
				if err := c.Flush(5 * time.Second); err != nil {
					return 0, err
				}
			}
			return len(b), nil
		}}), nil)
		nc := dial()
		for range 3 {
			roundTrip(t, nc, noise(size))
		}
	})
}

func TestMoreTimesOut(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		got := make(chan error, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			_, err := c.More(b, 30*time.Millisecond)
			got <- err
			return 0, err
		}}), nil)
		dial().Write([]byte("x"))
		if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("More: %v", err)
		}
	})
}

// TestIdleKeepsNothing: what a call needed to wait, to go on elsewhere and to watch
// its peer does not stay with the connection that is idle after it.
func TestIdleKeepsNothing(t *testing.T) {
	for _, secure := range []bool{false, true} {
		var opts *ServeOptions
		if secure {
			opts = &ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}}
		}
		onLoops(t, func(t *testing.T, e *Engine) {
			waiting, conns := make(chan bool, 1), make(chan *Conn, 1)
			accept := func(c *Conn) Protocol {
				conns <- c
				return &proto{data: func(c *Conn, b []byte) (int, error) {
					if len(b) == 0 {
						return 0, io.EOF
					}
					c.Go(func() {
						c.Watch(func(error) {})
						defer c.Watch(nil)
						waiting <- true
						answer, err := c.More(nil, 5*time.Second)
						if err != nil {
							t.Error(err)
						}
						c.Unread(nil)
						c.Write(answer)
					})
					return len(b), nil
				}}
			}
			nc := serve(t, e, accept, opts)()
			if secure {
				nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			}
			for range 3 {
				nc.Write([]byte("a"))
				<-waiting
				time.Sleep(5 * time.Millisecond) // so that More has to wait
				roundTrip(t, nc, []byte("b"))
			}
			c := <-conns
			kept := func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.flags&flagBusy != 0 || c.ext != nil && (!secure || c.ext.wait != nil)
			}
			for end := time.Now().Add(5 * time.Second); kept(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the extension of an idle connection is kept")
				}
			}
		})
	}
}
