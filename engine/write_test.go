package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWriteFromOutside(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		conns := make(chan *Conn, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			conns <- c
			return len(b), nil
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		c := <-conns
		go func() {
			for i := range 1000 {
				if _, err := c.Write(bytes.Repeat([]byte{byte(i)}, 100)); err != nil {
					t.Error(err)
				}
			}
		}()
		got := make([]byte, 100*1000)
		if _, err := io.ReadFull(nc, got); err != nil {
			t.Fatal(err)
		}
		for i, b := range got {
			if b != byte(i/100) {
				t.Fatalf("byte %d is %d", i, b)
			}
		}
	})
}

func TestBacklogHasABudget(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		e.MaxBacklog = 256 << 10
		conns := make(chan *Conn, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			conns <- c
			return len(b), nil
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		c := <-conns
		sent, piece := 0, make([]byte, 10000)
		for {
			_, err := c.Write(piece)
			if errors.Is(err, ErrBacklog) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if sent += len(piece); sent > 64<<20 {
				t.Fatal("no budget")
			}
		}
		if n := c.Backlog(); n > e.MaxBacklog {
			t.Fatalf("backlog %d over its budget", n)
		}
		c.Shutdown() // what was accepted arrives all the same
		got, err := io.Copy(io.Discard, nc)
		if err != nil || got != int64(sent) {
			t.Fatalf("%d bytes arrived of %d, %v", got, sent, err)
		}
	})
}

func TestSendFile(t *testing.T) {
	content := noise(3 << 20)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
	on(t, func(t *testing.T, e *Engine) {
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if len(b) == 0 {
				return 0, nil
			}
			f, err := os.Open(name)
			if err != nil {
				return 0, err
			}
			defer f.Close()
			c.Write([]byte("<"))
			n, err := c.SendFile(f, 1000, int64(len(content)), 5*time.Second)
			if n != int64(len(content)-1000) || err != nil {
				t.Errorf("SendFile: %d, %v", n, err)
			}
			c.Write([]byte(">"))
			return len(b), io.EOF
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		got, err := io.ReadAll(nc)
		if err != nil || string(got[:1]) != "<" || !bytes.Equal(got[1:len(got)-1], content[1000:]) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}

// TestErrorsNameTheNetwork has writes fail on each kind of socket.
func TestErrorsNameTheNetwork(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		e := &Engine{Driver: platformDriver}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- e.Serve(ctx, ln, same(&proto{data: func(c *Conn, b []byte) (int, error) {
				sysShutdown(int(c.fd), true)
				_, err := c.Write([]byte("x"))
				got <- err
				return 0, err
			}}), nil)
		}()
		nc, err := net.Dial(network, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.Write([]byte("x"))
		op, ok := errors.AsType[*net.OpError](<-got)
		if !ok || op.Net != network || op.Op != "write" {
			t.Errorf("a write to a dead %s socket: %+v", network, op)
		}
		nc.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestQueueBehindFlight appends to a backlog that the kernel is reading: that part
// neither moves nor changes.
func TestQueueBehindFlight(t *testing.T) {
	c := &Conn{out: &backlog{b: bytes.Repeat([]byte("a"), 100), off: 50}}
	c.out.flight = c.out.b[50:]
	flight := c.out.flight
	for range 100 {
		c.queueLocked([]byte("bbb"), []byte("b"))
	}
	if want := bytes.Repeat([]byte("a"), 50); !bytes.Equal(flight, want) {
		t.Errorf("what is in flight has become %q", flight)
	}
	if want := append(bytes.Repeat([]byte("a"), 50), bytes.Repeat([]byte("b"), 400)...); !bytes.Equal(c.out.b[c.out.off:], want) {
		t.Errorf("the backlog is %q", c.out.b[c.out.off:])
	}
}

// TestLastWords: a few small writes fit behind a full backlog, also behind one that a
// single write has made larger than the budget.
func TestLastWords(t *testing.T) {
	t.Parallel()
	const budget, large = 1 << 20, 32 << 20 // more than the kernel takes
	on(t, func(t *testing.T, e *Engine) {
		e.MaxBacklog = budget
		conns := make(chan *Conn, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if len(b) > 0 {
				conns <- c
			}
			return len(b), nil
		}}), nil)
		nc := dial()
		nc.Write([]byte("1"))
		c := <-conns
		sent := 0
		write := func(n int) bool {
			_, err := c.Write(make([]byte, n))
			if err == nil {
				sent += n
			} else if !errors.Is(err, ErrBacklog) {
				t.Error(err)
			}
			return err == nil
		}
		if !write(large) {
			t.Fatal("a large write behind nothing was refused")
		}
		// What the kernel has taken of the large one leaves room; on the goroutine driver
		// that shows a second later.
		for refused := 0; refused < 2; time.Sleep(1100 * time.Millisecond) {
			for refused++; write(smallWrite + 1); refused = 0 {
			}
		}
		words := 0
		for words <= 2*lastWords && write(smallWrite) {
			words += smallWrite
		}
		if words < lastWords || words > lastWords+smallWrite {
			t.Errorf("%d bytes fit behind, want %d", words, lastWords)
		}
		if write(smallWrite + 1) {
			t.Error("a larger write was taken")
		}
		c.Shutdown()
		if n, err := io.Copy(io.Discard, nc); n != int64(sent) || err != nil {
			t.Errorf("%d bytes arrived, %v; want %d", n, err, sent)
		}
	})
}

// TestLastWordsTLS: they fit behind one large write, too, of which only the records that
// the socket did not take are unsent.
func TestLastWordsTLS(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		res := make(chan error, 2)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			for _, n := range []int{16 << 20, smallWrite} {
				_, err := c.Write(make([]byte, n))
				res <- err
			}
			return len(b), c.Shutdown()
		}}), withTLS(t))
		nc := tlsClient(dial())
		nc.Write([]byte("x"))
		for range 2 {
			if err := <-res; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestQueueStaysSmall: a backlog that never empties, part of which is always in flight,
// takes no more memory than a few times what waits.
func TestQueueStaysSmall(t *testing.T) {
	const piece = 16 << 10
	c := &Conn{out: &backlog{}}
	q, most := c.out, 0
	var next, left byte
	for range 4 {
		c.queueLocked(bytes.Repeat([]byte{next}, piece), nil)
		next++
	}
	for range 1000 {
		q.flight = q.b[q.off:]
		c.queueLocked(bytes.Repeat([]byte{next}, piece), nil)
		next++
		if q.flight[0] != left || q.flight[piece-1] != left {
			t.Fatalf("what is in flight begins with %d, want %d", q.flight[0], left)
		}
		left++
		q.off, q.flight = q.off+piece, nil
		most = max(most, cap(q.b))
	}
	if q.len() != 4*piece || most > 20*piece {
		t.Errorf("%d bytes wait and took up to %d", q.len(), most)
	}
}

// TestWriteLaterHasABudget fills it within one call: what the socket takes does not
// count, and what was accepted arrives.
func TestWriteLaterHasABudget(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		e.MaxBacklog = 256 << 10
		sent := make(chan int64, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			var n int64
			piece := make([]byte, 10000)
			for n < 64<<20 {
				if err := c.WriteLater(piece); errors.Is(err, ErrBacklog) {
					break
				} else if err != nil {
					return 0, err
				}
				n += int64(len(piece))
			}
			sent <- n
			return len(b), io.EOF
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		want := <-sent
		if got, err := io.Copy(io.Discard, nc); got != want || want >= 64<<20 || err != nil {
			t.Errorf("%d bytes arrived of %d, %v", got, want, err)
		}
	})
}
