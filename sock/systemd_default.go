//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package sock

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// listenSystemd has no sockets to take here: this system passes none.
func listenSystemd(name string) (net.Listener, error) {
	sockets, err := passedSockets(os.Getenv, os.Getpid())
	if err == nil {
		_, err = pickSocket(sockets, name)
	}
	if err == nil {
		err = errors.ErrUnsupported
	}
	return nil, fmt.Errorf("socket activation on this system: %w", err)
}
