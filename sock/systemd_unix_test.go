//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sock

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// systemdChild is the program that a supervisor would start, with the sockets
// web and admin, and a third descriptor called file that is none. What it says
// on standard output is compared by TestSystemd.
func systemdChild() int {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := Listen(ctx, "systemd:", nil)
	fmt.Println("unnamed:", err)
	_, err = Listen(ctx, "systemd:file", nil)
	fmt.Println("file:", err)
	admin, err := Listen(ctx, "systemd:admin", nil)
	if err != nil {
		fmt.Println("admin:", err)
		return 1
	}
	fmt.Printf("admin: %T\n", admin)
	_, err = Listen(ctx, "systemd:admin", nil)
	fmt.Println("admin again:", err)
	web, err := Listen(ctx, "systemd:web", nil)
	if err != nil {
		fmt.Println("web:", err)
		return 1
	}
	fmt.Printf("web: %T\n", web)
	flags, err := unix.FcntlInt(5, unix.F_GETFD, 0)
	fmt.Println("close-on-exec:", flags&unix.FD_CLOEXEC != 0, err)
	fmt.Println("environment:", os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES"))
	for _, ln := range []net.Listener{web, admin} {
		c, err := ln.Accept()
		if err != nil {
			fmt.Println("accept:", err)
			return 1
		}
		io.WriteString(c, "served on "+c.LocalAddr().Network())
		c.Close()
		ln.Close()
	}
	return 0
}

func TestSystemd(t *testing.T) {
	t.Parallel()
	tcp := mustListen(t, "127.0.0.1:0", nil)
	path := filepath.Join(shortDir(t), "s")
	unixLn := mustListen(t, "unix:"+path, nil)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var files []*os.File
	for _, ln := range []interface{ File() (*os.File, error) }{tcp.(*net.TCPListener), unixLn.(*net.UnixListener)} {
		f, err := ln.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	// The shell's number is the program's after exec, as systemd's child's is.
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), systemdChildEnv+"=1", "LISTEN_FDS=3", "LISTEN_FDNAMES=web:admin:file")
	cmd.ExtraFiles = append(files, null)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []net.Addr{tcp.Addr(), unixLn.Addr()} {
		c, err := net.DialTimeout(addr.Network(), addr.String(), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		b, err := io.ReadAll(c)
		if want := "served on " + addr.Network(); string(b) != want || err != nil {
			t.Errorf("%v: %q, %v; want %q", addr, b, err, want)
		}
		c.Close()
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("child: %v", err)
	}
	want := `unnamed: sock: listen systemd:: 3 sockets were passed (web, admin, file): choose one, as in systemd:web
file: sock: listen systemd:file: passed descriptor 5 is not a socket: socket operation on non-socket
admin: *net.UnixListener
admin again: sock: listen systemd:admin: this passed socket is taken already: it can be listened on once
web: *net.TCPListener
close-on-exec: true <nil>
environment: 3 web:admin:file
`
	if got := out.String(); got != want {
		t.Errorf("child said\n%s\nwant\n%s", got, want)
	}
	if !exists(path) {
		t.Error("the child removed the supervisor's socket file")
	}
}

func TestPassedListenerErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typ  int
		want string
	}{
		{unix.SOCK_DGRAM, "is not a stream socket"},
		{unix.SOCK_STREAM, "does not listen"},
	} {
		fd, err := unix.Socket(unix.AF_INET, tt.typ, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		ln, err := passedListener(fd)
		if err == nil {
			ln.Close()
			t.Errorf("type %d became a listener", tt.typ)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("type %d: %q, want %q", tt.typ, err, tt.want)
		}
	}
}
