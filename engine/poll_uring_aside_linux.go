package engine

import (
	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/uring"
)

// aside is an epoll set that the ring watches. It tells what receives and sends do
// not: input for a call that reads its socket itself, that the peer leaves while
// input waits, that the socket takes more from a sender other than the ring.
//
// An operation of the ring could poll for each of these, but only the loop may
// submit one: a call would have to wake it first, to be woken by it later. An entry
// of the set is changed by whoever is about to wait. It reports once and then
// sleeps until it is changed again; a closed descriptor leaves the set.
type aside struct {
	epoll          // without an eventfd
	watches uint32 // how often the ring was told to watch it
	ready   bool   // it may have something to report
	turns   uint32
	first   bool // and is asked before the completions of this turn
}

func (a *aside) open() (err error) {
	a.wakefd = -1
	a.events = make([]unix.EpollEvent, maxEvents)
	a.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return err
}

func (a *aside) close() { unix.Close(a.fd) }

// asideEvents is what c wants the set to report; ok is false when that is nothing,
// not even that both sides are shut, which is always reported. c.mu is held.
func (c *Conn) asideEvents() (events uint32, ok bool) {
	if c.flags&(flagOut|flagClosed|flagDetached) != 0 {
		return 0, false
	}
	if c.flags&flagWantWrite != 0 && c.out == nil {
		events, ok = unix.EPOLLOUT, true
	}
	switch {
	case c.flags&flagReceiving != 0: // that tells the rest
	case c.flags&flagWantRead != 0 || c.wantsBulk():
		return events | unix.EPOLLIN | unix.EPOLLRDHUP, true
	case c.flags&flagBusy == 0 || c.ext != nil && c.ext.watch != nil:
		if c.flags&(flagGone|flagStreamEnd) == 0 {
			events |= unix.EPOLLRDHUP
		}
		return events, true // a call that does not watch finds out when it reads or writes
	}
	return events, ok
}

// wantsBulk reports whether the loop is to read the socket of c. c.mu is held.
func (c *Conn) wantsBulk() bool {
	return c.flags&(flagBulk|flagBusy|flagPaused|flagStreamEnd) == flagBulk && c.got == nil
}

// watch has the set report what c wants to hear of. c.mu is held.
func (a *aside) watch(c *Conn) error {
	events, ok := c.asideEvents()
	if !ok {
		return nil
	}
	events |= unix.EPOLLONESHOT
	err := a.ctl(unix.EPOLL_CTL_MOD, int(c.fd), c.gen, events)
	if err == unix.ENOENT {
		err = a.ctl(unix.EPOLL_CTL_ADD, int(c.fd), c.gen, events)
	}
	return err
}

// watchAside has the ring watch the set, from the thread that is the loop now.
func (p *ring) watchAside() {
	a := &p.aside
	if a.watches > 0 {
		sqe := p.sqe()
		sqe.Cancel(userData(opAside, 0, a.watches), 0)
		sqe.UserData = userData(opOther, 0, 0)
	}
	a.watches++
	sqe := p.sqe()
	sqe.PollAdd(a.fd, unix.EPOLLIN, true)
	sqe.UserData = userData(opAside, 0, a.watches)
}

// asideDone works off that the set has something.
func (p *ring) asideDone(cqe uring.CQE) {
	p.aside.ready = true
	if !cqe.More() && uint32(cqe.UserData) == p.aside.watches {
		p.watchAside()
	}
}

// begin begins a turn. The set is asked when there are no completions left to look
// at. Where the last turn did not come to their end, and with them perhaps to the
// completion that tells of the set, it is asked before them in every other turn: so
// neither waits for the other's end.
func (a *aside) begin(behind bool) {
	a.turns++
	a.first = (a.ready || behind) && a.turns%2 == 0
}

// fetch asks the set what it has.
func (a *aside) fetch() bool {
	a.first = false
	n, _ := a.wait(0)
	a.ready = n == maxEvents
	return n > 0
}

// nextAside is the next event fetched from the set that its connection still wants.
func (p *ring) nextAside() (event, bool) {
	for {
		ev, ok := p.aside.next()
		if !ok {
			return event{}, false
		}
		if s := p.slot(ev.fd); s.c != nil && s.c.gen == ev.gen {
			if ev.what = p.stillWanted(s.c, ev.what); ev.what != 0 {
				return ev, true
			}
		}
	}
}

// stillWanted leaves of an event of the set what c waits for by now. The set
// reports once; whoever works off the event arms c again, and without one the ring
// looks at c.
func (p *ring) stillWanted(c *Conn, what uint8) (wanted uint8) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return 0
	}
	if c.flags&flagWantWrite != 0 {
		wanted = what & eventRoom
	}
	switch {
	case c.flags&flagReceiving != 0: // that tells it
	case what&eventDead != 0:
		wanted |= eventGone | eventDead | eventInput
	case what&eventGone != 0 && c.flags&(flagGone|flagStreamEnd) == 0:
		wanted |= eventGone | eventInput
	case c.flags&flagWantRead != 0:
		wanted |= what & eventInput
	case c.wantsBulk():
		wanted |= what & eventInput
		c.flags |= flagFresh
	}
	if wanted == 0 {
		p.later(c)
	}
	return wanted
}
