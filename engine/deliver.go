package engine

import (
	"io"
	"os"
	"time"
)

// An event, or a deadline that has passed, finds its connection here: free, then it
// is claimed and a turn begins; or busy with a call, then the call is told.

// find is the connection an event names; nil when it is no more.
func (l *loop) find(ev event) *Conn {
	if int(ev.fd) >= len(l.conns) {
		return nil
	}
	c := l.conns[ev.fd]
	if c == nil || c.gen != ev.gen {
		return nil
	}
	return c
}

// deliver works off one event. Like all that may run a call, it reports false
// when the goroutine is no longer the loop.
func (l *loop) deliver(w *worker, ev event) bool {
	switch {
	case ev.what&eventAccept != 0:
		return l.acceptAll(w, ev.fd)
	case ev.what&eventAccepted != 0:
		return l.accepted(w, ev)
	}
	c := l.find(ev)
	if c == nil {
		return true
	}
	c.mu.Lock()
	if ev.what&eventRoom != 0 {
		l.roomLocked(c)
	}
	if ev.what&(eventInput|eventGone) == 0 {
		waited := c.flags&flagBusy == 0 && (c.overLocked() || c.unsentBytesLocked() == 0 && (c.tlsHeldLocked() || c.oweSentLocked()))
		if waited {
			c.flags |= l.claim
		}
		c.mu.Unlock()
		return !waited || l.call1(w, c, c.settle)
	}
	if c.flags&flagBusy != 0 {
		l.strangerLocked(c, ev) // unlocks
		return true
	}
	if c.out != nil && ev.what&eventDead == 0 && (c.out.len() > pauseAt || c.flags&flagFinish != 0) {
		c.flags |= flagPaused // input waits until the peer reads
		if ev.what&eventGone != 0 {
			c.flags |= flagGone // or it would be reported for ever
		}
		c.armLocked()
		c.mu.Unlock()
		return true
	}
	c.flags |= l.claim
	turn := c.turn
	switch {
	case ev.what&eventDead != 0 && (c.flags&flagStreamEnd != 0 || c.out != nil && c.flags&flagFinish != 0):
		turn = c.reset
	case c.flags&flagLinger != 0:
		turn = c.discard
	case c.overLocked():
		turn = c.settle // what has come since its protocol ended it is nobody's input
	}
	c.mu.Unlock()
	return l.call1(w, c, turn)
}

// tlsHeldLocked reports, once, that input is waiting in the TLS layer for an end of the
// backlog that has come. c.mu is held.
func (c *Conn) tlsHeldLocked() bool {
	if c.out != nil || !c.heldLocked() || c.flags&(flagBusy|flagFinish|flagClosing|flagClosed|flagDetached) != 0 {
		return false
	}
	c.ext.tls.held = false
	return true
}

// heldLocked reports whether the TLS layer has input that waits. c.mu is held.
func (c *Conn) heldLocked() bool { return c.ext != nil && c.ext.tls != nil && c.ext.tls.held }

// pauseAt is how many unsent bytes stop the reading of further input.
const pauseAt = 64 << 10

// roomLocked works off that the socket takes more.
func (l *loop) roomLocked(c *Conn) {
	var err error
	if !l.completes {
		err = c.flushLocked()
	}
	if c.out == nil {
		c.wakeLocked(flagWantWrite)
		if c.flags&flagBusy == 0 {
			c.flags &^= flagPaused
		}
	} else if c.flags&flagWantWrite != 0 {
		c.wakeLocked(flagWantWrite) // progress
	}
	if err == nil {
		err = c.armLocked()
	}
	if err != nil {
		sysShutdown(int(c.fd), true) // the reading side reports it
	}
}

// strangerLocked works off input, or the peer's end, for a connection that a
// call owns. It unlocks c.mu.
func (l *loop) strangerLocked(c *Conn, ev event) {
	var gone error
	if ev.what&eventGone != 0 && c.flags&flagGone == 0 {
		c.flags |= flagGone
		gone = io.EOF
		if ev.what&eventDead != 0 {
			gone = os.NewSyscallError("read", sysConnError(int(c.fd)))
		}
	}
	switch {
	case ev.what&eventDead != 0:
		// Reported for ever, whatever is armed: out, until the owner is done.
		c.flags |= flagOut
		l.poll.forget(c)
		c.wakeLocked(flagWantRead | flagWantWrite)
	case c.flags&flagWantRead != 0:
		c.flags |= flagPaused // until the owner waits again
		c.wakeLocked(flagWantRead)
		c.armLocked()
	default:
		c.flags |= flagPaused
		c.armLocked()
	}
	c.mu.Unlock()
	if gone != nil {
		c.tellWatcher(gone)
	}
}

// checkDeadline works off a connection that the wheel gave back: its deadline
// may have moved on since it was put there.
func (l *loop) checkDeadline(w *worker, c *Conn) bool {
	c.mu.Lock()
	at := c.deadline.Load() // not before: a call that has just ended may have moved it
	c.checkAt = 0
	switch {
	case at == 0 || c.flags&(flagClosed|flagDetached) != 0:
		c.mu.Unlock()
		return true
	case at > w.now:
		l.lookLocked(c, at)
		c.mu.Unlock()
		return true
	case c.flags&flagBusy != 0:
		// A call in progress has its own limits; look again later.
		l.lookLocked(c, w.now+int64(time.Second))
		c.mu.Unlock()
		return true
	}
	c.flags |= l.claim
	linger := c.flags&flagLinger != 0
	early := c.isEarly()
	c.mu.Unlock()
	c.deadline.Store(0)
	return l.call1(w, c, func(w *worker) {
		switch {
		case linger:
			c.finish(nil)
			return
		case early: // the protocol has nothing to say before the handshake
			c.finish(os.ErrDeadlineExceeded)
			return
		}
		c.proto.Timeout(c)
		c.settle(w)
	})
}

// lookLocked has the wheel look at c at the given time. c.mu is held.
func (l *loop) lookLocked(c *Conn, at int64) {
	c.checkAt = at
	l.wheel.Set(&c.node, ticks(at))
}

// schedule has the wheel look at c in time for its deadline.
func (l *loop) schedule(c *Conn) {
	at := c.deadline.Load()
	c.mu.Lock()
	if at != 0 && (c.checkAt == 0 || c.checkAt > at) && c.flags&(flagClosed|flagDetached) == 0 {
		l.lookLocked(c, at)
	}
	c.mu.Unlock()
}

// call1 runs f as a call for c, which the loop has claimed.
func (l *loop) call1(w *worker, c *Conn, f func(*worker)) bool {
	l.current, w.conn = c, c
	l.begin(w)
	c.w = w
	f(w)
	return l.end(w)
}
