package tftp

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// canShare says that sockets of one address share the clients out: SO_REUSEPORT,
// by a hash of both addresses, so that a client always reaches the same one.
const canShare = true

// share lets others join a socket that is bound.
func share(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return shareEarly("", "", raw)
}

// shareEarly is what ListenConfig runs between socket and bind.
func shareEarly(_, _ string, raw syscall.RawConn) error {
	var err error
	if ctlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); ctlErr != nil {
		return ctlErr
	}
	return os.NewSyscallError("setsockopt", err)
}
