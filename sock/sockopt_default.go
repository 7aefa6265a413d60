//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package sock

import (
	"errors"
	"net"
	"syscall"
)

const (
	inheritsOptions = false
	canReusePort    = false
	canSetBacklog   = false
)

// tcpControl has nothing to set on this system.
func tcpControl(net.KeepAliveConfig, bool) func(string, string, syscall.RawConn) error {
	return nil
}

func setBacklog(*net.TCPListener, int) error { return errors.ErrUnsupported }
