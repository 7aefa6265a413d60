package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestDrain(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		in, out := make(chan bool, 1), make(chan bool)
		ended := make(chan error, 1)
		go func() {
			ended <- e.Serve(ctx, ln, same(&proto{data: func(c *Conn, b []byte) (int, error) {
				if len(b) > 0 {
					c.Go(func() {
						in <- true
						<-out
						c.Write(b[:1])
					})
				}
				return len(b), nil
			}}), nil)
		}()
		idle, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
		busy, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Close()
		busy.Write([]byte("x"))
		<-in
		cancel()
		idle.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := idle.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the idle connection is still open: %v", err)
		}
		select {
		case err := <-ended:
			t.Fatalf("Serve returned %v with a call in progress", err)
		default:
		}
		close(out)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(busy); err != nil || len(got) != 1 {
			t.Fatalf("the call in progress answered %q, %v", got, err)
		}
	})
}

// TestDrainWhileLingering: a connection that only waits for its peer to end still sees
// that end when a drain has begun.
func TestDrainWhileLingering(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		took := lingerTime
		for range 3 { // a busy machine may take its time
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() {
				ended <- e.Serve(ctx, ln, same(&proto{data: func(c *Conn, b []byte) (int, error) {
					return len(b), c.Shutdown()
				}}), nil)
			}()
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			nc.Write([]byte("x"))
			if n, err := nc.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("%d bytes, %v; want the end of the server's side", n, err)
			}
			cancel()
			time.Sleep(10 * time.Millisecond) // until the connection was told, for the most part
			start := time.Now()
			nc.Close()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			took = min(took, time.Since(start))
		}
		if took > lingerTime/2 {
			t.Errorf("Serve returned %v after the last peer had ended", took)
		}
	})
}

// TestTrim: after a burst of connections a quiet engine collects once.
func TestTrim(t *testing.T) {
	e := &Engine{Driver: platformDriver, TrimAfter: 20 * time.Millisecond}
	dial := serve(t, e, same(&proto{data: echo}), nil)
	for range trimBurst {
		dial().Close()
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		e.mu.Lock()
		done := e.births.Load() >= trimBurst && e.trimmer == nil
		e.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not trimmed after %d connections", e.births.Load())
		}
	}
}
