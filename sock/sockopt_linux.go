package sock

import (
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Linux gives an accepted TCP connection the options of its listener
	// (tcp(7)), so that an event loop need not set any of them again.
	inheritsOptions = true
	canReusePort    = true
)

// tcpControl returns what ListenConfig runs between socket and bind.
func tcpControl(keepAlive net.KeepAliveConfig, reusePort bool) func(string, string, syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		ctlErr := c.Control(func(fd uintptr) {
			err = setTCPOptions(int(fd), keepAlive, reusePort)
		})
		if ctlErr != nil {
			return ctlErr
		}
		return os.NewSyscallError("setsockopt", err)
	}
}

func setTCPOptions(fd int, keepAlive net.KeepAliveConfig, reusePort bool) error {
	type option struct{ level, name, value int }
	opts := []option{{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}}
	if reusePort {
		opts = append(opts, option{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
	}
	if keepAlive.Enable {
		opts = append(
			opts,
			option{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			option{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, wholeSeconds(keepAlive.Idle)},
		)
		if keepAlive.Interval > 0 {
			opts = append(opts, option{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, wholeSeconds(keepAlive.Interval)})
		}
		if keepAlive.Count > 0 {
			opts = append(opts, option{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAlive.Count})
		}
	}
	for _, o := range opts {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return err
		}
	}
	return nil
}

// wholeSeconds rounds up: 0 would be refused by the kernel.
func wholeSeconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}
