//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package engine

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// errAgain says that the socket is dry, or full.
const errAgain = syscall.EAGAIN

func sysRead(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, errAgain
	}
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

func sysWrite(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, err := unix.Write(fd, b) // the runtime ignores SIGPIPE of sockets
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// sysWrite2 sends two pieces.
func sysWrite2(fd int, a, b []byte) (int, error) {
	n, err := sysWrite(fd, a)
	if err != nil || n < len(a) {
		return n, err
	}
	m, err := sysWrite(fd, b)
	if err == errAgain {
		err = nil
	}
	return n + m, err
}

const haveSendfile = false

func sysSendfile(int, int, *int64, int) (int, error) { return 0, unix.ENOSYS }

// sysAccept takes one connection, non-blocking and not inherited.
func sysAccept(fd int, c *Conn) (int, error) {
	for {
		nfd, sa, err := unix.Accept(fd)
		switch err {
		case nil:
		case unix.EINTR, unix.ECONNABORTED:
			continue
		default:
			return -1, err
		}
		unix.CloseOnExec(nfd)
		if err := unix.SetNonblock(nfd, true); err != nil {
			unix.Close(nfd)
			return -1, err
		}
		sysNoDelay(nfd)
		switch sa := sa.(type) {
		case *unix.SockaddrInet4:
			c.setPeer(netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)))
		case *unix.SockaddrInet6:
			c.setPeer(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)))
		}
		return nfd, nil
	}
}
