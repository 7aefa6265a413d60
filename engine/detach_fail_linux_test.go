package engine

import (
	"errors"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDetachWithoutDescriptors: a Detach that fails leaves everything as it was, and
// the loop in one piece. Nothing else may run: the limit is that of the process.
func TestDetachWithoutDescriptors(t *testing.T) {
	onLoops(t, func(t *testing.T, e *Engine) {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if string(b) == "x" {
				unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: limit.Max})
				nc, _, err := c.Detach(b)
				unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
				if err == nil {
					nc.Close()
				}
				failed <- err
			}
			return echo(c, b)
		}}), nil)
		nc := dial()
		roundTrip(t, nc, []byte("x"))
		if err := <-failed; !errors.Is(err, syscall.EMFILE) {
			t.Errorf("Detach without descriptors: %v", err)
		}
		roundTrip(t, nc, noise(10000))
	})
}
