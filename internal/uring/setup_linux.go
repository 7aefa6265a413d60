package uring

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Params say what ring to set up. The zero value asks for nothing special.
type Params struct {
	// Flags must be accepted.
	Flags SetupFlags
	// Optional are further flags, given up as far as the kernel does not know
	// them, newest first: [Ring.Flags] says what is left. Who asks for
	// SetupDeferTaskrun with SetupTaskrunFlag should also ask for
	// SetupCoopTaskrun, for the flag to be valid without the first.
	Optional SetupFlags
	// CQEntries is how many completions there is room for, a count that is
	// rounded up to a power of two. 0 is twice the entries for submission.
	CQEntries uint32
}

// Setup makes a ring with room for entries queued operations, rounded up to a
// power of two; the most is 32,768. It belongs to the calling thread with
// [SetupSingleIssuer]. Errors are of type [*Error].
func Setup(entries uint32, p Params) (*Ring, error) {
	if bad := (p.Flags | p.Optional) &^ setupKnown; bad != 0 {
		return nil, &Error{Op: "setup", Errno: syscall.EINVAL, Hint: fmt.Sprintf("flags %#x are not supported by this package", uint32(bad))}
	}
	raw := &params{cqEntries: p.CQEntries}
	flags := p.Flags | p.Optional
	if p.CQEntries > 0 {
		flags |= SetupCQSize
	}
	var fd system
	flags, errno := negotiate(flags, p.Optional, func(f SetupFlags) (errno syscall.Errno) {
		raw.flags = f
		fd, errno = sysSetup(entries, raw)
		return errno
	})
	if errno != 0 {
		return nil, &Error{Op: "setup", Errno: errno, Hint: hint(errno, flags, readDisabled)}
	}
	return mapRing(fd, raw)
}

// negotiate tries flags, and as long as they are refused as invalid, without
// the newest of the optional ones.
func negotiate(flags, optional SetupFlags, try func(SetupFlags) syscall.Errno) (SetupFlags, syscall.Errno) {
	for {
		errno := try(flags)
		droppable := uint32(flags & optional)
		if errno != syscall.EINVAL || droppable == 0 {
			return flags, errno
		}
		flags &^= 1 << (bits.Len32(droppable) - 1)
	}
}

// mapRing maps the memory that the kernel has made for the ring.
func mapRing(fd system, p *params) (*Ring, error) {
	if missing := featNeeded &^ p.features; missing != 0 {
		fd.close()
		return nil, &Error{Op: "setup", Errno: syscall.ENOSYS, Hint: fmt.Sprintf("the kernel lacks features %#x of io_uring: Linux 5.11 or later is needed", uint32(missing))}
	}
	const shared, access = unix.MAP_SHARED | unix.MAP_POPULATE, unix.PROT_READ | unix.PROT_WRITE
	rings, err := unix.Mmap(int(fd), offSQRing, p.ringsSize(), access, shared)
	if err != nil {
		fd.close()
		return nil, wrap("map the rings", err)
	}
	sqes, err := unix.Mmap(int(fd), offSQEs, int(p.sqEntries*sizeOf[SQE]()), access, shared)
	if err != nil {
		unix.Munmap(rings)
		fd.close()
		return nil, wrap("map the entries", err)
	}
	r := newRing(fd, p, rings, sqes)
	r.fd, r.maps, r.race = int(fd), [][]byte{rings, sqes}, newRaceSync()
	return r, nil
}

// ringsSize is the size in bytes of the mapping that both rings share.
func (p *params) ringsSize() int {
	size := p.cq.word5 + p.cqEntries*sizeOf[CQE]()
	if p.flags&SetupNoSQArray == 0 {
		size = max(size, p.sq.word6+p.sqEntries*4)
	}
	return int(size)
}

// Enable lets a ring set up with [SetupRDisabled] begin; with
// [SetupSingleIssuer] it belongs to the calling thread from now on.
func (r *Ring) Enable() error {
	if r.closed {
		return ErrClosed
	}
	return wrap("enable", register[byte](r.kernel, registerEnableRings, nil, 0))
}

// closeRounds and closePause bound how long Close waits for operations that do
// not stop, together a second.
const (
	closeRounds = 1000
	closePause  = time.Millisecond
)

