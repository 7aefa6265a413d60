package engine

import (
	"io"
	"net"
	"os"
)

// Detach takes the connection away from the engine: it gives back an ordinary
// net.Conn and the input that is not used yet, which the net.Conn will not
// return again. rest is the end of the current input that is not used. What is
// queued leaves first, so Detach may wait; what others write after that fails. The
// protocol gets no further call, not even Closed; what Data returns does not matter
// any more. After an error, for the lack of descriptors say, the connection is still
// the engine's, and the call has its input still. Called from within a call.
func (c *Conn) Detach(rest []byte) (nc net.Conn, unread []byte, err error) {
	if err := c.Flush(0); err != nil {
		return nil, nil, err
	}
	w := c.w
	if c.loop == nil {
		if err := c.flushLast(); err != nil {
			return nil, nil, err
		}
		c.mu.Lock()
		closing := c.flags&(flagClosed|flagClosing) != 0
		if !closing {
			c.flags |= flagDetached
		}
		x := c.ext
		c.mu.Unlock()
		if closing {
			return nil, nil, net.ErrClosed
		}
		c.depart(w)
		unread = append(append(unread, rest...), x.g.detach(c)...)
		c.drop()
		w.view = nil
		return x.nc, unread, nil
	}
	own, err := c.standardConn()
	if err != nil {
		return nil, nil, err
	}
	if err := c.flushLast(); err != nil {
		own.Close()
		return nil, nil, err
	}
	if c.loop.completes {
		c.leave()
		c.loop.poll.detach(c)
		c.mu.Lock()
	} else {
		c.mu.Lock()
		c.loop.poll.detach(c)
	}
	arrived, err := c.takeOffLocked()
	fd, x := c.fd, c.ext
	if err == nil {
		c.fd = -1
		c.flags |= flagDetached
	}
	c.mu.Unlock()
	if err != nil {
		own.Close()
		return nil, nil, err
	}
	unread, nc = append(unread, rest...), own
	if x != nil && x.tls != nil {
		x.tls.feed.pending = append(x.tls.feed.pending, arrived...)
		x.tls.feed.nc = own
		nc = x.tls.conn
	} else {
		unread = append(unread, arrived...)
	}
	c.drop()
	w.view = nil
	c.leave() // whoever has the net.Conn may block as long as it likes
	c.depart(w)
	sysClose(int(fd))
	c.leaveEngine(nil, fd)
	return nc, unread, nil
}

// flushLast has what others have written meanwhile leave, too. From then on their writes
// are refused: what the socket did not take of them would be lost.
func (c *Conn) flushLast() error {
	for {
		if err := c.Flush(0); err != nil {
			return err
		}
		if c.closeToWriters() {
			return nil
		}
	}
}

// closeToWriters refuses all further writes; it reports false when something is unsent.
func (c *Conn) closeToWriters() bool {
	if x := c.ext; x != nil && x.tls != nil {
		x.tls.writing.Lock() // a record that fails would break the TLS
		defer x.tls.writing.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out != nil {
		return false
	}
	c.flags |= flagLeaving
	return true
}

// standardConn is a net.Conn for the socket of c, with descriptors of its own.
func (c *Conn) standardConn() (net.Conn, error) {
	c.mu.Lock()
	if c.flags&(flagClosed|flagClosing) != 0 {
		c.mu.Unlock()
		return nil, net.ErrClosed
	}
	fd, err := sysDup(int(c.fd))
	c.mu.Unlock()
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	f := os.NewFile(uintptr(fd), "burrow")
	defer f.Close()
	return net.FileConn(f)
}

// takeOffLocked takes what the poller has received for a connection that it has let
// go. c.mu is held.
func (c *Conn) takeOffLocked() ([]byte, error) {
	if c.flags&(flagClosed|flagClosing) != 0 {
		return nil, net.ErrClosed
	}
	a := c.got
	if a == nil {
		return nil, nil
	}
	if a.err != nil && a.err != io.EOF && a.len() == 0 {
		c.flags |= flagClosing
		return nil, c.readError(a.err) // the socket would not tell it again
	}
	c.got = nil
	return a.b[a.off:], nil
}

// depart takes the goroutine of a detached connection out of those that Serve
// waits for.
func (c *Conn) depart(w *worker) {
	if !w.detached && !(w.onLoop && c.loop.call.Load() == w.ticket) {
		w.detached = true
		c.svc.e.running.Done()
	}
}
