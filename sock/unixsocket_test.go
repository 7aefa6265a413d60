package sock

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// shortDir is a temporary folder whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestUnixListen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "s")
	ln := mustListen(t, "unix:"+path, nil)
	if _, ok := ln.(*net.UnixListener); !ok {
		t.Errorf("listener is a %T, want *net.UnixListener", ln)
	}
	checkTalks(t, ln)
	if !exists(path) {
		t.Error("a closed client took the socket away")
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if exists(path) {
		t.Error("the socket is still there after Close")
	}
}

// staleSocket leaves a socket at path that nobody listens on.
func staleSocket(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	// A child that another test is starting has the socket open until its exec.
	deadline := time.Now().Add(5 * time.Second)
	for {
		c, err := net.Dial("unix", path)
		if errors.Is(err, errConnRefused) {
			return
		}
		if err == nil {
			c.Close()
		}
		if time.Now().After(deadline) {
			t.Fatalf("not a stale socket: %v", err)
		}
		runtime.Gosched()
	}
}

func TestUnixStale(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "s")
	staleSocket(t, path)
	checkTalks(t, mustListen(t, "unix:"+path, nil))
}

func TestUnixLive(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "s")
	first := mustListen(t, "unix:"+path, nil)
	_, err := Listen(t.Context(), "unix:"+path, nil)
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v, want EADDRINUSE", err)
	}
	if want := "sock: listen unix:" + path + ": in use: another program listens there; stop it or choose another path"; err.Error() != want {
		t.Errorf("error\n%s\nwant\n%s", err, want)
	}
	if c, err := first.Accept(); err == nil {
		c.Close() // the second one's look
	}
	checkTalks(t, first)
}

// A datagram socket refuses a stream, but it is alive.
func TestUnixLiveDatagram(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no datagram sockets of this kind on Windows")
	}
	path := filepath.Join(shortDir(t), "s")
	pc, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	if _, err := Listen(t.Context(), "unix:"+path, nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v, want EADDRINUSE", err)
	}
	if !exists(path) {
		t.Error("the datagram socket was removed")
	}
}

func TestUnixInTheWay(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, want string }{
		{file, "a regular file is in the way and was left alone"},
		{dir, "a folder is in the way and was left alone"},
		{link, "a symbolic link is in the way and was left alone"},
	} {
		_, err := Listen(t.Context(), "unix:"+tt.path, nil)
		if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want fs.ErrExist with %q", err, tt.want)
		}
	}
	if b, err := os.ReadFile(link); err != nil || string(b) != "precious" {
		t.Errorf("the file now is %q, %v", b, err)
	}
}

func TestUnixPathErrors(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	_, err := Listen(t.Context(), "unix:"+filepath.Join(dir, "none", "s"), nil)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "its folder must exist") {
		t.Errorf("missing folder: %v", err)
	}
	longest := dir + "/" + strings.Repeat("x", maxUnixPath-len(dir)-1)
	mustListen(t, "unix:"+longest, nil)
	_, err = Listen(t.Context(), "unix:"+longest+"x", nil)
	if err == nil || !strings.Contains(err.Error(), "is longer than the") {
		t.Errorf("path one byte too long: %v", err)
	}
}

func TestUnixMode(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		_, err := Listen(t.Context(), "unix:"+filepath.Join(shortDir(t), "s"), &ListenOptions{Mode: 0o600})
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v, want ErrUnsupported", err)
		}
		return
	}
	for _, mode := range []fs.FileMode{0o600, 0o660, 0o666, 0o777} {
		path := filepath.Join(shortDir(t), "s")
		mustListen(t, "unix:"+path, &ListenOptions{Mode: mode})
		fi, err := os.Stat(path)
		if err != nil || fi.Mode().Perm() != mode {
			t.Errorf("mode = %v, %v; want %v", fi.Mode(), err, mode)
		}
	}
}

// Of several that start at once on a stale socket, one listens and the others
// learn that it does; none removes the winner's socket.
func TestUnixStartTogether(t *testing.T) {
	t.Parallel()
	for range 20 {
		path := filepath.Join(shortDir(t), "s")
		staleSocket(t, path)
		const n = 8
		var lns [n]net.Listener
		var errs [n]error
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { lns[i], errs[i] = Listen(t.Context(), "unix:"+path, nil) })
		}
		wg.Wait()
		var winner net.Listener
		for i := range n {
			switch {
			case errs[i] == nil && winner == nil:
				winner = lns[i]
			case errs[i] == nil:
				t.Error("two listeners on one path")
				lns[i].Close()
			case !errors.Is(errs[i], syscall.EADDRINUSE):
				t.Errorf("%v, want EADDRINUSE", errs[i])
			}
		}
		if winner == nil {
			t.Fatal("nobody listens")
		}
		if !exists(path) {
			t.Error("the winner's socket is gone")
		}
		winner.Close()
	}
}
