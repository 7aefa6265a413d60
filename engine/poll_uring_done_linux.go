package engine

import (
	"io"
	"syscall"

	"github.com/burrownet/burrow/internal/uring"
)

// done works off a completion, and makes an event of what concerns the loop.
func (p *ring) done(cqe uring.CQE) (event, bool) {
	op, fd, gen := cqe.UserData>>60, int32(cqe.UserData>>32&(1<<28-1)), uint32(cqe.UserData)
	switch op {
	case opAccept:
		return p.acceptDone(int32(gen), cqe)
	case opWake:
		if p.waker.Woken(cqe) && gen == p.watches {
			p.watch()
		}
		return event{}, false
	case opAside:
		p.asideDone(cqe)
		return event{}, false
	case opOther:
		return event{}, false
	}
	s := p.slot(fd)
	c := s.c
	if c == nil || c.gen != gen {
		return event{}, false // a descriptor is closed after the last completion: it cannot be
	}
	ev := event{fd: fd, gen: gen}
	c.mu.Lock()
	switch op {
	case opReceive:
		ev.what = p.received(s, fd, cqe)
	case opSend:
		ev.what = p.sent(s, fd, cqe)
	}
	if s.flags&slotEnding != 0 {
		p.endSlot(s, fd)
		ev.what = 0
	}
	c.mu.Unlock()
	return ev, ev.what != 0
}

// received works off an arrival. The mu of the Conn is held.
func (p *ring) received(s *slot, fd int32, cqe uring.CQE) uint8 {
	c := s.c
	var what uint8
	if cqe.HasBuffer() {
		data, id := p.bufs.Take(&cqe)
		if len(data) > 0 {
			what = eventInput
			if c.flags&flagClosed == 0 {
				c.arriveLocked(data, nil)
			}
			if len(data) >= bulkSize {
				c.flags |= flagBulk
				p.cancel(&s.receive, opReceive, fd, c.gen)
			}
		}
		p.bufs.Put(id)
	}
	if !cqe.More() {
		s.receive = opIdle
		p.busy--
		c.flags &^= flagReceiving
		switch errno := syscall.Errno(max(-cqe.Res, 0)); errno {
		case 0:
			if what == 0 { // RFC 9293 3.10.4: the peer's FIN has been reached
				c.arriveLocked(nil, io.EOF)
				return eventInput | eventGone
			}
		case syscall.ECANCELED, syscall.EINTR, syscall.EAGAIN:
		case syscall.EINVAL:
			if s.flags&slotLimited == 0 {
				c.arriveLocked(nil, errno)
				return eventInput | eventGone | eventDead
			}
			p.limit = 0 // others that were submitted with it fail, too
		case syscall.ENOBUFS:
			c.flags |= flagBulk // for this one the socket is asked
			p.starved.Store(clock())
			p.seen.starved++
		default:
			c.arriveLocked(nil, errno)
			return eventInput | eventGone | eventDead
		}
		p.later(c) // receive again, if that is wanted
	} else if s.home != p.home && p.settled {
		// The thread that has submitted it finishes it, and is woken for that.
		p.cancel(&s.receive, opReceive, fd, c.gen)
	}
	if c.flags&flagPaused != 0 {
		what = 0
		if c.got.len() > keepArrived {
			p.cancel(&s.receive, opReceive, fd, c.gen)
		}
	}
	return what
}

// sent works off that a send has ended. The mu of the Conn is held.
func (p *ring) sent(s *slot, fd int32, cqe uring.CQE) uint8 {
	c := s.c
	s.send = opIdle
	p.busy--
	q := c.out
	sent := len(q.flight)
	q.flight = nil
	switch errno := syscall.Errno(max(-cqe.Res, 0)); errno {
	case 0:
		if q.off += int(cqe.Res); int(cqe.Res) < sent {
			p.seen.shortSends++
		}
	case syscall.ECANCELED, syscall.EINTR, syscall.EAGAIN:
	default:
		q.off = len(q.b) // it will never leave
		c.loseLocked()
		if s.flags&slotEnding == 0 {
			sysShutdown(int(fd), true) // the reading side reports it
		}
	}
	if q.len() == 0 {
		q.release()
		c.out = nil
	} else {
		c.unsentLocked()
		p.later(c)
	}
	if c.flags&(flagWantWrite|flagFinish|flagUnsent) != 0 || c.flags&(flagPaused|flagBusy) == flagPaused || c.heldLocked() {
		return eventRoom
	}
	return 0
}

// readyNow makes an event of what has waited, if it still does.
func (p *ring) readyNow(c *Conn) (event, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return event{}, false
	}
	s := p.slot(c.fd)
	if s.c != c {
		return event{}, false
	}
	s.flags &^= slotReady
	if c.flags&flagPaused != 0 || !c.pendingLocked() {
		return event{}, false
	}
	ev := event{fd: c.fd, gen: c.gen, what: eventInput}
	if c.got.err != nil && c.got.len() == 0 {
		ev.what |= eventGone
	}
	return ev, true
}
