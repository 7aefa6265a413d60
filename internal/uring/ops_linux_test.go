package uring

import (
	"bytes"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// listen is a listening socket of loopback, as a descriptor.
func listen(t testing.TB) (fd int, address string) {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // which knows no zero-copy send
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		ln.Close()
	})
	return int(f.Fd()), ln.Addr().String()
}

// tcp is two connected TCP sockets.
func tcp(t testing.TB) (near int, far net.Conn) {
	t.Helper()
	fd, address := listen(t)
	far, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	near, _, err = unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		far.Close()
		unix.Close(near)
	})
	return near, far
}

func TestAccept(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		fd, address := listen(t)
		next(t, r, 1).Accept(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		for range 50 {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			cqe := one(t, r)
			if cqe.UserData != 1 || cqe.Err() != nil || !cqe.More() {
				t.Fatalf("accepting: %+v", cqe)
			}
			got, err := unix.Getpeername(int(cqe.Res))
			if want := c.LocalAddr().(*net.TCPAddr).Port; err != nil || got.(*unix.SockaddrInet4).Port != want {
				t.Fatalf("the peer is %v (%v), want port %d", got, err, want)
			}
			if flags, err := unix.FcntlInt(uintptr(cqe.Res), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
				t.Fatalf("flags %#x, %v", flags, err)
			}
			next(t, r, 2).Close(int(cqe.Res))
			want(t, r, 2, 0)
			c.Close()
		}
		next(t, r, 3).Cancel(1, 0)
		got := map[uint64]CQE{}
		for range 2 {
			c := one(t, r)
			got[c.UserData] = c
		}
		if got[3].Res != 0 || got[1].Res != errno(syscall.ECANCELED) || got[1].More() {
			t.Fatalf("cancelled: %+v", got)
		}
	})
}

// TestShortSend sends more than the socket takes: what comes back depends on
// MSG_WAITALL and MSG_DONTWAIT.
func TestShortSend(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		near, far := pair(t)
		data := make([]byte, 4<<20)
		rand.NewChaCha8([32]byte{}).Read(data)
		next(t, r, 1).Send(near, data, unix.MSG_DONTWAIT)
		short := one(t, r)
		if short.Res <= 0 || int(short.Res) >= len(data) {
			t.Fatalf("sent %d (%v) of %d", short.Res, short.Err(), len(data))
		}
		next(t, r, 2).Send(near, data[short.Res:], unix.MSG_DONTWAIT)
		want(t, r, 2, errno(syscall.EAGAIN))
		next(t, r, 3).Send(near, data[short.Res:], unix.MSG_WAITALL)
		if _, err := r.Submit(0); err != nil {
			t.Fatal(err)
		}
		got := make(chan []byte, 1)
		go func() { got <- readAll(far) }()
		want(t, r, 3, int32(len(data)-int(short.Res)))
		unix.Shutdown(near, unix.SHUT_WR)
		if !bytes.Equal(<-got, data) {
			t.Fatal("what arrived is not what was sent")
		}
	})
}

func readAll(fd int) (all []byte) {
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			return all
		}
		all = append(all, buf[:n]...)
	}
}

// TestSendZCElsewhere is what sockets answer that cannot.
func TestSendZCElsewhere(t *testing.T) {
	t.Parallel()
	r := setup(t, 8, Params{})
	near, _ := pair(t)
	next(t, r, 1).SendZC(near, []byte("x"), 0)
	if c := want(t, r, 1, errno(syscall.EOPNOTSUPP)); c.More() {
		if c = one(t, r); c.Flags&CQENotif == 0 || c.More() {
			t.Fatalf("the notification: %+v", c)
		}
	}
}

func TestSendToTheDead(t *testing.T) {
	t.Parallel()
	r := setup(t, 8, Params{})
	near, far := pair(t)
	unix.Shutdown(far, unix.SHUT_RDWR)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGPIPE, syscall.SIGWINCH)
	defer signal.Stop(signals)
	next(t, r, 1).Send(near, []byte("hello?"), 0)
	want(t, r, 1, errno(syscall.EPIPE))
	// Signals are told in the order of their numbers.
	if err := unix.Kill(unix.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	if got := <-signals; got != syscall.SIGWINCH {
		t.Errorf("signal %v", got)
	}
}

