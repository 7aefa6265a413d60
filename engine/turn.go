package engine

import (
	"errors"
	"io"
	"net"
)

// A turn is what happens between claiming a connection and releasing it: read,
// offer the input to the protocol, and again while there is more to offer. Its
// goroutine owns the connection meanwhile (flagBusy). It begins on the loop and
// may end on a goroutine of its own:
//
//	loop:      claim -> turn -> offer -> settle -> release
//	                                \-> Go \
//	goroutine:                          resume -> offer -> settle -> release

// turn reads what has arrived and offers it. On the loop; c is claimed.
func (c *Conn) turn(w *worker) {
	if c.isEarly() {
		c.greet(w)
		return
	}
	if c.loop.completes && (c.ext == nil || c.ext.tls == nil) {
		if a := c.takeAll(); a != nil {
			free := c.offer(w, a.b[a.off:], nil)
			a.free()
			if free {
				c.settle(w)
			}
			return
		}
	}
	n, err := c.tryRead(w.buf)
	if n > 0 || err != errAgain {
		if !c.offer(w, w.buf[:n], err) {
			return
		}
	}
	c.settle(w)
}

// offer gives the protocol what was kept and data, and keeps what is not used.
// err is what the read of data ended with. It reports false when that ended the
// connection, or when the call goes on elsewhere.
func (c *Conn) offer(w *worker, data []byte, err error) bool {
	switch {
	case err == nil || err == errAgain:
	case err == io.EOF:
		c.mu.Lock()
		c.flags |= flagStreamEnd | flagPaused // it would be reported for ever
		c.mu.Unlock()
	case len(data) == 0:
		c.finish(err)
		return false
	}
	w.view = data
	if c.in != nil {
		if len(c.in.b)+len(data) > c.svc.e.maxUnread() {
			c.finish(ErrUnread)
			return false
		}
		c.in.b = append(c.in.b, data...)
		w.view = c.in.b
	}
	p := c.proto
	n, err := p.Data(c, w.view)
	if w.view == nil && c.has(flagDetached) {
		return false
	}
	if n < 0 || n > len(w.view) {
		panic("engine: a Protocol's Data says it used bytes that it was not given")
	}
	c.keep(w.view[n:])
	w.view = nil
	if err != nil {
		c.finishPolitely(err)
		return false
	}
	if c.proto != p && !c.ending() && len(c.buffered()) > 0 && (c.ext == nil || c.ext.next == nil) {
		return c.offer(w, nil, nil) // what the one has left is the other's
	}
	return true
}

// settle goes on with what the call asked for, and releases the connection.
func (c *Conn) settle(w *worker) {
	for {
		if x := c.ext; x != nil && x.next != nil {
			if w.onLoop {
				c.goOff()
				return
			}
			if !c.resume(w) {
				return
			}
		}
		more, alive := c.drainTLS(w)
		if !alive || !more && !c.release(w) {
			return
		}
	}
}

// goOff moves the call in progress to a goroutine of its own.
func (c *Conn) goOff() {
	c.mu.Lock()
	if c.flags&flagGather != 0 && c.uncorkLocked() != nil {
		c.flags |= flagClosing
	}
	c.mu.Unlock()
	c.w = nil
	c.svc.e.away.Add(1)
	c.svc.e.running.Add(1)
	go func() {
		defer c.svc.e.away.Add(-1)
		w := &worker{loop: c.loop}
		returned := false
		defer func() {
			if !returned {
				c.died(w)
			}
			if !w.detached {
				c.svc.e.running.Done()
			}
		}()
		c.w = w
		c.settle(w)
		returned = true
	}()
}

var errDied = errors.New("engine: a call ended its goroutine")

// died ends a connection whose call has ended its goroutine (runtime.Goexit). The
// connection is w's still: the call never came to release it.
func (c *Conn) died(w *worker) {
	if c.w == w {
		c.finish(errDied)
	}
}

// resume runs continuations, and offers what they left, until there is neither. Not
// on the loop. It reports false when that ended the connection.
func (c *Conn) resume(w *worker) bool {
	for x := c.ext; x.next != nil; {
		f := x.next
		x.next = nil
		f()
		if !c.ending() && (len(c.buffered()) > 0 || c.EOF()) && !c.offer(w, nil, nil) {
			return false
		}
	}
	return true
}

// ending reports whether the protocol is to get no more input.
func (c *Conn) ending() bool { return c.has(flagFinish | flagClosing | flagClosed | flagDetached) }

func (c *Conn) buffered() []byte {
	if c.in == nil {
		return nil
	}
	return c.in.b
}

// drainTLS offers what the TLS layer still holds, which no poller would report. It
// reports whether a call has asked for Go, and false when the connection has ended.
func (c *Conn) drainTLS(w *worker) (next, alive bool) {
	x := c.ext
	if x == nil || x.tls == nil || x.tls.dry || x.early != nil {
		return false, true
	}
	for !c.ending() && !c.EOF() && !c.pauseTLS(x.tls) {
		// Off the loop there is no shared buffer: read behind what is kept.
		buf := w.buf
		if buf == nil {
			buf = c.room()
		}
		n, err := x.tls.read(buf)
		if n == 0 && err == errAgain {
			break
		}
		data := buf[:n]
		if w.buf == nil {
			c.in.b, data = c.in.b[:len(c.in.b)+n], nil
		}
		if !c.offer(w, data, err) {
			return false, false
		}
		if x.next != nil {
			return true, true
		}
	}
	return false, true
}

