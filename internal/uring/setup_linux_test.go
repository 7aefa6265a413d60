package uring

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestNegotiate plays kernels that know fewer and fewer flags.
func TestNegotiate(t *testing.T) {
	t.Parallel()
	const optional = SetupSubmitAll | SetupCoopTaskrun | SetupTaskrunFlag | SetupSingleIssuer | SetupDeferTaskrun | SetupNoSQArray
	for _, tc := range []struct {
		name  string
		flags SetupFlags
		known SetupFlags
		fails syscall.Errno // other than for an unknown flag
		want  SetupFlags
		errno syscall.Errno
	}{
		{"6.6", optional, setupKnown, 0, optional, 0},
		{"6.1", optional, setupKnown &^ SetupNoSQArray, 0, optional &^ SetupNoSQArray, 0},
		{"6.0", optional, SetupSingleIssuer<<1 - 1, 0, SetupSubmitAll | SetupCoopTaskrun | SetupTaskrunFlag | SetupSingleIssuer, 0},
		{"5.18", optional | SetupClamp, SetupSubmitAll<<1 - 1, 0, SetupSubmitAll | SetupClamp, 0},
		{"5.11", optional, 0, 0, 0, 0},
		{"something needed is unknown", optional | SetupClamp, SetupSubmitAll, 0, SetupClamp, syscall.EINVAL},
		{"refused", optional, 0, syscall.EPERM, optional, syscall.EPERM},
	} {
		got, errno := negotiate(tc.flags, optional, func(f SetupFlags) syscall.Errno {
			switch {
			case tc.fails != 0:
				return tc.fails
			case f&^tc.known != 0, f&SetupDeferTaskrun != 0 && f&SetupSingleIssuer == 0, f&SetupTaskrunFlag != 0 && f&(SetupCoopTaskrun|SetupDeferTaskrun) == 0:
				return syscall.EINVAL
			}
			return 0
		})
		if got != tc.want || errno != tc.errno {
			t.Errorf("%s: flags %#x, %v; want %#x, %v", tc.name, got, errno, tc.want, tc.errno)
		}
	}
}

func TestSetupSizes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		entries uint32
		p       Params
		sq, cq  int
	}{
		{1, Params{}, 1, 2},
		{5, Params{}, 8, 16},
		{8, Params{CQEntries: 100}, 8, 128},
		{8, Params{CQEntries: 100, Optional: deferred}, 8, 128},
		{1 << 20, Params{Flags: SetupClamp}, 1 << 15, 1 << 16},
	} {
		r := setup(t, tc.entries, tc.p)
		if len(r.sq.sqes) != tc.sq || len(r.cq.cqes) != tc.cq || r.Space() != tc.sq {
			t.Errorf("Setup(%d, %+v): %d and %d places, want %d and %d", tc.entries, tc.p, len(r.sq.sqes), len(r.cq.cqes), tc.sq, tc.cq)
		}
		r.Close()
	}
}

func TestSetupRefusals(t *testing.T) {
	t.Parallel()
	setup(t, 1, Params{}) // skips where there is no ring at all
	for _, tc := range []struct {
		entries uint32
		p       Params
		text    string
	}{
		{0, Params{}, "the number of entries is 0 or too high"},
		{1 << 20, Params{}, "the number of entries is 0 or too high"},
		{8, Params{CQEntries: 1}, "invalid argument"},
		{8, Params{Flags: SetupDeferTaskrun}, "too old for flags 0x2000"},
		{8, Params{Flags: 1 << 1}, "flags 0x2 are not supported by this package"},
	} {
		r, err := Setup(tc.entries, tc.p)
		if !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), tc.text) || r != nil {
			t.Errorf("Setup(%d, %+v): %v, want EINVAL and %q", tc.entries, tc.p, err, tc.text)
		}
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		errno    syscall.Errno
		disabled string
		is       error
		text     string
	}{
		{syscall.ENOSYS, "", errors.ErrUnsupported, "CONFIG_IO_URING"},
		{syscall.EPERM, "2", os.ErrPermission, "kernel.io_uring_disabled is 2"},
		{syscall.EPERM, "1", os.ErrPermission, "kernel.io_uring_group"},
		{syscall.EPERM, "0", os.ErrPermission, "seccomp"},
		{syscall.EACCES, "", os.ErrPermission, "seccomp"},
		{syscall.ENOMEM, "", syscall.ENOMEM, "RLIMIT_MEMLOCK"},
		{syscall.EMFILE, "", syscall.EMFILE, "RLIMIT_NOFILE"},
		{syscall.EINVAL, "", syscall.EINVAL, "too old for flags 0x42"},
		{syscall.EBUSY, "", syscall.EBUSY, "uring: setup: "},
	} {
		err := error(&Error{Op: "setup", Errno: tc.errno, Hint: hint(tc.errno, 0x42, func() string { return tc.disabled })})
		if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%v: %q, want %q in it", tc.errno, err, tc.text)
		}
	}
}

// TestSeccomp has a filter refuse the ring, as those of containers do: for one
// thread, which ends with the test.
func TestSeccomp(t *testing.T) {
	t.Parallel()
	setup(t, 1, Params{})
	for _, refusal := range []syscall.Errno{syscall.EPERM, syscall.ENOSYS} {
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			if err := forbid(unix.SYS_IO_URING_SETUP, refusal); err != nil {
				done <- err
				return
			}
			_, err := Setup(8, Params{})
			done <- err
		}()
		err := <-done
		if disabled := readDisabled(); !errors.Is(err, refusal) || disabled != "0" && disabled != "" {
			t.Fatalf("Setup behind a filter: %v, want %v (kernel.io_uring_disabled is %q)", err, refusal, disabled)
		}
		want := map[syscall.Errno]string{syscall.EPERM: "seccomp", syscall.ENOSYS: "no filter that hides it"}[refusal]
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Setup behind a filter: %q, want %q in it", err, want)
		}
	}
}

// forbid makes a system call fail for the calling thread, for good.
func forbid(call uint32, with syscall.Errno) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(with)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	p := &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(p)))
	if errno != 0 {
		return errno
	}
	return nil
}
