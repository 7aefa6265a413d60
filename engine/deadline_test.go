package engine

import (
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
