//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package engine

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

func sysClose(fd int) { unix.Close(fd) }

// sysShutdown ends our side of the socket, or both.
func sysShutdown(fd int, both bool) error {
	how := unix.SHUT_WR
	if both {
		how = unix.SHUT_RDWR
	}
	return unix.Shutdown(fd, how)
}

func sysNonblock(fd int) error { return unix.SetNonblock(fd, true) }

// sysNoDelay switches Nagle's algorithm off; what is no TCP socket has none.
func sysNoDelay(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

func sockname(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	return address(sa, err)
}

// peername is the address of the peer; the zero value when that has gone.
func peername(fd int) netip.AddrPort {
	sa, err := unix.Getpeername(fd)
	return address(sa, err)
}

func address(sa unix.Sockaddr, err error) netip.AddrPort {
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// sysConnError is why a connection broke.
func sysConnError(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || errno == 0 {
		return unix.ECONNRESET
	}
	return unix.Errno(errno)
}

func sysDup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

func isNoSendfile(err error) bool {
	return err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP
}
