//go:build linux

package mmsg

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair are two sockets and their addresses.
func pair(t *testing.T) (fds [2]int, addrs [2]Addr) {
	t.Helper()
	for i := range fds {
		fd, err := Socket(netip.MustParseAddrPort("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		sa, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		fds[i] = fd
		addrs[i] = Raw(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(sa.(*unix.SockaddrInet4).Port)))
	}
	return fds, addrs
}

// TestBatch: what is sent in one call comes in one call, with its source, cut to
// the room there is but with its own size.
func TestBatch(t *testing.T) {
	t.Parallel()
	fds, addrs := pair(t)
	in, out := New(4, 5, true), New(4, 0, true)
	if n, err := in.Receive(fds[1]); n != 0 || err != nil {
		t.Fatalf("%d datagrams, %v before any was sent", n, err)
	}
	texts := []string{"one", "", "three is long"}
	for i, s := range texts {
		out.Put(i, []byte(s), addrs[1])
	}
	if n, err := out.Send(fds[0], len(texts)); n != len(texts) || err != nil {
		t.Fatalf("%d sent, %v", n, err)
	}
	n, err := in.Receive(fds[1])
	if n != len(texts) || err != nil {
		t.Fatalf("%d datagrams, %v", n, err)
	}
	for i, s := range texts {
		if got := string(in.Data(i)); got != s[:min(len(s), 5)] || in.Size(i) != len(s) || in.From(i) != addrs[0] {
			t.Errorf("%q of %d bytes from %v, want %q from %v", got, in.Size(i), in.From(i), s, addrs[0])
		}
	}
}

// TestConnected: a connected socket hears of a port that nobody has, which is
// nothing.
func TestConnected(t *testing.T) {
	t.Parallel()
	fds, addrs := pair(t)
	if err := Connect(fds[0], addrs[1]); err != nil {
		t.Fatal(err)
	}
	in := New(1, 100, false)
	Write(fds[0], []byte("ack"))
	if n, err := in.Receive(fds[1]); n != 1 || err != nil || string(in.Data(0)) != "ack" {
		t.Errorf("%d datagrams, %v: %q", n, err, in.Data(0))
	}
	nobody := Raw(netip.MustParseAddrPort("127.0.0.1:1")) // a port that is given to nobody
	if err := Connect(fds[0], nobody); err != nil {
		t.Fatal(err)
	}
	Write(fds[0], []byte("ack"))
	for range 3 {
		if n, err := in.Receive(fds[0]); n != 0 || err != nil {
			t.Errorf("%d datagrams, %v", n, err)
		}
	}
}

// TestWait: it waits no longer and no less than asked.
func TestWait(t *testing.T) {
	t.Parallel()
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(epoll)
	events := make([]unix.EpollEvent, 4)
	for _, limit := range []time.Duration{0, 300 * time.Microsecond, 20 * time.Millisecond} {
		began := time.Now()
		if n, err := Wait(epoll, events, limit); n != 0 || err != nil {
			t.Errorf("%d events, %v", n, err)
		}
		if took := time.Since(began); took < limit || took > limit+5*time.Second {
			t.Errorf("waited %v instead of %v", took, limit)
		}
	}
	fds, addrs := pair(t)
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fds[1], &unix.EpollEvent{Events: unix.EPOLLIN, Fd: 7}); err != nil {
		t.Fatal(err)
	}
	if err := Connect(fds[0], addrs[1]); err != nil {
		t.Fatal(err)
	}
	Write(fds[0], []byte("x"))
	if n, err := Wait(epoll, events, -1); n != 1 || err != nil || events[0].Fd != 7 {
		t.Errorf("%d events, %v: %+v", n, err, events[0])
	}
}
