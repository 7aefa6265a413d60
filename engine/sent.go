package engine

// Sender is a Protocol that wants to know when what the socket did not take at once
// has left. Sent is a call like Data. It is made once for each backlog: when the last
// of it has left, or after the call that is in progress then. So it follows whenever
// Backlog is not 0 at the end of a call, if only for what WriteLater was given, or after
// another goroutine's Write, also one that fails with ErrBacklog. Input that is not used
// yet is offered to Data after it. Once the connection is to end there is no such call.
// The goroutine driver cannot tell what the socket takes at once: there Sent comes after
// all that was written.
type Sender interface{ Sent(c *Conn) }

// unsentLocked notes that the socket did not take all there is. On a loop, what waits
// for the end of the call was not offered to it. c.mu is held.
func (c *Conn) unsentLocked() {
	if c.loop == nil || c.flags&(flagCorked|flagGathered) == 0 {
		c.promiseSentLocked()
	}
}

// promiseSentLocked has Sent follow when all has left. c.mu is held.
func (c *Conn) promiseSentLocked() {
	if c.flags&flagUnsent != 0 {
		return
	}
	if _, ok := c.proto.(Sender); ok {
		c.flags |= flagUnsent
	}
}

// oweSentLocked reports whether Sent is to be called. c.mu is held.
func (c *Conn) oweSentLocked() bool {
	return c.unsentBytesLocked() == 0 && c.flags&(flagUnsent|flagFinish|flagClosing|flagClosed|flagDetached) == flagUnsent
}

// sent tells the protocol that the backlog has left, and offers it what it has not
// used; it reports false when that ended the connection.
func (c *Conn) sent(w *worker) bool {
	c.mu.Lock()
	c.flags &^= flagUnsent
	if c.loop == nil {
		c.flags |= flagCorked
	}
	c.mu.Unlock()
	s, ok := c.proto.(Sender)
	if !ok {
		return true
	}
	s.Sent(c)
	w.view = nil
	if x := c.ext; x != nil && x.next != nil || c.ending() || len(c.buffered()) == 0 {
		return true
	}
	return c.offer(w, nil, nil)
}
