package engine

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

// What the goroutine driver writes: at the end of a call, in the middle of one that
// waits, or by a goroutine of its own for strangers.
//
//	who writes   one at a time (writing): a call that flushes; for strangers, and for
//	             all where there is TLS, the goroutine of startWriter
//	who waits    a call that finds somebody writing, until all has left
//	who bounds   each call its own wait: it looks how far the writer has come. The write
//	             of a socket is interrupted for that, and goes on behind what has left.
//	             TLS cannot go on in the middle of a record (crypto/tls gives up): its
//	             writer has no deadline, and goes record by record

// cork has what the call writes from now on wait for its end; while the call
// itself waits, others' writes leave at once.
func (g *goroutineDriver) cork(c *Conn) {
	c.mu.Lock()
	c.flags |= flagCorked
	c.mu.Unlock()
}

// push is flush from within a call, which goes on.
func (g *goroutineDriver) push(c *Conn, timeout time.Duration) error {
	defer g.cork(c)
	return g.flush(c, timeout)
}

// flush sees to it that the backlog leaves; see Conn.Flush.
func (g *goroutineDriver) flush(c *Conn, timeout time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flags &^= flagCorked
	return g.flushLocked(c, timeout)
}

// flushLocked returns nil when all has left and nobody writes. c.mu is held, but not
// while it waits.
func (g *goroutineDriver) flushLocked(c *Conn, timeout time.Duration) error {
	for sent, until := g.sent, writeDeadline(timeout); ; {
		switch {
		case c.flags&(flagClosed|flagClosing) != 0:
			return net.ErrClosed
		case g.err != nil:
			return g.err
		case c.out == nil && !g.writing:
			return nil
		case g.sent != sent:
			sent, until = g.sent, writeDeadline(timeout)
		case !until.IsZero() && !time.Now().Before(until):
			return os.ErrDeadlineExceeded
		}
		switch {
		case g.writing:
			g.awaitLocked(c, until)
		case secure(c):
			g.startWriter(c)
			g.awaitLocked(c, until)
		default:
			g.writeLocked(c, until)
		}
	}
}

// awaitLocked waits until a write has ended, or until the given time. c.mu is held, but
// not while it waits.
func (g *goroutineDriver) awaitLocked(c *Conn, until time.Time) {
	if !until.IsZero() {
		t := time.AfterFunc(time.Until(until), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.out != nil && c.out.flight != nil && !secure(c) {
				c.ext.nc.SetWriteDeadline(longAgo) // the write ends, and tells
				return
			}
			g.wrote.Broadcast()
		})
		defer t.Stop()
	}
	g.wrote.Wait()
}

// writeLocked writes some of the backlog: a record where there is TLS, else what leaves
// until the given time. What is being written stays in the backlog: it is not sent, and
// what follows goes behind it. c.mu is held, but not while it writes.
func (g *goroutineDriver) writeLocked(c *Conn, until time.Time) {
	q := c.out
	flight := q.b[q.off:]
	if secure(c) {
		flight, until = flight[:min(len(flight), recordSize)], time.Time{}
	}
	q.flight, g.writing = flight, true
	c.ext.nc.SetWriteDeadline(until)
	c.mu.Unlock()
	n, err := c.ext.nc.Write(flight)
	c.mu.Lock()
	q.flight, q.off = nil, q.off+n
	if q.len() == 0 || c.flags&flagClosed != 0 {
		q.release()
		c.out = nil
	}
	if err != nil && (secure(c) || !errors.Is(err, os.ErrDeadlineExceeded)) {
		g.err = err
	}
	g.wroteLocked(n)
}

// wroteLocked notes that a write has ended. c.mu is held.
func (g *goroutineDriver) wroteLocked(n int) {
	g.writing = false
	g.sent += n
	g.wrote.Broadcast()
}

// writeLater sees to it that the backlog leaves, unless the call in progress does. c.mu
// is held.
func (g *goroutineDriver) writeLater(c *Conn) {
	if c.flags&flagCorked == 0 {
		g.startWriter(c)
	}
}

// startWriter starts the writer of all that is unsent. c.mu is held.
func (g *goroutineDriver) startWriter(c *Conn) {
	if g.writer {
		return
	}
	g.writer = true
	c.svc.e.running.Add(1)
	go g.writeAll(c)
}

// writeAll writes until nothing is left.
func (g *goroutineDriver) writeAll(c *Conn) {
	defer c.svc.e.running.Done()
	c.mu.Lock()
	for c.out != nil && g.err == nil && c.flags&(flagClosed|flagClosing) == 0 {
		if g.writing {
			g.wrote.Wait()
		} else {
			g.writeLocked(c, time.Now().Add(time.Second)) // so that what has left shows
		}
	}
	g.writer = false
	failed, sent := g.err != nil, c.oweSentLocked()
	g.wrote.Broadcast()
	c.mu.Unlock()
	switch {
	case failed:
		c.Close() // nobody else would learn that the peer has gone
	case sent:
		g.interrupt(c)
	}
}

// secure reports whether the net.Conn speaks TLS.
func secure(c *Conn) bool {
	_, ok := c.ext.nc.(*tls.Conn)
	return ok
}

// writeDeadline is when a write that may take timeout has to be over; 0 is never.
func writeDeadline(timeout time.Duration) time.Time {
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// endTurn sends what the call has written, bounded by the connection's deadline. It
// reports whether Timeout has asked for Go meanwhile.
func (g *goroutineDriver) endTurn(c *Conn) (next bool) {
	for {
		timeout := time.Duration(0)
		if at := c.deadline.Load(); at != 0 {
			timeout = max(time.Duration(at-clock()), 1)
		}
		err := g.flush(c, timeout)
		switch {
		case err == nil:
			return false
		case err != os.ErrDeadlineExceeded:
			c.mu.Lock()
			c.flags |= flagClosing
			c.mu.Unlock()
			return false
		}
		c.deadline.Store(0)
		c.proto.Timeout(c)
		if c.ext.next != nil {
			return true
		}
	}
}
