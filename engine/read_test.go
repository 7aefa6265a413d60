package engine

import (
	"bytes"
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
