package sock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
)

// probeTimeout bounds the look whether a socket that is already there answers.
const probeTimeout = time.Second

func listenUnix(ctx context.Context, a address, opts *ListenOptions) (net.Listener, error) {
	if a.abstract() && runtime.GOOS != "linux" {
		return nil, fmt.Errorf("abstract unix sockets: %w on this system", errors.ErrUnsupported)
	}
	if limit := maxUnixPath; len(a.text) > limit {
		return nil, fmt.Errorf("path of %d bytes is longer than the %d the system allows: use a shorter one, such as unix:/run/app.sock",
			len(a.text), limit)
	}
	if a.abstract() {
		return bindUnix(ctx, a.text, opts)
	}
	unlock := lockFolder(ctx, a.text)
	defer unlock()
	if err := purgeStale(ctx, a.text); err != nil {
		return nil, err
	}
	return bindUnix(ctx, a.text, opts)
}

// purgeStale removes a socket file that nobody listens on. It is an error when
// somebody does, and when the file is not a socket.
func purgeStale(ctx context.Context, path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return inTheWayError(fi.Mode())
	}
	d := net.Dialer{Timeout: probeTimeout}
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		c.Close()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// Only a refusal proves that nobody listens: a full queue (EAGAIN), a
	// missing permission or a socket of another type are signs of life.
	if errors.Is(err, errConnRefused) {
		return os.Remove(path)
	}
	return inUseError{}
}

// inTheWayError says what kind of file stands where the socket should be.
type inTheWayError fs.FileMode

func (e inTheWayError) Error() string {
	what := "a special file"
	switch mode := fs.FileMode(e); {
	case mode.IsRegular():
		what = "a regular file"
	case mode.IsDir():
		what = "a folder"
	case mode.Type() == fs.ModeSymlink:
		what = "a symbolic link"
	}
	return what + " is in the way and was left alone: choose another path, or remove it yourself"
}

func (inTheWayError) Is(target error) bool { return target == fs.ErrExist }

// inUseError says that a unix socket has a listener.
type inUseError struct{}

func (inUseError) Error() string {
	return "in use: another program listens there; stop it or choose another path"
}

func (inUseError) Is(target error) bool { return target == syscall.EADDRINUSE }
