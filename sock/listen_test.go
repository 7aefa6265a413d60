package sock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mustListen listens for the length of the test.
func mustListen(t *testing.T, addr string, opts *ListenOptions) net.Listener {
	t.Helper()
	ln, err := Listen(t.Context(), addr, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// checkTalks has a client send a word through ln and get it back.
func checkTalks(t *testing.T, ln net.Listener) {
	t.Helper()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return // the client fails
		}
		defer c.Close()
		io.Copy(c, c)
	}()
	c, err := net.DialTimeout(ln.Addr().Network(), ln.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("echo = %q, %v; want hello", b, err)
	}
}

func TestListenTCP(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:0", "localhost:0", "[::1]:0"} {
		t.Run(addr, func(t *testing.T) {
			t.Parallel()
			ln, err := Listen(t.Context(), addr, nil)
			if addr == "[::1]:0" && errors.Is(err, syscall.EADDRNOTAVAIL) {
				t.Skip("no IPv6 loopback on this machine")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			if _, ok := ln.(*net.TCPListener); !ok {
				t.Errorf("listener is a %T, want *net.TCPListener", ln)
			}
			checkTalks(t, ln)
		})
	}
}

func TestListenTakenPort(t *testing.T) {
	t.Parallel()
	addr := mustListen(t, "127.0.0.1:0", nil).Addr().String()
	ln, err := Listen(t.Context(), addr, nil)
	if err == nil {
		ln.Close()
		t.Fatal("listening on a taken port worked")
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v is not EADDRINUSE", err)
	}
	if _, ok := errors.AsType[*net.OpError](err); !ok {
		t.Errorf("%v does not wrap a *net.OpError", err)
	}
	if runtime.GOOS == "windows" {
		return // other words
	}
	want := "sock: listen " + addr + ": address already in use: another program listens there; try another port, or port 0 for a free one"
	if got := err.Error(); got != want {
		t.Errorf("error\n%s\nwant\n%s", got, want)
	}
}

func TestListenForeignAddress(t *testing.T) {
	t.Parallel()
	// RFC 5737: an address that no machine has.
	_, err := Listen(t.Context(), "192.0.2.1:8080", nil)
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Fatalf("%v, want EADDRNOTAVAIL", err)
	}
	if want := "try 127.0.0.1:8080, or :8080 for every interface"; !strings.Contains(err.Error(), want) {
		t.Errorf("%q lacks %q", err, want)
	}
}

func TestListenPrivilegedPort(t *testing.T) {
	t.Parallel()
	// What the kernel says to a program without the privilege; the tests may
	// run with it.
	cause := &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EACCES)}
	for _, tt := range []struct{ addr, want string }{
		{"127.0.0.1:80", "sock: listen 127.0.0.1:80: permission denied: ports below 1024 are for privileged programs; try a higher one such as 127.0.0.1:8080"},
		{"127.0.0.1:8080", "sock: listen 127.0.0.1:8080: permission denied: the system does not let this program listen there; try another port"},
	} {
		a, err := parseAddress(tt.addr)
		if err != nil {
			t.Fatal(err)
		}
		err = &listenError{addr: tt.addr, hint: hint(a, cause), err: cause}
		if runtime.GOOS != "windows" && err.Error() != tt.want {
			t.Errorf("error\n%s\nwant\n%s", err, tt.want)
		}
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v is not fs.ErrPermission", err)
		}
	}
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		addr string
		opts *ListenOptions
		want string
	}{
		{"8080", nil, "sock: listen 8080: a port alone is not an address"},
		{"", nil, `sock: listen "": no address`},
		{"127.0.0.1:nosuchservice", nil, "sock: listen 127.0.0.1:nosuchservice: "},
		{"unix:/tmp/x", &ListenOptions{ReusePort: true}, "ReusePort is for TCP only"},
		{"127.0.0.1:0", &ListenOptions{Backlog: -1}, "Backlog is negative"},
		{"systemd:", &ListenOptions{Backlog: 5}, "set Backlog= in the .socket unit"},
		{"unix:/tmp/x", &ListenOptions{Mode: fs.ModeSetuid | 0o600}, "more than permission bits"},
		{"unix:@x", &ListenOptions{Mode: 0o600}, "no permission bits"},
	} {
		ln, err := Listen(t.Context(), tt.addr, tt.opts)
		if err == nil {
			ln.Close()
			t.Errorf("Listen(%q) worked, want an error", tt.addr)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Listen(%q): %q lacks %q", tt.addr, err, tt.want)
		}
	}
	if ln, err := Listen(cancelled, "localhost:0", nil); err == nil {
		ln.Close()
		t.Error("Listen with a cancelled context worked")
	}
}

func TestListenReusePort(t *testing.T) {
	t.Parallel()
	opts := &ListenOptions{ReusePort: true}
	first, err := Listen(t.Context(), "127.0.0.1:0", opts)
	if !canReusePort {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v, want ErrUnsupported", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second := mustListen(t, first.Addr().String(), opts)
	if _, err := Listen(t.Context(), first.Addr().String(), nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("without ReusePort: %v, want EADDRINUSE", err)
	}
	first.Close()
	checkTalks(t, second)
}

func TestListenProxyProtocol(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	ln := mustListen(t, "127.0.0.1:0", &ListenOptions{ProxyProtocol: trusted})
	pl, ok := ln.(*ProxyListener)
	if !ok {
		t.Fatalf("listener is a %T, want *ProxyListener", ln)
	}
	if _, ok := pl.Listener.(*net.TCPListener); !ok {
		t.Errorf("below is a %T, want *net.TCPListener", pl.Listener)
	}
	if _, ok := ln.(syscall.Conn); ok {
		t.Error("a ProxyListener gives its descriptor away, past the header")
	}
	if fmt.Sprint(pl.Trusted) != "[127.0.0.0/8]" {
		t.Errorf("trusted = %v", pl.Trusted)
	}
}

func TestKeepAliveOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		in, want net.KeepAliveConfig
	}{
		{"default", net.KeepAliveConfig{}, net.KeepAliveConfig{Enable: true, Idle: 2 * time.Minute, Interval: 20 * time.Second, Count: 6}},
		{"own", net.KeepAliveConfig{Idle: 1, Interval: 2, Count: 3}, net.KeepAliveConfig{Enable: true, Idle: 1, Interval: 2, Count: 3}},
		{"system's", net.KeepAliveConfig{Interval: -1, Count: -1}, net.KeepAliveConfig{Enable: true, Idle: 2 * time.Minute, Interval: -1, Count: -1}},
		{"off", net.KeepAliveConfig{Enable: true, Idle: -1, Count: 4}, net.KeepAliveConfig{}},
	} {
		if got := keepAliveOf(tt.in); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
