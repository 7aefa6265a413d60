package engine

import (
	"io"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is the poller of Linux: level-triggered, one read per event. What
// cannot block goes through raw system calls, which the scheduler does not see
// (they cost half as much); only a wait that may block tells it.
type epoll struct {
	fd, wakefd int
	events     []unix.EpollEvent
	at, n      int
	woken      atomic.Bool // a wake-up is on its way
}

// maxEvents bounds the events fetched at once: a raw system call cannot be
// preempted, and the batch delays what arrives meanwhile.
const maxEvents = 128

func newEpoll() (poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	p := &epoll{fd: fd, wakefd: wakefd, events: make([]unix.EpollEvent, maxEvents)}
	if err := p.ctl(unix.EPOLL_CTL_ADD, wakefd, 0, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *epoll) ctl(op, fd int, gen, events uint32) error {
	return p.ctlAs(op, fd, int32(fd), gen, events)
}

// ctlAs is ctl for a descriptor whose events go by another number.
func (p *epoll) ctlAs(op, fd int, id int32, gen, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: id, Pad: int32(gen)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func (p *epoll) add(c *Conn) error {
	return p.ctl(unix.EPOLL_CTL_ADD, int(c.fd), c.gen, unix.EPOLLIN|unix.EPOLLRDHUP)
}

func (p *epoll) arm(c *Conn, input, room bool) error {
	var events uint32
	switch {
	case input:
		events |= unix.EPOLLIN | unix.EPOLLRDHUP
	case c.flags&(flagGone|flagStreamEnd) == 0:
		events |= unix.EPOLLRDHUP // even while its input waits, a peer may leave
	}
	if room {
		events |= unix.EPOLLOUT
	}
	return p.ctl(unix.EPOLL_CTL_MOD, int(c.fd), c.gen, events)
}

func (p *epoll) forget(c *Conn) { p.ctl(unix.EPOLL_CTL_DEL, int(c.fd), 0, 0) }

func (p *epoll) listen(id int32, raw syscall.RawConn) error {
	return control(raw, func(fd int) error {
		return p.ctlAs(unix.EPOLL_CTL_ADD, fd, id, 0, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
	})
}

// unlisten has nothing to do when the listener is closed: it has left the set.
func (p *epoll) unlisten(_ int32, raw syscall.RawConn, done func()) {
	control(raw, func(fd int) error { return p.ctl(unix.EPOLL_CTL_DEL, fd, 0, 0) })
	if done != nil {
		done()
	}
}

func (p *epoll) detach(c *Conn) { p.forget(c) }

func (p *epoll) end(_ *Conn, fd int32) { sysClose(int(fd)) }

func (p *epoll) completes() bool { return false }

func (p *epoll) later(*Conn) {}

func (p *epoll) resume() {}

func (p *epoll) wait(d time.Duration) (int, error) {
	p.at, p.n = 0, 0
	var n uintptr
	var errno syscall.Errno
	if d == 0 {
		n, _, errno = syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), maxEvents, 0, 0, 0)
	} else {
		ms := -1
		if d > 0 {
			ms = int(min((d+time.Millisecond-1)/time.Millisecond, 1<<30))
		}
		n, _, errno = syscall.Syscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), maxEvents, uintptr(ms), 0, 0)
	}
	switch errno {
	case 0:
		p.n = int(n)
		return p.n, nil
	case syscall.EINTR:
		return 0, nil
	}
	return 0, errno
}

func (p *epoll) next() (event, bool) {
	for p.at < p.n {
		e := &p.events[p.at]
		p.at++
		if int(e.Fd) == p.wakefd {
			p.woken.Store(false)
			continue
		}
		ev := event{fd: e.Fd, gen: uint32(e.Pad)}
		if ev.gen == 0 {
			ev.what = eventAccept
			return ev, true
		}
		if e.Events&unix.EPOLLIN != 0 {
			ev.what |= eventInput
		}
		if e.Events&unix.EPOLLOUT != 0 {
			ev.what |= eventRoom
		}
		if e.Events&unix.EPOLLRDHUP != 0 {
			ev.what |= eventGone | eventInput
		}
		if e.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			ev.what |= eventGone | eventDead | eventInput
		}
		return ev, true
	}
	return event{}, false
}

func (p *epoll) receive(c *Conn, buf []byte) (int, error) {
	n, err := sysRead(int(c.fd), buf)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

func (p *epoll) wake() {
	// The eventfd is edge-triggered and never read: each write is an edge.
	if p.woken.Swap(true) {
		return
	}
	one := [8]byte{1}
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(p.wakefd), uintptr(unsafe.Pointer(&one)), 8)
}

func (p *epoll) close() {
	unix.Close(p.fd)
	unix.Close(p.wakefd)
}