// Close cancels what is in flight, waits until that has ended, and gives back
// descriptor and memory, also that of Buffers. Afterwards Next gives nil, Pop
// nothing, Submit and Wait [ErrClosed]; results that were not taken are lost,
// and a second Close does nothing. Descriptors named in operations stay open.
// The kernel takes the square of the number of operations to cancel them, 0.3 s
// for 8,000: who has so many ends them one by one before, with [SQE.Cancel].
// When something does not stop within a second (a disk that does not answer), or
// cannot be stopped (another
// thread than the ring's own with [SetupSingleIssuer], Linux before 5.19) the
// error says so: the ring is closed nevertheless, but the memory of Buffers
// stays mapped for good, and the caller's own must stay reachable as long. The
// memory of SendZC may still be on its way through the network in any case.
func (r *Ring) Close() error {
	if r.closed {
		return nil
	}
	err := r.cancelAll()
	r.closed = true
	for _, b := range r.groups {
		b.release(err == nil)
	}
	r.groups = nil
	r.sq, r.cq = submission{}, completion{}
	for _, m := range r.maps {
		unix.Munmap(m)
	}
	r.maps = nil
	r.race.close()
	return errors.Join(wrap("cancel operations", err), wrap("close", r.kernel.close()))
}

// ReservedUserData marks the SQEs of Close; others must not use it.
const ReservedUserData = ^uint64(0)

// cancelAll ends every operation, and returns when they have ended.
func (r *Ring) cancelAll() error {
	r.sq.next = r.sq.taken // what was not submitted never will be
	for idle := 0; idle < closeRounds; idle++ {
		s := r.Next()
		s.CancelAny()
		s.UserData = ReservedUserData
		// It counts what it has told to end, and what it had told before and is
		// running still. All that ends is waited for before it is asked again.
		found := int32(1)
		for popped := true; popped && found > 0; {
			if _, err := r.Wait(1, closePause); err != nil {
				return err
			}
			popped = false
			for c, ok := r.Pop(); ok; c, ok = r.Pop() {
				popped = true
				if c.UserData == ReservedUserData {
					found = c.Res
				} else {
					idle = 0
				}
			}
		}
		switch {
		case found == 0:
			return nil
		case found < 0:
			return syscall.Errno(-found)
		}
	}
	return syscall.ETIMEDOUT
}

// ErrClosed is the error of a Ring or Buffers that is closed.
var ErrClosed = fmt.Errorf("uring: %w", os.ErrClosed)

// Error is a refusal of the kernel. It unwraps to its Errno, so that errors.Is
// finds ENOSYS ([errors.ErrUnsupported]: no io_uring here), EPERM
// ([os.ErrPermission]: switched off, or a container's filter), ENOMEM, EMFILE.
type Error struct {
	Op    string        // what was tried
	Errno syscall.Errno // what the kernel said
	Hint  string        // why, and what to do about it; may be empty
}

func (e *Error) Error() string {
	text := "uring: " + e.Op + ": " + e.Errno.Error()
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Errno }

// wrap makes an Error of what a system call returned.
func wrap(op string, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		return &Error{Op: op, Errno: errno}
	}
	return err
}

func readDisabled() string {
	b, _ := os.ReadFile("/proc/sys/kernel/io_uring_disabled")
	return strings.TrimSpace(string(b))
}

// hint says why a ring was refused.
func hint(errno syscall.Errno, flags SetupFlags, disabled func() string) string {
	switch errno {
	case syscall.ENOSYS:
		return "the kernel has no io_uring: Linux 5.11 or later is needed, built with CONFIG_IO_URING, and no filter that hides it"
	case syscall.EPERM, syscall.EACCES:
		switch disabled() {
		case "2":
			return "sysctl kernel.io_uring_disabled is 2: nobody may use io_uring; 0 allows it"
		case "1":
			return "sysctl kernel.io_uring_disabled is 1: only CAP_SYS_ADMIN and the group kernel.io_uring_group may use io_uring; 0 allows it"
		}
		return refusedHint
	case syscall.ENOMEM:
		return "not enough memory; before Linux 5.12 rings count as locked memory: raise RLIMIT_MEMLOCK (ulimit -l), or ask for fewer entries"
	case syscall.EMFILE, syscall.ENFILE:
		return "no descriptor is left: raise RLIMIT_NOFILE (ulimit -n)"
	case syscall.EINVAL:
		return fmt.Sprintf("the kernel is too old for flags %#x, or the number of entries is 0 or too high", uint32(flags))
	}
	return ""
}

// refusedHint is for the permission to use the ring, which each of its system calls needs.
const refusedHint = "a seccomp filter or security module refuses it, as containers do by default: allow io_uring_setup, io_uring_enter and io_uring_register"
