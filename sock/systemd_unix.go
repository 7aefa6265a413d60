//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sock

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// taken remembers the passed descriptors that became listeners. It belongs to
// the process, like the descriptors: the number of one that was used may have
// been given to something else since.
var taken struct {
	sync.Mutex
	fds map[int]bool // guarded by the mutex; nil before the first use
}

// listenSystemd turns a passed descriptor into a listener. Each can be taken
// once; the listener owns it from then on.
func listenSystemd(name string) (net.Listener, error) {
	sockets, err := passedSockets(os.Getenv, os.Getpid())
	if err != nil {
		return nil, err
	}
	s, err := pickSocket(sockets, name)
	if err != nil {
		return nil, err
	}
	taken.Lock()
	defer taken.Unlock()
	if taken.fds == nil {
		taken.fds = make(map[int]bool)
		for _, s := range sockets {
			unix.CloseOnExec(s.fd) // the supervisor had to leave this off
		}
	}
	if taken.fds[s.fd] {
		return nil, errors.New("this passed socket is taken already: it can be listened on once")
	}
	ln, err := passedListener(s.fd)
	if err != nil {
		return nil, err
	}
	taken.fds[s.fd] = true
	return ln, nil
}

// passedListener makes sure that fd is a listening stream socket and wraps it.
// fd is closed when that worked: the listener has its own copy.
func passedListener(fd int) (net.Listener, error) {
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("passed descriptor %d is not a socket: %w", fd, err)
	}
	if typ != unix.SOCK_STREAM {
		return nil, fmt.Errorf("passed descriptor %d is not a stream socket: use ListenStream= in the .socket unit", fd)
	}
	// A system that cannot tell leaves it to Accept.
	on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err == nil && on == 0 {
		return nil, fmt.Errorf("passed descriptor %d does not listen: use Accept=no in the .socket unit", fd)
	}
	// Through a copy, so that a failure leaves fd as it was passed.
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(dup), "systemd")
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	unix.Close(fd)
	return ln, nil
}
