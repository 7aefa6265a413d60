package engine

import (
	"crypto/tls"
	"errors"
	"os"
	"time"
)

// What the goroutine driver writes: at the end of a call, in the middle of one that
// waits, or by a goroutine of its own for strangers.

// cork has what the call writes from now on wait for its end; while the call
// itself waits, others' writes leave at once.
func (g *goroutineDriver) cork(c *Conn) {
	c.mu.Lock()
	c.flags |= flagCorked
	c.mu.Unlock()
}

func (g *goroutineDriver) uncork(c *Conn) {
	c.mu.Lock()
	c.flags &^= flagCorked
	c.mu.Unlock()
}

// push is flush from within a call, which goes on.
func (g *goroutineDriver) push(c *Conn, timeout time.Duration) error {
	defer g.cork(c)
	return g.flush(c, timeout)
}

// writeLater sees to it that the backlog leaves. c.mu is held.
func (g *goroutineDriver) writeLater(c *Conn) {
	if c.flags&flagCorked != 0 || g.writer {
		return
	}
	g.writer = true
	c.svc.e.running.Add(1)
	go func() {
		defer c.svc.e.running.Done()
		for {
			// In pieces, so that a flush with a deadline gets its turn; crypto/tls does
			// not go on after a deadline that has passed.
			timeout := time.Second
			if secure(c) {
				timeout = 0
			}
			err := g.flush(c, timeout)
			late := errors.Is(err, os.ErrDeadlineExceeded)
			c.mu.Lock()
			if c.out == nil || err != nil && !late || c.flags&(flagClosed|flagClosing) != 0 {
				g.writer = false
				sent := c.oweSentLocked()
				c.mu.Unlock()
				switch {
				case err != nil && !late:
					c.Close() // nobody else would learn that the peer has gone
				case sent:
					g.interrupt(c)
				}
				return
			}
			c.mu.Unlock()
		}
	}()
}

// secure reports whether the net.Conn speaks TLS.
func secure(c *Conn) bool {
	_, ok := c.ext.nc.(*tls.Conn)
	return ok
}

// flush writes the backlog to the net.Conn; see Conn.Flush. What is being written
// stays in the backlog: it is not sent, and what follows goes behind it.
func (g *goroutineDriver) flush(c *Conn, timeout time.Duration) error {
	g.uncork(c)
	g.wmu.Lock()
	defer g.wmu.Unlock()
	for {
		c.mu.Lock()
		q := c.out
		if q == nil || c.flags&(flagClosed|flagClosing) != 0 {
			c.mu.Unlock()
			return nil
		}
		flight := q.b[q.off:]
		q.flight = flight
		c.ext.nc.SetWriteDeadline(writeDeadline(timeout))
		c.mu.Unlock()
		n, err := c.ext.nc.Write(flight)
		c.mu.Lock()
		q.flight, q.off = nil, q.off+n
		if q.len() == 0 || c.flags&flagClosed != 0 {
			q.release()
			c.out = nil
		}
		c.mu.Unlock()
		if err != nil && (n == 0 || secure(c) || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
}

// writeDeadline is when a write that may take timeout has to be over; 0 is never.
func writeDeadline(timeout time.Duration) time.Time {
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// endTurn sends what the call has written, bounded by the connection's deadline.
func (g *goroutineDriver) endTurn(c *Conn) {
	for {
		timeout := time.Duration(0)
		if at := c.deadline.Load(); at != 0 {
			timeout = max(time.Duration(at-clock()), 1)
		}
		err := g.flush(c, timeout)
		if err == nil {
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !secure(c) && !c.has(flagClosing) {
			c.deadline.Store(0)
			c.proto.Timeout(c)
			if !c.has(flagClosing) {
				continue
			}
		}
		c.mu.Lock()
		c.flags |= flagClosing
		c.mu.Unlock()
		return
	}
}
