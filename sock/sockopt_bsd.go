//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package sock

import (
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	inheritsOptions = false
	canReusePort    = true
)

// soReusePortLB is FreeBSD's SO_REUSEPORT_LB, the form of SO_REUSEPORT that
// shares connections out between the listeners.
const soReusePortLB = 0x10000

// tcpControl returns what ListenConfig runs between socket and bind.
func tcpControl(_ net.KeepAliveConfig, reusePort bool) func(string, string, syscall.RawConn) error {
	if !reusePort {
		return nil
	}
	name := unix.SO_REUSEPORT
	if runtime.GOOS == "freebsd" {
		name = soReusePortLB
	}
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		ctlErr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, name, 1)
		})
		if ctlErr != nil {
			return ctlErr
		}
		return os.NewSyscallError("setsockopt", err)
	}
}
