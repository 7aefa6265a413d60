package engine

import "io"

// Watch has f called, at most once, when the peer goes away while a call is in
// progress: with io.EOF when it has ended its side, else with what happened. nil
// takes it back. f runs on the loop and must not block. Called from within a
// call.
func (c *Conn) Watch(f func(error)) {
	c.mu.Lock()
	x := c.ext
	if f == nil && x == nil {
		c.mu.Unlock()
		return
	}
	x = c.moreLocked()
	x.watch = f
	gone := c.flags&flagGone != 0
	if f != nil && c.loop != nil && c.loop.completes && c.flags&flagReceiving == 0 {
		c.armLocked()
	}
	c.mu.Unlock()
	switch {
	case f == nil:
		if x.g != nil {
			x.g.stopWatching(c)
		}
	case gone:
		c.tellWatcher(io.EOF)
	case x.g != nil:
		x.g.startWatching(c)
	}
}

// tellWatcher calls the function given to Watch, once.
func (c *Conn) tellWatcher(err error) {
	c.mu.Lock()
	var f func(error)
	if c.ext != nil {
		f, c.ext.watch = c.ext.watch, nil
	}
	c.mu.Unlock()
	if f != nil {
		f(err)
	}
}
