//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"time"

	"github.com/burrownet/burrow/bench/internal/pinned"
)

func init() {
	// Children inherit the affinity of the thread that starts them, and die
	// with it: both need the main goroutine to keep its thread.
	runtime.LockOSThread()
}

// startTimeout is how long a server may take to accept connections.
const startTimeout = 5 * time.Second

// accepting waits until addr, which is c's, takes connections.
func accepting(ctx context.Context, c *pinned.Child, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		nc, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return nc.Close()
		}
		if err := c.Alive(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("bench: the server does not accept connections: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// freeAddr returns a loopback address that nobody listens on now.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
