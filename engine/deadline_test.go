package engine

import (
	"math"
	"testing"
	"time"
)

// TestDeadlineOfSlowCalls: a deadline counts from when it was set, also in a call that
// has held the loop, or has waited, for longer than that.
func TestDeadlineOfSlowCalls(t *testing.T) {
	const slow, d = 120 * time.Millisecond, 80 * time.Millisecond
	for name, wait := range map[string]func(*Conn, []byte){
		"sleep": func(*Conn, []byte) { time.Sleep(slow) },
		"more":  func(c *Conn, b []byte) { c.More(b, slow) },
		"go": func(c *Conn, b []byte) {
			time.Sleep(slow)
			c.Go(func() { c.SetDeadline(d) })
		},
	} {
		for _, patience := range []time.Duration{0, -1, 20 * time.Millisecond} {
			t.Run(name+patience.String(), func(t *testing.T) {
				on(t, func(t *testing.T, e *Engine) {
					e.Patience = patience
					var set time.Time
					took := make(chan time.Duration, 1)
					dial := serve(t, e, same(&proto{
						data: func(c *Conn, b []byte) (int, error) {
							wait(c, b)
							set = time.Now()
							if off := c.Now().Sub(set).Abs(); off > slow*2/3 {
								t.Errorf("Now is %v off", off)
							}
							c.SetDeadline(d)
							return len(b), nil
						},
						timeout: func(c *Conn) {
							took <- time.Since(set)
							c.Close()
						},
					}), nil)
					dial().Write([]byte("x"))
					if got := <-took; got < d-20*time.Millisecond {
						t.Errorf("Timeout after %v, want %v", got, d)
					}
				})
			})
		}
	}
}

// TestFarTimers: what is further off than the clock can say never comes, and what is
// past comes at once.
func TestFarTimers(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		past, over := make(chan bool, 1), make(chan bool, 1)
		dial := serve(t, e, func(c *Conn) Protocol {
			never := func() { t.Error("a timer of 292 years has ended") }
			c.SetDeadline(math.MaxInt64)
			c.AfterFunc(math.MaxInt64, never)
			c.AfterFunc(-time.Hour, func() { past <- true })
			c.AfterFunc(100*time.Millisecond, func() { over <- true })
			return &proto{data: echo, timeout: func(*Conn) { never() }}
		}, &ServeOptions{HandshakeTimeout: math.MaxInt64, Preface: func(*Conn, []byte) (int, error) { return 0, nil }})
		nc := dial()
		roundTrip(t, nc, []byte("x"))
		<-over
		select {
		case <-past:
		default:
			t.Error("a timer in the past has not ended")
		}
	})
}
