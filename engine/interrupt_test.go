package engine

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestInterrupt: a More that waits ends at once, as does the next one when none waits;
// nothing is lost by that, and nothing is left of it in the next call.
func TestInterrupt(t *testing.T) {
	onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
		const long = 20 * time.Second
		began, got := make(chan *Conn), make(chan string, 1)
		more := func(c *Conn, timeout time.Duration) string {
			start := time.Now()
			b, err := c.More(nil, timeout)
			switch took := time.Since(start); {
			case err == nil:
				return string(b)
			case !errors.Is(err, os.ErrDeadlineExceeded):
				return err.Error()
			case took > long/2:
				return "too late"
			case timeout != long && took < timeout:
				return "too early"
			}
			return "interrupted"
		}
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			switch string(b) {
			case "wait":
				began <- c
				got <- more(c, long)
				got <- more(c, long)
			case "before":
				began <- c
				<-began // it was interrupted
				got <- more(c, long)
				c.Interrupt() // and that is over with this call
			case "after":
				got <- more(c, 200*time.Millisecond)
			}
			return len(c.Input()), nil // More has used up b
		}}), opts)
		nc := client(dial())
		nc.Write([]byte("wait"))
		c := <-began
		time.Sleep(50 * time.Millisecond)
		c.Interrupt()
		if s := <-got; s != "interrupted" {
			t.Errorf("a More that waits: %s", s)
		}
		nc.Write([]byte("input"))
		if s := <-got; s != "input" {
			t.Errorf("the next More: %s", s)
		}
		nc.Write([]byte("before"))
		c = <-began
		c.Interrupt()
		began <- c
		if s := <-got; s != "interrupted" {
			t.Errorf("a More that begins: %s", s)
		}
		time.Sleep(50 * time.Millisecond)
		c.Interrupt() // no call is in progress
		nc.Write([]byte("after"))
		if s := <-got; s != "interrupted" {
			t.Errorf("a More of the next call: %s", s)
		}
	})
}
