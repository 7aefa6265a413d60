package engine

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// behindStranger has op run as a call behind a stranger's write, which the peer does
// not read yet, and returns the peer, and what op has returned once it has.
func behindStranger(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn, piece []byte, op func(c *Conn) error) (net.Conn, <-chan error) {
	t.Helper()
	e.MaxBacklog = -1
	conns, in, res := make(chan *Conn, 1), make(chan bool, 2), make(chan error, 2)
	var written atomic.Bool
	dial := serve(t, e, same(&proto{
		data: func(c *Conn, b []byte) (int, error) {
			if len(b) > 0 {
				c.SetDeadline(10 * time.Millisecond)
				conns <- c
			}
			return len(b), nil
		},
		timeout: func(c *Conn) {
			if !written.Load() {
				c.SetDeadline(10 * time.Millisecond)
				return
			}
			in <- true
			res <- op(c)
		},
	}), opts)
	nc := client(dial())
	nc.Write([]byte("1"))
	c := <-conns
	if _, err := c.Write(piece); err != nil {
		t.Fatal(err)
	}
	if c.Backlog() == 0 {
		t.Error("nothing is unsent, though the peer reads nothing")
	}
	written.Store(true)
	<-in
	return nc, res
}

// TestBehindTheWriter has calls follow a stranger's write that is still on its way.
func TestBehindTheWriter(t *testing.T) {
	piece := bytes.Repeat([]byte{1}, 8<<20)
	t.Run("flush", func(t *testing.T) {
		onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
			nc, res := behindStranger(t, e, opts, client, piece, func(c *Conn) error {
				defer c.Shutdown()
				start := time.Now()
				err := c.Flush(100 * time.Millisecond)
				if took := time.Since(start); took > 3*time.Second {
					t.Errorf("Flush has waited %v", took)
				}
				c.Write([]byte{2}) // the stream is whole
				return err
			})
			if err := <-res; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Flush: %v, though the peer reads nothing", err)
			}
			inOrder(t, nc, len(piece), 1)
		})
	})
	t.Run("deadline", func(t *testing.T) {
		onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
			calls := 0
			nc, res := behindStranger(t, e, opts, client, piece, func(c *Conn) error {
				if calls++; calls == 2 {
					return c.Shutdown()
				}
				c.SetDeadline(100 * time.Millisecond)
				_, err := c.Write([]byte{2})
				return err
			})
			for range 2 {
				select {
				case err := <-res:
					if err != nil {
						t.Error(err)
					}
				case <-time.After(5 * time.Second):
					t.Error("no Timeout, though the deadline has passed")
				}
			}
			inOrder(t, nc, len(piece), 1)
		})
	})
	t.Run("go", func(t *testing.T) {
		onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
			calls, ran := 0, make(chan bool, 1)
			nc, _ := behindStranger(t, e, opts, client, piece, func(c *Conn) error {
				if calls++; calls == 2 {
					c.Go(func() {
						ran <- true
						c.Shutdown()
					})
					return nil
				}
				c.SetDeadline(100 * time.Millisecond)
				_, err := c.Write([]byte{2})
				return err
			})
			select {
			case <-ran:
			case <-time.After(5 * time.Second):
				t.Error("what Timeout has asked for does not run while the peer reads nothing")
			}
			inOrder(t, nc, len(piece), 1)
		})
	})
	t.Run("closewrite", func(t *testing.T) {
		onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
			nc, res := behindStranger(t, e, opts, client, piece, (*Conn).CloseWrite)
			if n, err := io.Copy(io.Discard, nc); n != int64(len(piece)) || err != nil {
				t.Errorf("%d bytes before the end, %v; want %d", n, err, len(piece))
			}
			if err := <-res; err != nil {
				t.Error(err)
			}
			nc.Close()
		})
	})
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, bytes.Repeat([]byte{2}, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("sendfile", func(t *testing.T) {
		onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
			nc, res := behindStranger(t, e, opts, client, piece, func(c *Conn) error {
				f, err := os.Open(name)
				if err != nil {
					return err
				}
				defer f.Close()
				defer c.Shutdown()
				_, err = c.SendFile(f, 0, 1<<20, 5*time.Second)
				return err
			})
			inOrder(t, nc, len(piece), 1<<20)
			if err := <-res; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("detach", func(t *testing.T) {
		onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
			nc, res := behindStranger(t, e, opts, client, piece, func(c *Conn) error {
				mine, _, err := c.Detach(nil)
				if err == nil {
					go func() {
						mine.Write([]byte{2})
						mine.Close()
					}()
				}
				return err
			})
			inOrder(t, nc, len(piece), 1)
			if err := <-res; err != nil {
				t.Error(err)
			}
		})
	})
}

// inOrder reads ones and then twos, as many of each as are wanted.
func inOrder(t *testing.T, nc net.Conn, ones, twos int) {
	t.Helper()
	all, err := io.ReadAll(nc)
	first := bytes.IndexByte(all, 2)
	if len(all) != ones+twos || first != ones || err != nil {
		t.Errorf("%d bytes, %v, the second part begins at %d; want %d and %d", len(all), err, first, ones+twos, ones)
	}
}
