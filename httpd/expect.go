package httpd

import (
	"sync"
	"sync/atomic"

	"github.com/burrownet/burrow/engine"
)

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// expectation is whether the client waits for 100 (Continue) (RFC 9110 10.1.1).
// Reader and writer of an exchange may be two goroutines; whoever comes first
// decides: the reader, which sends it, or the response, which makes it too late.
type expectation struct {
	mu     sync.Mutex // held to change wanted, and while the 100 is sent
	wanted atomic.Bool
}

func (e *expectation) reset(wanted bool) { e.wanted.Store(wanted) }

// waiting reports whether the client still waits.
func (e *expectation) waiting() bool { return e.wanted.Load() }

// meet sends the 100 if the client waits for it.
func (e *expectation) meet(c *engine.Conn) error {
	if !e.waiting() {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.waiting() {
		return nil
	}
	_, err := c.Write(continueLine)
	e.wanted.Store(false)
	return err
}

// take ends the waiting without a 100; it reports whether the client waited.
func (e *expectation) take() bool {
	if !e.waiting() {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.wanted.Swap(false)
}
