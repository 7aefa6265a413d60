//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package engine

import (
	"io"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const platformDriver = DriverKqueue

func platformDrivers() []Driver { return []Driver{DriverKqueue, DriverGoroutine} }

func autoDrivers() []Driver { return []Driver{DriverKqueue} }

// kqueue is the poller of macOS and the BSDs: level-triggered, one read per
// event.
type kqueue struct {
	fd      int
	wakeR   int
	wakeW   int
	events  []unix.Kevent_t
	found   []event // what events said, with the generations of that moment
	at      int
	gens    []uint32      // by descriptor; owned by the loop
	listens map[int]int32 // the listeners, by descriptor; owned by the loop
	woken   atomic.Bool
}

const maxEvents = 128

func newPoller(Driver, *atomic.Bool) (poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		unix.Close(fd)
		return nil, err
	}
	for _, p := range pipe {
		unix.CloseOnExec(p)
		unix.SetNonblock(p, true)
	}
	p := &kqueue{fd: fd, wakeR: pipe[0], wakeW: pipe[1], listens: map[int]int32{}, events: make([]unix.Kevent_t, maxEvents)}
	if err := p.change(p.wakeR, unix.EVFILT_READ, unix.EV_ADD); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *kqueue) change(fd, filter, flags int) error {
	var ev [1]unix.Kevent_t
	unix.SetKevent(&ev[0], fd, filter, flags)
	_, err := unix.Kevent(p.fd, ev[:], nil, nil)
	return err
}

func (p *kqueue) add(c *Conn) error {
	for int(c.fd) >= len(p.gens) {
		p.gens = append(p.gens, make([]uint32, max(64, len(p.gens)))...)
	}
	p.gens[c.fd] = c.gen
	return p.change(int(c.fd), unix.EVFILT_READ, unix.EV_ADD)
}

func (p *kqueue) arm(c *Conn, input, room bool) error {
	onOff := func(on bool) int {
		if on {
			return unix.EV_ADD | unix.EV_ENABLE
		}
		return unix.EV_ADD | unix.EV_DISABLE
	}
	if err := p.change(int(c.fd), unix.EVFILT_READ, onOff(input)); err != nil {
		return err
	}
	return p.change(int(c.fd), unix.EVFILT_WRITE, onOff(room))
}

func (p *kqueue) forget(c *Conn) {
	p.change(int(c.fd), unix.EVFILT_READ, unix.EV_DELETE)
	p.change(int(c.fd), unix.EVFILT_WRITE, unix.EV_DELETE)
}

func (p *kqueue) listen(id int32, raw syscall.RawConn) error {
	return control(raw, func(fd int) error {
		if fd < len(p.gens) {
			p.gens[fd] = 0
		}
		p.listens[fd] = id
		return p.change(fd, unix.EVFILT_READ, unix.EV_ADD)
	})
}

// unlisten has nothing to do when the listener is closed: the kernel forgets it.
func (p *kqueue) unlisten(_ int32, raw syscall.RawConn, done func()) {
	control(raw, func(fd int) error {
		delete(p.listens, fd)
		return p.change(fd, unix.EVFILT_READ, unix.EV_DELETE)
	})
	if done != nil {
		done()
	}
}

func (p *kqueue) detach(c *Conn) { p.forget(c) }

func (p *kqueue) end(_ *Conn, fd int32) { sysClose(int(fd)) }

func (p *kqueue) completes() bool { return false }

func (p *kqueue) later(*Conn) {}

func (p *kqueue) resume() {}

func (p *kqueue) wait(d time.Duration) (int, error) {
	p.found, p.at = p.found[:0], 0
	var limit *unix.Timespec
	if d >= 0 {
		ts := unix.NsecToTimespec(int64(d))
		limit = &ts
	}
	n, err := unix.Kevent(p.fd, nil, p.events, limit)
	if err == unix.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for i := range p.events[:n] {
		p.note(&p.events[i])
	}
	return n, nil
}

func (p *kqueue) note(k *unix.Kevent_t) {
	fd := int(k.Ident)
	if fd == p.wakeR {
		var b [64]byte
		unix.Read(p.wakeR, b[:])
		p.woken.Store(false)
		return
	}
	ev := event{fd: int32(fd)}
	if fd < len(p.gens) {
		ev.gen = p.gens[fd]
	}
	switch {
	case ev.gen == 0:
		ev.fd, ev.what = p.listens[fd], eventAccept
	case int(k.Filter) == unix.EVFILT_WRITE:
		ev.what = eventRoom
	default:
		ev.what = eventInput
		if k.Flags&unix.EV_EOF != 0 {
			ev.what |= eventGone
			if k.Fflags != 0 {
				ev.what |= eventDead
			}
		}
	}
	p.found = append(p.found, ev)
}

func (p *kqueue) next() (event, bool) {
	if p.at == len(p.found) {
		return event{}, false
	}
	p.at++
	return p.found[p.at-1], true
}

func (p *kqueue) receive(c *Conn, buf []byte) (int, error) {
	n, err := sysRead(int(c.fd), buf)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

func (p *kqueue) wake() {
	if !p.woken.Swap(true) {
		unix.Write(p.wakeW, []byte{1})
	}
}

func (p *kqueue) close() {
	unix.Close(p.fd)
	unix.Close(p.wakeR)
	unix.Close(p.wakeW)
}
