//go:build linux

package pinned

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Child is a process of ours on one core. Its methods may be called concurrently.
type Child struct {
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

// Start runs the program pinned to a core, with that GOMAXPROCS unless it is 0. The
// caller has locked its goroutine to its thread: children inherit the affinity of
// the thread that starts them, and die with it.
func Start(core, procs int, program string, args ...string) (*Child, error) {
	c := &Child{cmd: exec.Command(program, args...), name: program, done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.errs
	if procs > 0 {
		c.cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", procs))
	}
	c.cmd.WaitDelay = time.Second // a child of its own may hold the pipes
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := on(core, c.cmd.Start); err != nil {
		return nil, fmt.Errorf("bench: start %s: %w", program, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// on runs f with this thread on one core.
func on(core int, f func() error) error {
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

// Pid is the process's number.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Children are the processes that a process has started from its first thread.
func Children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil // it has ended
	}
	var list []int
	for field := range bytes.FieldsSeq(text) {
		if n, err := strconv.Atoi(string(field)); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// Stop kills the child and what it has started, and waits for it.
func (c *Child) Stop() {
	select {
	case <-c.done:
		return
	default:
	}
	// Not a new one may come while its children are looked for.
	_ = c.cmd.Process.Signal(syscall.SIGSTOP)
	for _, pid := range Children(c.Pid()) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended just now
	}
	_ = c.cmd.Process.Kill()
	<-c.done
}

// Alive is nil, or says how the child came to its end.
func (c *Child) Alive() error {
	select {
	case <-c.done:
		return fmt.Errorf("bench: %s ended: %v: %.400s", c.name, c.err, strings.TrimSpace(c.errs.String()))
	default:
		return nil
	}
}

// Result waits for the child's end and returns its stdout; it is stopped when ctx
// ends first.
func (c *Child) Result(ctx context.Context) (string, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		c.Stop()
		return "", fmt.Errorf("bench: %s: %w", c.name, ctx.Err())
	}
	if c.err != nil {
		return "", fmt.Errorf("bench: %s: %w: %.400s", c.name, c.err, strings.TrimSpace(c.errs.String()))
	}
	return c.out.String(), nil
}
