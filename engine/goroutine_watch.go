package engine

import (
	"errors"
	"os"
	"time"
)

// How the goroutine driver learns that the peer goes away while a call is in
// progress: somebody has to read.

// startWatching begins a read that tells when the peer goes away.
func (g *goroutineDriver) startWatching(c *Conn) {
	g.watch.Lock()
	defer g.watch.Unlock()
	if g.watch.reading || g.watch.done != nil || len(g.watch.ahead) > 0 || g.watch.err != nil || c.has(flagStreamEnd) {
		return
	}
	c.mu.Lock()
	if c.flags&(flagClosed|flagClosing|flagDetached) != 0 {
		c.mu.Unlock()
		return
	}
	g.armed = time.Time{}
	c.ext.nc.SetReadDeadline(time.Time{})
	g.watch.stop = false
	c.mu.Unlock()
	done := make(chan struct{})
	g.watch.done = done
	go func() {
		defer close(done)
		b := make([]byte, 512)
		n, err := c.ext.nc.Read(b)
		g.watch.ahead = b[:n]
		c.mu.Lock()
		stopped := g.watch.stop && errors.Is(err, os.ErrDeadlineExceeded)
		c.mu.Unlock()
		if err != nil && !stopped {
			g.watch.err = err
			c.tellWatcher(err)
		}
	}()
}

// stopWatching ends that read, and waits for it.
func (g *goroutineDriver) stopWatching(c *Conn) {
	g.watch.Lock()
	defer g.watch.Unlock()
	g.watch.reading = true
	if g.watch.done == nil {
		return
	}
	c.mu.Lock()
	g.watch.stop = true
	g.armed = longAgo
	c.ext.nc.SetReadDeadline(longAgo)
	c.mu.Unlock()
	<-g.watch.done
	g.watch.done = nil
}