// pauseTLS reports whether what the TLS layer holds has to wait, because too much is
// unsent: then a turn begins once that has left.
func (c *Conn) pauseTLS(s *tlsLayer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.held = c.loop != nil && c.out != nil && c.out.len() > pauseAt
	if s.held {
		c.flags |= flagPaused
	}
	return s.held
}

// release gives the connection back to its loop, once nothing is left to do. It
// reports true when a call that it has made leaves something to settle.
func (c *Conn) release(w *worker) bool {
	if c.loop == nil && c.ext.g.endTurn(c) {
		return true
	}
	for {
		c.mu.Lock()
		if c.backlogLocked() > 0 {
			c.promiseSentLocked() // whoever has asked for it may have left input unused
		}
		if c.flags&flagGather == 0 && c.uncorkLocked() != nil {
			c.flags |= flagClosing
		}
		switch {
		case c.flags&(flagClosed|flagDetached) != 0:
			c.mu.Unlock()
			return false
		case c.flags&flagClosing != 0:
			c.mu.Unlock()
			c.finish(net.ErrClosed)
			return false
		case c.overLocked():
			polite, lost := c.flags&flagPolite != 0, c.flags&flagLost != 0
			c.mu.Unlock()
			if lost {
				c.finish(c.lostError())
				return false
			}
			if !polite || !c.startLinger() {
				c.finish(nil)
				return false
			}
		case c.flags&(flagDrain|flagFinish) == flagDrain:
			c.flags &^= flagDrain
			c.mu.Unlock()
			if c.isEarly() {
				c.finish(net.ErrClosed)
				return false
			}
			c.proto.Drain(c)
			if x := c.ext; x != nil && x.next != nil {
				return true
			}
		case c.oweSentLocked():
			c.mu.Unlock()
			return c.sent(w)
		case c.flags&flagOut != 0:
			// The poller reports no more: read what is left, here.
			c.mu.Unlock()
			if ended := c.readOut(w); ended {
				return false
			}
			if x := c.ext; x != nil && x.next != nil {
				return true
			}
		default:
			c.freeLocked(w)
			return false
		}
	}
}

// freeLocked ends the turn. It unlocks c.mu.
func (c *Conn) freeLocked(w *worker) {
	if len(c.buffered()) == 0 {
		c.drop()
	}
	c.shedLocked()
	c.w = nil
	c.flags &^= flagBusy | flagGone | flagInterrupted
	if c.flags&flagStreamEnd == 0 && (c.out == nil || c.out.len() <= pauseAt) {
		c.flags &^= flagPaused
	}
	err := c.armFreeLocked(w)
	at := c.deadline.Load()
	late := at != 0 && (c.checkAt == 0 || c.checkAt > at)
	if late && w.isLoop() {
		w.loop.lookLocked(c, at)
		late = false
	}
	held := c.tlsHeldLocked()
	c.mu.Unlock()
	if held {
		c.claimLater(c.turn) // the backlog left before anybody waited for that
	}
	if err != nil {
		c.Close()
	} else if late && c.loop != nil {
		l := c.loop
		l.do(func() { l.schedule(c) })
	}
}

// armFreeLocked is armLocked at the end of a turn. c.mu is held.
func (c *Conn) armFreeLocked(w *worker) error {
	if c.loop == nil || !c.loop.completes {
		return c.armLocked()
	}
	onLoop := w.isLoop()
	c.flags &^= flagGather
	switch {
	case c.out == nil && c.got == nil && c.flags&(flagPaused|flagReceiving) == flagReceiving:
		return nil
	case onLoop:
		c.loop.poll.later(c)
		return nil
	}
	return c.armLocked() // the loop sends what this call has gathered
}

// isLoop reports whether w's goroutine still is its loop; if so it stays that
// for the rest of the call. For the end of a call.
func (w *worker) isLoop() bool {
	if !w.onLoop {
		return false
	}
	if w.ticket&1 == 0 {
		return true
	}
	if !w.loop.call.CompareAndSwap(w.ticket, w.ticket&^1) {
		w.onLoop = false
		return false
	}
	w.ticket &^= 1
	return true
}

// readOut reads the rest of a connection whose peer has gone. It reports
// whether that has ended the connection.
func (c *Conn) readOut(w *worker) bool {
	if c.EOF() || c.ending() || c.buffered() != nil && len(c.buffered()) >= c.svc.e.maxUnread() {
		c.finish(io.ErrUnexpectedEOF)
		return true
	}
	buf := make([]byte, readSize)
	n, err := c.tryRead(buf)
	if n == 0 && err == errAgain {
		c.finish(io.ErrUnexpectedEOF)
		return true
	}
	return !c.offer(w, buf[:n], err)
}

// claimLater has the loop claim c for a call of f: settle, so that a flag set by a
// stranger takes effect, or turn.
func (c *Conn) claimLater(f func(*worker)) {
	if c.loop == nil {
		c.ext.g.interrupt(c)
		return
	}
	l := c.loop
	l.post(func(w *worker) bool {
		c.mu.Lock()
		if c.flags&(flagBusy|flagClosed|flagDetached) != 0 {
			c.mu.Unlock()
			return true
		}
		if c.overLocked() {
			f = c.settle // said since
		}
		c.flags |= l.claim
		c.mu.Unlock()
		return l.call1(w, c, f)
	})
}
