package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	childJobs["refused"] = childRefused
	childJobs["broken"] = childBroken
}

// refuse has the kernel answer a system call of this process with errno, as the filter
// of a container does.
func refuse(call uint32, with unix.Errno) error {
	const load, jumpEqual, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the system call
		{Code: jumpEqual, Jf: 1, K: call},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(with)},
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

// childRefused says what an engine does where a system call of the ring, its first
// argument, fails with the error that is the second.
func childRefused() error {
	call, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	errno, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	if err := refuse(uint32(call), unix.Errno(errno)); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	asked := (&Engine{Driver: DriverUring}).Serve(ctx, ln, nil, nil)
	fmt.Println(errors.Is(asked, unix.Errno(errno)) || errors.Is(asked, errOldKernel), strings.Contains(fmt.Sprint(asked), "uring"))
	if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	var log bytes.Buffer
	e := &Engine{Loops: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(ctx, ln, same(&proto{data: echo}), nil) }()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return err
	}
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	nc.Write([]byte("x"))
	_, err = nc.Read(make([]byte, 1))
	fmt.Println(err, e.DriverInUse(), e.Fallbacks())
	nc.Close()
	cancel()
	fmt.Println(<-ended, strings.Count(log.String(), "\n"), strings.Contains(log.String(), "driver=uring instead=epoll"))
	return nil
}

// TestUringRefused runs in processes that may not make a ring, or not use it, or whose
// kernel is too old: who asks for it is told why, and the automatic choice serves with
// epoll, with one line of log.
func TestUringRefused(t *testing.T) {
	needs(t, DriverUring)
	for _, refused := range []struct {
		call  int
		errno unix.Errno
	}{
		{unix.SYS_IO_URING_SETUP, unix.EPERM},  // a container, or the sysctl
		{unix.SYS_IO_URING_SETUP, unix.EACCES}, // a security module
		{unix.SYS_IO_URING_SETUP, unix.ENOSYS}, // no io_uring at all
		{unix.SYS_IO_URING_SETUP, unix.ENOMEM}, // too little locked memory
		{unix.SYS_IO_URING_SETUP, unix.EINVAL}, // flags that an old kernel does not know
		{unix.SYS_IO_URING_REGISTER, unix.EPERM},
		{unix.SYS_IO_URING_REGISTER, unix.EINVAL}, // a kernel without buffers
		{unix.SYS_IO_URING_ENTER, unix.EPERM},
	} {
		t.Run(fmt.Sprintf("%d %v", refused.call, refused.errno), func(t *testing.T) {
			c := startChild(t, "refused", strconv.Itoa(refused.call), strconv.Itoa(int(refused.errno)))
			c.says("true true")
			c.says("<nil> epoll 1")
			c.says("<nil> 1 true")
		})
	}
}

// childBroken has the ring refused once it is in use.
func childBroken() error {
	p, err := newRing(new(atomic.Bool), ringSizes{entries: 4})
	if err != nil {
		return err
	}
	if err := refuse(unix.SYS_IO_URING_ENTER, unix.EPERM); err != nil {
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
