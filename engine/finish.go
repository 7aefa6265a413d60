package engine

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// The ways in which a connection ends: politely, with an error, or once the peer
// has ended too.

// finishPolitely ends a connection because its protocol said so.
func (c *Conn) finishPolitely(err error) {
	if err != io.EOF {
		c.finish(err)
		return
	}
	c.mu.Lock()
	c.flags |= flagFinish
	c.mu.Unlock()
	if w := c.w; c.release(w) {
		c.settle(w)
	}
}

// overLocked reports whether the connection is to end now: by Close, or because all
// that was to leave before its end has left. c.mu is held.
func (c *Conn) overLocked() bool {
	return c.flags&flagClosing != 0 || c.flags&(flagFinish|flagLinger) == flagFinish && c.unsentBytesLocked() == 0
}

// lingerTime bounds how long a polite end waits for the peer.
const lingerTime = time.Second

// startLinger shuts our side; it reports false when that is not possible.
func (c *Conn) startLinger() bool {
	c.drop()
	if c.EOF() {
		return false
	}
	if x := c.ext; x != nil && x.tls != nil && x.early == nil {
		x.tls.conn.CloseWrite() // RFC 8446 6.1: close_notify
	}
	if c.shutSocket() != nil {
		return false
	}
	c.deadline.Store(c.now() + int64(lingerTime))
	c.mu.Lock()
	c.flags |= flagLinger
	c.mu.Unlock()
	return true
}

// lingerBytes bounds what a lingering connection throws away in one go, in bytes: more than
// that is there only if the peer sends as fast as we read.
const lingerBytes = 4 << 20

// discard throws input away; the end of it ends the connection.
func (c *Conn) discard(w *worker) {
	for range lingerBytes / bufSize {
		n, err := c.loop.poll.receive(c, w.buf)
		if err == errAgain {
			c.settle(w)
			return
		}
		if err != nil || n == 0 {
			c.finish(nil)
			return
		}
	}
	c.finish(nil)
}

// reset ends a connection whose peer has reset it after ending its side.
func (c *Conn) reset(*worker) { c.finish(os.NewSyscallError("read", sysConnError(int(c.fd)))) }

// finish closes the socket and makes the last call. The caller owns c.
func (c *Conn) finish(err error) {
	c.mu.Lock()
	if c.flags&(flagClosed|flagDetached) != 0 {
		c.mu.Unlock()
		return
	}
	c.offerLocked()
	c.flags |= flagClosed | flagBusy
	fd := c.fd
	c.fd = -1
	if c.out != nil && c.out.flight == nil {
		c.out.release()
		c.out = nil
	}
	x := c.ext
	if fd >= 0 {
		c.loop.poll.end(c, fd)
	}
	c.mu.Unlock()
	if x != nil {
		if x.early != nil && x.early.cause != nil {
			err = x.early.cause
		}
		if x.nc != nil {
			x.nc.Close()
		}
		c.tellWatcher(net.ErrClosed)
	}
	c.drop()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	w := c.w
	c.w = nil
	c.proto.Closed(c, err)
	c.leaveEngine(w, fd)
}

// leaveEngine takes c out of its loop's books.
func (c *Conn) leaveEngine(w *worker, fd int32) {
	l := c.loop
	switch {
	case l == nil:
		c.svc.nets.Delete(c)
		c.svc.done()
	case w != nil && w.isLoop():
		l.remove(c, fd)
	default:
		if l.do(func() { l.remove(c, fd) }) != nil {
			c.svc.done()
		}
	}
}

func (l *loop) remove(c *Conn, fd int32) {
	if int(fd) < len(l.conns) && l.conns[fd] == c {
		l.conns[fd] = nil
	}
	l.wheel.Stop(&c.node)
	l.open.Add(-1)
	c.svc.done()
}
