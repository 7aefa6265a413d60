//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sock

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

const canSetBacklog = true

// setBacklog changes the queue length of a socket that listens already, which
// these systems allow by a second listen call.
func setBacklog(ln *net.TCPListener, n int) error {
	rc, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var listenErr error
	if err := rc.Control(func(fd uintptr) { listenErr = unix.Listen(int(fd), n) }); err != nil {
		return err
	}
	return os.NewSyscallError("listen", listenErr)
}
