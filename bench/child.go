//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	// Children inherit the affinity of the thread that starts them, and die
	// with it: both need the main goroutine to keep its thread.
	runtime.LockOSThread()
}

// startTimeout is how long a server may take to accept connections.
const startTimeout = 5 * time.Second

// child is a process of ours on one core.
type child struct {
	cmd  *exec.Cmd
	name string
	out  clipped
	errs clipped
	done chan struct{} // closed when it has ended
	err  error         // how; valid after done
}

// clipped keeps the first bytes written to it.
type clipped struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const clipAt = 64 << 10

func (c *clipped) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf.Write(p[:min(len(p), max(0, clipAt-c.buf.Len()))])
	return len(p), nil
}

func (c *clipped) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// start runs the program pinned to a core. Only the main goroutine calls it.
func start(core, procs int, program string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(program, args...), name: program, done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.errs
	if procs > 0 {
		c.cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", procs))
	}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := pinned(core, c.cmd.Start); err != nil {
		return nil, fmt.Errorf("bench: start %s: %w", program, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// pinned runs f with this thread on one core.
func pinned(core int, f func() error) error {
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	one.Set(core)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("core %d: %w", core, err)
	}
	err := f()
	if undo := unix.SchedSetaffinity(0, &before); err == nil {
		err = undo
	}
	return err
}

// stop kills the child and waits for it.
func (c *child) stop() {
	_ = c.cmd.Process.Kill() // it may have ended already
	<-c.done
}

// result waits for the child's end and returns its stdout; it is killed when
// ctx ends first.
func (c *child) result(ctx context.Context) (string, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		c.stop()
		return "", fmt.Errorf("bench: %s: %w", c.name, ctx.Err())
	}
	if c.err != nil {
		return "", fmt.Errorf("bench: %s: %w: %.400s", c.name, c.err, strings.TrimSpace(c.errs.String()))
	}
	return c.out.String(), nil
}

// accepting waits until addr takes connections.
func (c *child) accepting(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		nc, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return nc.Close()
		}
		select {
		case <-c.done:
			return fmt.Errorf("bench: %s ended at once: %v: %.400s", c.name, c.err, strings.TrimSpace(c.errs.String()))
		case <-ctx.Done():
			return fmt.Errorf("bench: %s does not accept connections: %w", c.name, err)
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
