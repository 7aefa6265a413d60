package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Peers that are processes of their own: because of how many descriptors they
// need, or because they are to be killed.

func init() {
	childJobs["senders"] = childSenders
	childJobs["idle"] = childIdle
	childJobs["flood"] = childFlood
	childJobs["exit"] = childExit
}

// child is a process that a test has started.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startChild(t *testing.T, job string, args ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "BURROW_ENGINE_CHILD="+job)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t, cmd, in, bufio.NewReader(out)}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return c
}

// says wants a line of the child's output.
func (c *child) says(want string) {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if line = strings.TrimSpace(line); line != want {
		c.t.Fatalf("the child says %q, %v; want %q", line, err, want)
	}
}

// dialMany opens n connections to a loopback address without the runtime's poller.
func dialMany(addr string, n int) ([]int, error) {
	ap, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	sa := &unix.SockaddrInet4{Port: ap.Port, Addr: [4]byte(ap.IP.To4())}
	fds := make([]int, n)
	for i := range fds {
		if fds[i], err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return nil, fmt.Errorf("socket %d: %w", i, err)
		}
		if err := unix.Connect(fds[i], sa); err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		unix.SetsockoptTimeval(fds[i], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 30})
	}
	return fds, nil
}

// awaitLine waits for the test's leave to go on.
func awaitLine() { bufio.NewReader(os.Stdin).ReadString('\n') }

// childSenders sends on many connections at once and wants it back.
func childSenders() error {
	n, _ := strconv.Atoi(os.Args[2])
	size, _ := strconv.Atoi(os.Args[3])
	fds, err := dialMany(os.Args[1], n)
	if err != nil {
		return err
	}
	fmt.Println("connected")
	awaitLine()
	msg, got := make([]byte, size), make([]byte, size)
	fill := func(i int) {
		for k := range msg {
			msg[k] = byte(i*31 + k)
		}
	}
	for i, fd := range fds {
		fill(i)
		if _, err := unix.Write(fd, msg); err != nil {
			return err
		}
	}
	fmt.Println("sent")
	for i, fd := range fds {
		fill(i)
		for have := 0; have < size; {
			m, err := unix.Read(fd, got[have:])
			if err == unix.EINTR {
				continue // the runtime's signals end a read that waits
			}
			if m <= 0 {
				return fmt.Errorf("connection %d: %d bytes of %d, %v", i, have, size, err)
			}
			have += m
		}
		if string(got) != string(msg) {
			return fmt.Errorf("connection %d got something else than it has sent", i)
		}
	}
	fmt.Println("answered")
	return nil
}

// childIdle keeps connections open.
func childIdle() error {
	n, _ := strconv.Atoi(os.Args[2])
	if _, err := dialMany(os.Args[1], n); err != nil {
		return err
	}
	fmt.Println("connected")
	awaitLine()
	return nil
}

// childFlood sends and receives on some connections until it is killed.
func childFlood() error {
	n, _ := strconv.Atoi(os.Args[2])
	for range n {
		nc, err := net.Dial("tcp", os.Args[1])
		if err != nil {
			return err
		}
		go func() {
			for b := make([]byte, 10000); ; {
				if _, err := nc.Write(b); err != nil {
					return
				}
			}
		}()
		go io.Copy(io.Discard, nc)
	}
	fmt.Println("sending")
	awaitLine()
	return nil
}

// childExit serves, and ends with everything in flight: connections that wait for
// input, one whose peer does not read, a listener, a wake-up.
func childExit() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e := &Engine{Driver: DriverUring, MaxBacklog: -1}
	pushed := make(chan bool)
	go e.Serve(context.Background(), ln, same(&proto{data: func(c *Conn, b []byte) (int, error) {
		c.Write(make([]byte, 32<<20))
		close(pushed)
		return len(b), nil
	}}), nil)
	fds, err := dialMany(ln.Addr().String(), 100)
	if err != nil {
		return err
	}
	unix.Write(fds[0], []byte("x"))
	<-pushed
	fmt.Println(ln.Addr().String())
	return nil
}

// TestUringExit has a process end with operations in flight: it ends, and the
// kernel lets go of its port.
func TestUringExit(t *testing.T) {
	needs(t, DriverUring)
	c := startChild(t, "exit")
	addr, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the process does not end")
	}
	if !poll(10*time.Second, func() bool {
		nc, err := net.Dial("tcp", strings.TrimSpace(addr))
		if err == nil {
			nc.Close()
		}
		return errors.Is(err, unix.ECONNREFUSED)
	}) {
		t.Error("the listener of a process that has ended still takes connections")
	}
}

// TestUringPeerIsKilled kills a process that sends and receives on many connections.
func TestUringPeerIsKilled(t *testing.T) {
	const conns = 50
	needs(t, DriverUring)
	closed := make(chan error, conns)
	active := make(chan bool, 1)
	addr := serveAddr(t, &Engine{Driver: DriverUring}, same(&proto{
		data: func(c *Conn, b []byte) (int, error) {
			select {
			case active <- true:
			default:
			}
			return echo(c, b)
		},
		closed: func(_ *Conn, err error) { closed <- err },
	}), nil)
	c := startChild(t, "flood", addr, strconv.Itoa(conns))
	c.says("sending")
	<-active
	c.cmd.Process.Kill()
	limit := time.After(10 * time.Second)
	for i := range conns {
		select {
		case <-closed:
		case <-limit:
			t.Fatalf("%d of %d connections have ended", i, conns)
		}
	}
}
