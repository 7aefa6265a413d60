//go:build linux

package pinned

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// until polls for something that comes soon.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// TestStop: a child runs on its core, and its own children end with it.
func TestStop(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := Start(0, 1, "/bin/sh", "-c", "sleep 60 & sleep 60 & wait")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	until(t, "two children", func() bool { return len(Children(c.Pid())) == 2 })
	var cores unix.CPUSet
	if err := unix.SchedGetaffinity(c.Pid(), &cores); err != nil || cores.Count() != 1 || !cores.IsSet(0) {
		t.Errorf("on %d cores, %v; want core 0", cores.Count(), err)
	}
	if err := c.Alive(); err != nil {
		t.Error(err)
	}
	children := Children(c.Pid())
	c.Stop()
	c.Stop() // which does nothing
	if err := c.Alive(); err == nil {
		t.Error("it is said to be alive after Stop")
	}
	for _, pid := range children {
		until(t, "the end of a child's child", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	}
	if got := Children(c.Pid()); len(got) != 0 {
		t.Errorf("children %v after the end", got)
	}
}

func TestResult(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	run := func(ctx context.Context, script string) (string, error) {
		c, err := Start(0, 3, "/bin/sh", "-c", script)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Stop()
		return c.Result(ctx)
	}
	if got, err := run(t.Context(), "echo $GOMAXPROCS"); got != "3\n" || err != nil {
		t.Errorf("result %q, %v", got, err)
	}
	if _, err := run(t.Context(), "echo this went wrong >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "this went wrong") {
		t.Errorf("failure: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := run(ctx, "sleep 60"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("too slow: %v", err)
	}
	if _, err := Start(0, 0, "/does/not/exist"); err == nil {
		t.Error("a program that does not exist was started")
	}
}
