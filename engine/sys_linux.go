package engine

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errAgain says that the socket is dry, or full.
const errAgain = syscall.EAGAIN

// The calls below never block, so the scheduler need not know of them: a raw
// system call costs half of one that tells it.

func sysRead(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, errAgain
	}
	if raceEnabled {
		return zeroOnError(syscall.Read(fd, b))
	}
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return 0, errno
	}
}

func sysWrite(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if raceEnabled {
		return zeroOnError(syscall.Write(fd, b))
	}
	for {
		// The runtime ignores SIGPIPE of sockets; this does not even raise it.
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return 0, errno
	}
}

func zeroOnError(n int, err error) (int, error) { return max(n, 0), err }

// sysWrite2 sends two pieces in one call.
func sysWrite2(fd int, a, b []byte) (int, error) {
	if len(a) == 0 {
		return sysWrite(fd, b)
	}
	if len(b) == 0 {
		return sysWrite(fd, a)
	}
	if raceEnabled {
		return sysWrite(fd, append(append([]byte(nil), a...), b...))
	}
	iov := [2]unix.Iovec{{Base: &a[0]}, {Base: &b[0]}}
	iov[0].SetLen(len(a))
	iov[1].SetLen(len(b))
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov)), 2)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return 0, errno
	}
}

// sysSendfile may wait for the disk: the scheduler is told.
func sysSendfile(fd, file int, off *int64, n int) (int, error) {
	for {
		sent, err := unix.Sendfile(fd, file, off, n)
		if err != unix.EINTR {
			return max(sent, 0), err
		}
	}
}

const haveSendfile = true

// sysAccept takes one connection, non-blocking and not inherited.
func sysAccept(fd int, c *Conn) (int, error) {
	var sa unix.RawSockaddrAny
	n := uint32(unix.SizeofSockaddrAny)
	for {
		nfd, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&n)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
		case syscall.EINTR, syscall.ECONNABORTED:
			continue
		default:
			return -1, errno
		}
		c.setPeer(rawAddr(&sa))
		return int(nfd), nil
	}
}

func rawAddr(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		p := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(p.Addr), p.Port<<8|p.Port>>8)
	case unix.AF_INET6:
		p := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom16(p.Addr).Unmap(), p.Port<<8|p.Port>>8)
	}
	return netip.AddrPort{}
}