func TestSendMsg(t *testing.T) {
	t.Parallel()
	r := setup(t, 8, Params{})
	near, far := pair(t)
	head, body := []byte("head "), []byte("body")
	iov := []unix.Iovec{{Base: &head[0]}, {Base: &body[0]}}
	iov[0].SetLen(len(head))
	iov[1].SetLen(len(body))
	m := &unix.Msghdr{Iov: &iov[0]}
	m.SetIovlen(len(iov))
	next(t, r, 1).SendMsg(near, m, unix.MSG_WAITALL)
	want(t, r, 1, 9)
	buf := make([]byte, 20)
	next(t, r, 2).Recv(far, buf)
	want(t, r, 2, 9)
	if string(buf[:9]) != "head body" {
		t.Fatalf("got %q", buf[:9])
	}
}

func TestSendZC(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		if probe, err := r.Probe(); err != nil || !probe.Supports(OpSendZC) {
			t.Skip("this kernel has no zero-copy send: ", err)
		}
		near, far := tcp(t)
		data := bytes.Repeat([]byte("burrow"), 4000)
		next(t, r, 1).SendZC(near, data, unix.MSG_WAITALL)
		c := want(t, r, 1, int32(len(data)))
		if !c.More() {
			t.Fatalf("the result: %+v", c)
		}
		got := make([]byte, len(data))
		if _, err := readFull(far, got); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("what arrived is not what was sent: %v", err)
		}
		if c := one(t, r); c.UserData != 1 || c.Flags&CQENotif == 0 || c.More() {
			t.Fatalf("the notification: %+v", c)
		}
	})
}

func readFull(c net.Conn, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = c.Read(b[n:])
		n += m
	}
	return n, err
}

// TestSplice sends a file to a socket without its bytes passing through here.
func TestSplice(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		data := make([]byte, 60<<10)
		rand.NewChaCha8([32]byte{1}).Read(data)
		f := file(t, data)
		near, far := tcp(t)
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pipe[0])
		defer unix.Close(pipe[1])
		const offset = 1000
		n := len(data) - offset
		s := next(t, r, 1)
		s.Splice(int(f.Fd()), offset, pipe[1], CurrentOffset, uint32(n), 0)
		s.Flags |= SQELink
		next(t, r, 2).Splice(pipe[0], CurrentOffset, near, CurrentOffset, uint32(n), 0)
		want(t, r, 1, int32(n))
		want(t, r, 2, int32(n))
		got := make([]byte, n)
		if _, err := readFull(far, got); err != nil || !bytes.Equal(got, data[offset:]) {
			t.Fatalf("what arrived is not the file: %v", err)
		}
	})
}

func TestReadWrite(t *testing.T) {
	t.Parallel()
	r := setup(t, 8, Params{})
	f := file(t, []byte("hello world"))
	s := next(t, r, 1)
	s.Write(int(f.Fd()), []byte("ring!"), 6)
	s.Flags |= SQELink
	buf := make([]byte, 32)
	next(t, r, 2).Read(int(f.Fd()), buf, 2)
	want(t, r, 1, 5)
	want(t, r, 2, 9)
	if string(buf[:9]) != "llo ring!" {
		t.Fatalf("got %q", buf[:9])
	}
}

func TestPollAndShutdown(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		near, far := pair(t)
		next(t, r, 1).PollAdd(near, unix.POLLIN|unix.POLLRDHUP, false)
		none(t, r)
		next(t, r, 2).Shutdown(far, unix.SHUT_WR)
		got := map[uint64]int32{}
		for range 2 {
			c := one(t, r)
			got[c.UserData] = c.Res
		}
		if got[1] != unix.POLLIN|unix.POLLRDHUP || got[2] != 0 {
			t.Fatalf("got %v", got)
		}
	})
}
