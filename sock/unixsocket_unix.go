//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sock

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxUnixPath is the room in sockaddr_un, in bytes, less the terminating zero.
const maxUnixPath = len(unix.RawSockaddrUnix{}.Path) - 1

// wholeBacklog asks for the longest queue: kernels cut it down to their limit.
const wholeBacklog = 65535

// bindUnix makes the socket step by step, where net would bind and listen in
// one: nobody can connect between bind and listen, so the mode is in force
// before the first connection. The umask is the process's and is not touched.
func bindUnix(_ context.Context, path string, opts *ListenOptions) (net.Listener, error) {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), "unix:"+path)
	defer f.Close() // net.FileListener keeps its own copy
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	ln, err := listenBound(f, path, opts)
	if err != nil && path[0] != '@' {
		os.Remove(path)
	}
	return ln, err
}

func listenBound(f *os.File, path string, opts *ListenOptions) (net.Listener, error) {
	if opts.Mode != 0 {
		if err := os.Chmod(path, opts.Mode); err != nil {
			return nil, err
		}
	}
	backlog := opts.Backlog
	if backlog == 0 {
		backlog = wholeBacklog
	}
	if err := unix.Listen(int(f.Fd()), backlog); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(true)
	return ln, nil
}

// lockFolder keeps two starting processes from purging each other: between bind
// and listen a new socket looks stale. It locks the folder itself, which leaves
// no file behind, and gives up after a second, because a foreign program may
// hold such a lock for its own reasons. The lock ends with unlock.
func lockFolder(ctx context.Context, path string) (unlock func()) {
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		return func() {} // bind says what is wrong with the folder
	}
	unlock = func() { f.Close() }
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return unlock
		}
	}
	return unlock
}
