package engine

import (
	"io"
	"net"
	"os"
)

// Detach takes the connection away from the engine: it gives back an ordinary
// net.Conn and the input that is not used yet, which the net.Conn will not
// return again. rest is the end of the current input that is not used. What is
// queued leaves first, so Detach may wait. The protocol gets no further call,
// not even Closed. Called from within a call.
func (c *Conn) Detach(rest []byte) (nc net.Conn, unread []byte, err error) {
	if err := c.Flush(0); err != nil {
		return nil, nil, err
	}
	unread = append([]byte(nil), rest...)
	c.drop()
	w := c.w
	w.view = nil
	c.mu.Lock()
	if c.flags&(flagClosed|flagClosing) != 0 {
		c.mu.Unlock()
		return nil, nil, net.ErrClosed
	}
	x := c.ext
	fd := c.fd
	if x != nil && x.nc != nil {
		c.flags |= flagDetached
		c.mu.Unlock()
		c.depart(w)
		return x.nc, append(unread, x.g.detach(c)...), nil
	}
	if c.loop.completes {
		c.mu.Unlock()
		c.leave()
		c.loop.poll.detach(c)
		c.mu.Lock()
		if c.flags&(flagClosed|flagClosing) != 0 {
			c.mu.Unlock()
			return nil, nil, net.ErrClosed
		}
		if a := c.got; a != nil {
			if a.err != nil && a.err != io.EOF && a.len() == 0 {
				err := c.readError(a.err) // the socket would not tell it again
				c.flags |= flagClosing
				c.mu.Unlock()
				return nil, nil, err
			}
			if x != nil && x.tls != nil {
				x.tls.feed.pending = append(x.tls.feed.pending, a.b[a.off:]...)
			} else {
				unread = append(unread, a.b[a.off:]...)
			}
			c.got = nil
		}
	} else {
		c.loop.poll.detach(c)
	}
	f := os.NewFile(uintptr(fd), "burrow")
	nc, err = net.FileConn(f) // has a descriptor of its own
	f.Close()
	c.fd = -1
	if err != nil {
		c.flags |= flagClosing
		c.mu.Unlock()
		return nil, nil, err
	}
	c.flags |= flagDetached
	c.mu.Unlock()
	if x != nil && x.tls != nil {
		x.tls.feed.nc = nc
		nc = x.tls.conn
	}
	c.leave() // whoever has the net.Conn may block as long as it likes
	c.depart(w)
	c.leaveEngine(nil, fd)
	return nc, unread, nil
}

// depart takes the goroutine of a detached connection out of those that Serve
// waits for.
func (c *Conn) depart(w *worker) {
	if !w.detached && !(w.onLoop && c.loop.call.Load() == w.ticket) {
		w.detached = true
		c.svc.e.running.Done()
	}
}
