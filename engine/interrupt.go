package engine

// Interrupt has a More that waits end with [os.ErrDeadlineExceeded], so that its
// caller looks again how long to wait; when none does, the next one of the call in
// progress. Outside calls it does nothing. May be called from any goroutine.
func (c *Conn) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.ext
	if c.flags&flagBusy == 0 || x != nil && x.early != nil {
		return
	}
	c.flags |= flagInterrupted
	switch {
	case c.flags&flagWantRead != 0:
		c.wakeLocked(flagWantRead)
	case x != nil && x.g != nil && x.g.waiting:
		x.nc.SetReadDeadline(longAgo)
	}
}

// interruptedLocked takes an Interrupt back, and reports whether there was one. c.mu is
// held.
func (c *Conn) interruptedLocked() bool {
	was := c.flags&flagInterrupted != 0
	c.flags &^= flagInterrupted
	return was
}
