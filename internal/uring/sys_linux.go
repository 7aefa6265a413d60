package uring

import (
	"encoding/binary"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Everything unsafe of the package is in this file: addresses for the kernel,
// and views on memory that is shared with it.

// address is where b lies. The directive makes the compiler treat what is
// converted in a call as escaping, so that it is on the heap and never moves.
//
//go:uintptrescapes
func address(p uintptr) uint64 { return uint64(p) }

func bytesAddress(b []byte) uint64 {
	return address(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

func msghdrAddress(m *unix.Msghdr) uint64 { return address(uintptr(unsafe.Pointer(m))) }

func timespecAddress(t *Timespec) uint64 { return address(uintptr(unsafe.Pointer(t))) }

// word is the shared word at byte off of a mapping.
func word(mem []byte, off uint32) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&mem[off : off+4][0]))
}

// table is n values of T from byte off of a mapping.
func table[T any](mem []byte, off, n uint32) []T {
	var t T
	b := mem[off : uint64(off)+uint64(n)*uint64(unsafe.Sizeof(t))]
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// sizeOf is the size of a T, in bytes.
func sizeOf[T any]() uint32 {
	var t T
	return uint32(unsafe.Sizeof(t))
}

// halves is the word whose first half in memory is a and whose second is b.
func halves(a, b uint16) uint32 {
	var w [4]byte
	binary.NativeEndian.PutUint16(w[:2], a)
	binary.NativeEndian.PutUint16(w[2:], b)
	return binary.NativeEndian.Uint32(w[:])
}

// kernel is who works off the queues: system, or the fake one of the tests.
type kernel interface {
	// enter is io_uring_enter(2). Unless block is set it does not wait.
	enter(block bool, submit, minComplete, flags uint32, arg *waitArg) (int, syscall.Errno)
	// register is io_uring_register(2).
	register(op uint32, arg unsafe.Pointer, n uint32) syscall.Errno
	// close gives the descriptor back.
	close() error
}

// system is a ring's descriptor.
type system int

func (fd system) enter(block bool, submit, minComplete, flags uint32, arg *waitArg) (int, syscall.Errno) {
	var n uintptr
	var errno syscall.Errno
	switch {
	case !block:
		// It cannot wait, so the scheduler need not know: half the cost.
		n, _, errno = syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(fd), uintptr(submit), 0, uintptr(flags), 0, 0)
	default:
		// arg holds an address as a number. It is part of a Ring, on the heap.
		n, _, errno = syscall.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(fd), uintptr(submit), uintptr(minComplete),
			uintptr(flags|enterExtArg), uintptr(unsafe.Pointer(arg)), unsafe.Offsetof(arg.limit))
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func (fd system) register(op uint32, arg unsafe.Pointer, n uint32) syscall.Errno {
	_, _, errno := syscall.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(fd), uintptr(op), uintptr(arg), uintptr(n), 0, 0)
	return errno
}

func (fd system) close() error { return unix.Close(int(fd)) }

func sysSetup(entries uint32, p *params) (system, syscall.Errno) {
	fd, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
	if errno != 0 {
		return -1, errno
	}
	return system(fd), 0
}

// register is kernel.register with a typed argument; n is how many, or its size
// where the operation says so. What arg points to must be on the heap.
func register[T any](k kernel, op uint32, arg *T, n uint32) error {
	if errno := k.register(op, unsafe.Pointer(arg), n); errno != 0 {
		return errno
	}
	return nil
}

// writeOne adds one to an eventfd, which never blocks.
func writeOne(fd int) {
	one := uint64(1)
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), 8)
}
