package engine

import (
	"errors"
	"io"
	"net"
)

// early is what a connection needs until its preface and its TLS handshake are over.
type early struct {
	greeted  bool   // the preface is over; owned by the call
	deadline int64  // the protocol's own: Conn.deadline is that of the handshake; owned by the call
	first    []byte // what was written so far: it waits for TLS; guarded by Conn.mu
	cause    error  // why it will not be over; owned by the call
}

// refused notes that what comes before the protocol has failed. Closed gets the cause.
// Whoever connects can cause it: so the log has it at the level of debugging only.
func (c *Conn) refused(what string, cause error) {
	c.ext.early.cause = cause
	if cause != io.EOF {
		c.svc.e.logger().Debug("engine: "+what+" failed", "peer", c.RemoteAddr(), "err", cause)
	}
}

// lateLocked ends that: the protocol's deadline is in force from now on. c.mu is held.
func (c *Conn) lateLocked() {
	c.deadline.Store(c.ext.early.deadline)
	c.ext.early = nil
}

// earlyTLS reports whether what is written has to wait for TLS. c.mu is held.
func (c *Conn) earlyTLS() bool {
	return c.ext != nil && c.ext.early != nil && c.svc.opts.TLS != nil
}

// isEarly reports whether the protocol has nothing to say yet. Within a call.
func (c *Conn) isEarly() bool { return c.ext != nil && c.ext.early != nil }

var errEarly = errors.New("engine: flush: the TLS handshake is not over")

// writeTLSLocked writes to a connection with TLS, before its handshake is over to
// memory. It reports false for one without; else it has unlocked c.mu.
func (c *Conn) writeTLSLocked(head, body []byte) (ok bool, err error) {
	x := c.ext
	switch {
	case c.earlyTLS():
		defer c.mu.Unlock()
		switch f := &x.early.first; {
		case c.flags&(flagClosed|flagClosing) != 0:
			return true, net.ErrClosed
		case len(*f) > c.svc.e.maxBacklog()-len(head)-len(body):
			return true, ErrBacklog
		default:
			*f = append(append(*f, head...), body...)
		}
		c.unsentLocked()
		return true, nil
	case x.early != nil || x.tls == nil:
		return false, nil
	}
	c.mu.Unlock()
	return true, x.tls.write(c, head, body)
}
