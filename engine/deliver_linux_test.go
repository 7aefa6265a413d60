package engine

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLateEvent: an event that was fetched for a connection which has ended since does
// not reach the next one that has the descriptor.
func TestLateEvent(t *testing.T) {
	onLoops(t, func(t *testing.T, e *Engine) {
		p, err := newPoller(e.Driver, new(atomic.Bool))
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		p.resume()
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[1])
		l := &loop{e: e, poll: p, completes: p.completes()}
		old := &Conn{fd: int32(fds[0]), loop: l}
		fd := old.fd
		l.enroll(old)
		old.mu.Lock()
		err = p.add(old)
		old.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		p.wait(0) // the ring begins to receive
		unix.Write(fds[1], []byte("old"))
		if _, err := p.wait(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		old.mu.Lock()
		old.flags |= flagClosed
		old.fd = -1
		p.end(old, fd)
		old.mu.Unlock()
		next := &Conn{fd: fd, loop: l}
		l.enroll(next)
		events := 0
		for range 3 {
			for ev, ok := p.next(); ok; ev, ok = p.next() {
				if events++; l.find(ev) != nil {
					t.Errorf("the event %+v reaches generation %d", ev, next.gen)
				}
			}
			p.wait(0)
		}
		if events == 0 && !l.completes {
			t.Error("there was no event: the test tests nothing")
		}
		// What names this one does reach it.
		if l.find(event{fd: fd, gen: next.gen}) != next {
			t.Error("no event reaches the connection")
		}
	})
}
