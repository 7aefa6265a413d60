package engine

import (
	"io"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/uring"
)

// Tests of the ring as a poller, without a loop: what happens in which order is
// theirs to decide.

func openRing(t *testing.T, sizes ringSizes) *ring {
	t.Helper()
	needs(t, DriverUring)
	p, err := newRing(new(atomic.Bool), sizes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	p.resume()
	return p
}

// ringPair is a connection of p, and the descriptor of its peer.
func ringPair(t *testing.T, p *ring, gen uint32) (c *Conn, peer int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[1]) })
	c = &Conn{fd: int32(fds[0]), gen: gen, loop: &loop{poll: p, completes: true}}
	ringDo(c, func() { p.add(c) })
	return c, fds[1]
}

// ringDo runs f with the lock that the poller wants.
func ringDo(c *Conn, f func()) {
	c.mu.Lock()
	f()
	c.mu.Unlock()
}

// ringEnd closes c as finish does.
func ringEnd(p *ring, c *Conn) {
	ringDo(c, func() {
		fd := c.fd
		c.flags |= flagClosed
		c.fd = -1
		p.end(c, fd)
	})
}

// ringEvents turns p until enough says that it has seen what it waits for.
func ringEvents(t *testing.T, p *ring, each func(event), enough func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !enough(); {
		if time.Now().After(deadline) {
			t.Fatal("what was waited for did not happen")
		}
		if _, err := p.wait(0); err != nil {
			t.Fatal(err)
		}
		for ev, ok := p.next(); ok; ev, ok = p.next() {
			each(ev)
		}
	}
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// TestRingReusedDescriptor ends a connection with its input already received by
// the ring, and gives its descriptor to another one.
func TestRingReusedDescriptor(t *testing.T) {
	p := openRing(t, ringSizes{})
	old, oldPeer := ringPair(t, p, 1)
	fd := int(old.fd)
	p.wait(0) // it receives
	unix.Write(oldPeer, []byte("old"))
	p.flush()
	if n := p.r.Ready(); n == 0 {
		p.r.Wait(1, time.Second)
	}
	ringEnd(p, old) // the completion is there, and was not looked at
	if !isOpen(fd) {
		t.Fatal("the descriptor was closed with operations in flight")
	}
	ringEvents(t, p, func(ev event) { t.Errorf("an event %+v of a connection that has ended", ev) }, func() bool {
		if p.busy > 0 && !isOpen(fd) {
			t.Fatal("the descriptor was closed before the last completion")
		}
		return !isOpen(fd)
	})
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	if fds[0] != fd {
		if err := unix.Dup3(fds[0], fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		unix.Close(fds[0])
	}
	c := &Conn{fd: int32(fd), gen: 2, loop: old.loop}
	ringDo(c, func() { p.add(c) })
	unix.Write(fds[1], []byte("new"))
	got := ""
	ringEvents(t, p, func(ev event) {
		if ev.gen != 2 || int(ev.fd) != fd {
			t.Fatalf("event %+v, want one of generation 2", ev)
		}
		b := make([]byte, 10)
		n, _ := p.receive(c, b)
		got += string(b[:n])
	}, func() bool { return got != "" })
	if got != "new" {
		t.Errorf("the second connection received %q", got)
	}
	ringEnd(p, c)
}

// ringFlood has many peers send at once, again and again, and wants each byte.
func ringFlood(t *testing.T, p *ring) {
	const conns, rounds = 100, 5
	var all []*Conn
	var peers []int
	byFD := map[int32]*Conn{}
	for i := range conns {
		c, peer := ringPair(t, p, uint32(i+1))
		all, peers = append(all, c), append(peers, peer)
		byFD[c.fd] = c
	}
	p.wait(0)
	for round := range rounds {
		for i, peer := range peers {
			unix.Write(peer, []byte{byte(i), byte(round)})
		}
		got, want := 0, 2*conns
		ringEvents(t, p, func(ev event) {
			c := byFD[ev.fd]
			b := make([]byte, 8)
			for {
				n, err := p.receive(c, b)
				if n == 0 {
					if err != errAgain {
						t.Fatal(err)
					}
					p.later(c) // as the end of a turn does
					return
				}
				if n != 2 || b[0] != byte(c.gen-1) || b[1] != byte(round) {
					t.Fatalf("connection %d received %v in round %d", c.gen-1, b[:n], round)
				}
				got += n
			}
		}, func() bool { return got == want })
	}
	for _, c := range all {
		ringEnd(p, c)
	}
	ringEvents(t, p, func(event) {}, func() bool { return p.busy == 0 && p.r.Queued() == 0 })
}

func TestRingOverflow(t *testing.T) {
	p := openRing(t, ringSizes{entries: 4, completions: 8})
	ringFlood(t, p)
	if p.seen.overflows == 0 {
		t.Error("the completion queue did not overflow: the test tests nothing")
	}
}

func TestRingStarves(t *testing.T) {
	p := openRing(t, ringSizes{buffers: 2, bufferSize: 4})
	ringFlood(t, p)
	if p.seen.starved == 0 {
		t.Error("there were always buffers: the test tests nothing")
	}
}

// TestRingWithoutLimit is a kernel before 6.17, which knows no limit for a receive:
// all of the first batch fail for it.
func TestRingWithoutLimit(t *testing.T) {
	p := openRing(t, ringSizes{})
	p.limitRecv = func(sqe *uring.SQE, _ uint32) { sqe.Off = 1 } // EINVAL
	ringFlood(t, p)
	if p.limit != 0 {
		t.Error("no receive has failed: the test tests nothing")
	}
}

// TestRingEndIsKept has the end of a stream wait behind its bytes, and stay.
func TestRingEndIsKept(t *testing.T) {
	p := openRing(t, ringSizes{})
	c, peer := ringPair(t, p, 1)
	p.wait(0)
	unix.Write(peer, []byte("last"))
	unix.Shutdown(peer, unix.SHUT_WR)
	ringEvents(t, p, func(event) {}, func() bool { return c.got != nil && c.got.err != nil })
	b := make([]byte, 3)
	for i, want := range []struct {
		n   int
		err error
	}{{3, nil}, {1, nil}, {0, io.EOF}, {0, io.EOF}} {
		if n, err := p.receive(c, b); n != want.n || err != want.err {
			t.Errorf("receive %d: %d, %v, want %d, %v", i, n, err, want.n, want.err)
		}
	}
	ringEnd(p, c)
}

// TestRingPauses has a peer send to a connection that wants no input.
func TestRingPauses(t *testing.T) {
	p := openRing(t, ringSizes{})
	c, peer := ringPair(t, p, 1)
	ringDo(c, func() { c.flags |= flagPaused })
	var sent int
	quiet := 0
	ringEvents(t, p, func(ev event) { t.Errorf("event %+v while no input is wanted", ev) }, func() bool {
		n, err := unix.Write(peer, make([]byte, 1<<10)) // less than what is read from the socket
		if err == nil {
			sent += n
			quiet = 0
		} else {
			quiet++
		}
		return quiet > 50
	})
	kept := c.got.len()
	if limit := keepArrived + bufferCount*bufferSize; kept <= keepArrived || kept > limit || kept == sent {
		t.Errorf("%d of %d bytes are kept, want more than %d, at most %d, and the rest in the socket", kept, sent, keepArrived, limit)
	}
	gone := false
	unix.Close(peer) // closed again by the cleanup, which fails
	ringEvents(t, p, func(ev event) { gone = gone || ev.what&eventGone != 0 }, func() bool { return gone })
	ringDo(c, func() {
		c.flags &^= flagPaused
		p.arm(c, true, false)
	})
	got := 0
	b := make([]byte, 64<<10)
	ended := false
	ringEvents(t, p, func(event) {
		for {
			n, err := p.receive(c, b)
			got += n
			ended = ended || err == io.EOF
			if n == 0 {
				return
			}
		}
	}, func() bool { return ended })
	if got != sent {
		t.Errorf("%d bytes were received of %d", got, sent)
	}
	ringEnd(p, c)
}

// TestRingTellsHeldInput: when a backlog has left, the loop hears of it if the TLS
// layer has input that waits for that.
func TestRingTellsHeldInput(t *testing.T) {
	p := openRing(t, ringSizes{})
	c, _ := ringPair(t, p, 1)
	p.wait(0)
	ringDo(c, func() {
		c.ext = &ext{tls: &tlsLayer{held: true}}
		c.queueLocked([]byte("x"), nil)
		p.change(c, c.fd)
	})
	told := false
	ringEvents(t, p, func(ev event) { told = told || ev.what&eventRoom != 0 }, func() bool { return c.Backlog() == 0 })
	if !told {
		t.Error("nobody is told that the backlog has left")
	}
	ringEnd(p, c)
}
