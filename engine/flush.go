package engine

import (
	"net"
	"os"
	"time"
)

// What is unsent, and how a call waits for it to leave.

// loseLocked notes that what was unsent will never leave: nobody is told that it has.
// c.mu is held.
func (c *Conn) loseLocked() {
	c.flags &^= flagUnsent
	c.flags |= flagLost
}

// lostError is why it will not.
func (c *Conn) lostError() error { return c.writeError(sysConnError(int(c.fd))) }

// Backlog is the number of bytes waiting to be sent because the socket does not
// take them; what leaves with the turn of the loop has not been offered to it.
func (c *Conn) Backlog() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.backlogLocked()
}

func (c *Conn) backlogLocked() int {
	if c.flags&flagGathered != 0 {
		return 0
	}
	return c.unsentBytesLocked()
}

// unsentBytesLocked is how much waits, for whatever reason. c.mu is held.
func (c *Conn) unsentBytesLocked() (n int) {
	if c.out != nil {
		n = c.out.len()
	}
	if c.earlyTLS() {
		n += len(c.ext.early.first)
	}
	return n
}

// Flush waits until the backlog has left. timeout bounds the time without any
// progress, 0 is without limit; when it passes the error is
// [os.ErrDeadlineExceeded]. When the connection breaks or is closed it is another.
// Called from within a call of the protocol: it gives up the loop if it has to wait.
func (c *Conn) Flush(timeout time.Duration) error {
	left := -1
	for {
		c.mu.Lock()
		if c.flags&flagGather != 0 {
			if err := c.uncorkLocked(); err != nil {
				c.mu.Unlock()
				return c.writeError(err)
			}
		}
		switch {
		case c.flags&(flagClosed|flagClosing|flagDetached) != 0:
			c.mu.Unlock()
			return net.ErrClosed
		case c.earlyTLS():
			c.mu.Unlock()
			return errEarly // nor may a file leave, or the socket be somebody else's
		case c.flags&flagLost != 0:
			c.mu.Unlock()
			return c.lostError()
		case c.out == nil:
			c.mu.Unlock()
			return nil
		case c.fd < 0:
			c.mu.Unlock()
			return c.ext.g.push(c, timeout)
		case left == c.out.len():
			c.mu.Unlock()
			return os.ErrDeadlineExceeded
		}
		left = c.out.len()
		if err := c.waitLocked(flagWantWrite, timeout); err != nil && err != os.ErrDeadlineExceeded {
			return err
		}
	}
}

// waitLocked waits until the poller reports what flag wants, or until timeout
// (0: none) passes. c.mu is held at the call and released in it. One goroutine
// may wait for input and another for room.
func (c *Conn) waitLocked(flag uint32, timeout time.Duration) error {
	x := c.moreLocked()
	if x.wait == nil {
		x.wait = waits.Get().(*wait)
	}
	if err := c.uncorkLocked(); err != nil {
		c.mu.Unlock()
		return err
	}
	ready := x.wait.room
	if flag == flagWantRead {
		ready = x.wait.input
		c.flags &^= flagPaused
		if c.pendingLocked() {
			c.mu.Unlock()
			return nil
		}
	}
	if c.flags&flagOut != 0 { // the peer has gone: nothing will be reported
		c.mu.Unlock()
		return net.ErrClosed
	}
	c.flags |= flag
	if err := c.armLocked(); err != nil {
		c.flags &^= flag
		c.mu.Unlock()
		return err
	}
	c.mu.Unlock()
	c.leave()
	var expired <-chan time.Time
	if timeout > 0 {
		t := time.NewTimer(timeout)
		defer t.Stop()
		expired = t.C
	}
	if s := x.tls; s != nil && x.early != nil {
		s.yield() // a handshake that waits lets another one compute
		defer s.resume()
	}
	select {
	case <-ready:
		return nil
	case <-expired:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flags&flag == 0 {
		<-ready // it came at the same moment
		return nil
	}
	c.flags &^= flag
	return os.ErrDeadlineExceeded
}
