package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	childJobs["refused"] = func() error { return childRefused(unix.SYS_IO_URING_SETUP) }
	childJobs["unused"] = func() error { return childRefused(unix.SYS_IO_URING_ENTER) }
	childJobs["broken"] = childBroken
}

// refuse has the kernel answer EPERM to a system call of this process, as the filter
// of a container does.
func refuse(call uint32) error {
	const load, jumpEqual, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the system call
		{Code: jumpEqual, Jf: 1, K: call},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return nil
}

// childRefused says what an engine does where a system call of the ring is refused.
func childRefused(call uint32) error {
	if err := refuse(call); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = (&Engine{Driver: DriverUring}).Serve(ctx, ln, nil, nil)
	fmt.Println(errors.Is(err, os.ErrPermission), strings.Contains(fmt.Sprint(err), "uring"))
	var log bytes.Buffer
	e := &Engine{Loops: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	d, err := e.startFirst([]Driver{DriverUring, DriverEpoll})
	fmt.Println(d, err, e.DriverInUse(), e.Fallbacks())
	fmt.Println(strings.Count(log.String(), "\n"), strings.Contains(log.String(), "driver=uring instead=epoll") && strings.Contains(log.String(), "seccomp"))
	return nil
}

// TestUringRefused runs in processes that may not make a ring, or not use it: who
// asks for it is told why, and the automatic choice falls back, with one line of log.
func TestUringRefused(t *testing.T) {
	for _, job := range []string{"refused", "unused"} {
		t.Run(job, func(t *testing.T) {
			needs(t, DriverUring)
			c := startChild(t, job)
			c.says("true true")
			c.says("epoll <nil> epoll 1")
			c.says("1 true")
		})
	}
}

// childBroken has the ring refused once it is in use.
func childBroken() error {
	p, err := newRing(new(atomic.Bool), ringSizes{entries: 4})
	if err != nil {
		return err
	}
	if err := refuse(unix.SYS_IO_URING_ENTER); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	for range 10 {
		p.sqe().Nop()
	}
	_, err = p.wait(0)
	fmt.Println(errors.Is(err, os.ErrPermission))
	return nil
}

// TestUringBroken: a ring that is refused later does not hang.
func TestUringBroken(t *testing.T) {
	needs(t, DriverUring)
	startChild(t, "broken").says("true")
}

func TestDriverInUse(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		dial := serve(t, e, same(&proto{data: echo}), nil)
		roundTrip(t, dial(), []byte("x"))
		if got := e.DriverInUse(); got != e.Driver || e.Fallbacks() != 0 {
			t.Errorf("the driver in use is %v after %d fallbacks, want %v", got, e.Fallbacks(), e.Driver)
		}
	})
}
