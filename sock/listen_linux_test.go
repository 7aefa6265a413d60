package sock

import (
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/leak"
)

// control runs f with the descriptor of c.
func control(t *testing.T, c interface{}, f func(fd int) error) {
	t.Helper()
	var rc interface{ Control(func(uintptr)) error }
	var err error
	switch c := c.(type) {
	case *net.TCPListener:
		rc, err = c.SyscallConn()
	case *net.TCPConn:
		rc, err = c.SyscallConn()
	default:
		t.Fatalf("no descriptor in a %T", c)
	}
	if err != nil {
		t.Fatal(err)
	}
	var ferr error
	if err := rc.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil || ferr != nil {
		t.Fatal(err, ferr)
	}
}

func checkOption(t *testing.T, c any, level, name, want int) {
	t.Helper()
	control(t, c, func(fd int) error {
		got, err := unix.GetsockoptInt(fd, level, name)
		if err == nil && got != want {
			t.Errorf("%T option %d/%d = %d, want %d", c, level, name, got, want)
		}
		return err
	})
}

// An event loop accepts on the descriptor: what it gets must be set up.
func TestAcceptedOptions(t *testing.T) {
	t.Parallel()
	ln := mustListen(t, "127.0.0.1:0", &ListenOptions{
		KeepAlive: net.KeepAliveConfig{Idle: 70*time.Second + 1, Interval: 11 * time.Second, Count: 3},
	})
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, s := range []any{ln, c} {
		checkOption(t, s, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		checkOption(t, s, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		checkOption(t, s, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 71)
		checkOption(t, s, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 11)
		checkOption(t, s, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3)
		checkOption(t, s, unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_TCP) // not Multipath TCP
	}
}

func TestKeepAliveOff(t *testing.T) {
	t.Parallel()
	ln := mustListen(t, "127.0.0.1:0", &ListenOptions{KeepAlive: net.KeepAliveConfig{Idle: -1}})
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	checkOption(t, c, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
}

func TestBacklog(t *testing.T) {
	t.Parallel()
	ln := mustListen(t, "127.0.0.1:0", &ListenOptions{Backlog: 7})
	control(t, ln, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		// tcp(7) does not say it: a listening socket shows its limit there.
		if err == nil && info.Sacked != 7 {
			t.Errorf("queue length = %d, want 7", info.Sacked)
		}
		return err
	})
}

func TestAbstractSocket(t *testing.T) {
	t.Parallel()
	// Unique among all processes: the namespace has no folders.
	addr := "unix:@" + strings.ReplaceAll(t.TempDir(), "/", "-")
	ln := mustListen(t, addr, nil)
	checkTalks(t, ln)
	_, err := Listen(t.Context(), addr, nil)
	if err == nil || !strings.Contains(err.Error(), "address already in use: another program listens there; try another name") {
		t.Errorf("second listener: %v, want an error that names the way out", err)
	}
}

// Not parallel: it counts the descriptors of the process.
func TestListenLeavesNoDescriptor(t *testing.T) {
	dir := t.TempDir()
	live := mustListen(t, "unix:"+dir+"/live", nil)
	go func() {
		for {
			c, err := live.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	once := func() {
		for _, addr := range []string{
			"unix:" + dir + "/s", "unix:" + dir + "/none/s", "unix:" + dir, "unix:" + dir + "/live",
			"127.0.0.1:0", "192.0.2.1:1",
		} {
			if ln, err := Listen(t.Context(), addr, &ListenOptions{Backlog: 3}); err == nil {
				ln.Close()
			}
		}
	}
	once() // the poller takes its own descriptors at first use
	before := leak.FDs()
	for range 20 {
		once()
	}
	// The last probe of the live socket may not have been closed there yet.
	deadline := time.Now().Add(5 * time.Second)
	for leak.FDs() > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if got := leak.FDs(); got > before {
		t.Errorf("%d descriptors, %d before", got, before)
	}
}
