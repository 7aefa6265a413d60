package engine

import "sync"

// arrivals is what a completing poller has received for a connection and nobody
// has taken yet: bytes, and then the end or an error, which stays. A connection
// has one only while there is something in it.
type arrivals struct {
	b   []byte
	off int
	err error
}

var arrivalsPool = sync.Pool{New: func() any { return new(arrivals) }}

func (a *arrivals) len() int {
	if a == nil {
		return 0
	}
	return len(a.b) - a.off
}

func (a *arrivals) free() {
	if cap(a.b) > maxPooled {
		a.b = nil
	}
	a.b, a.off, a.err = a.b[:0], 0, nil
	arrivalsPool.Put(a)
}

// arriveLocked adds to what c has received. c.mu is held.
func (c *Conn) arriveLocked(b []byte, err error) {
	a := c.got
	if a == nil {
		a = arrivalsPool.Get().(*arrivals)
		c.got = a
	}
	if a.off > 0 && a.off == len(a.b) {
		a.b, a.off = a.b[:0], 0
	}
	a.b = append(a.b, b...)
	if a.err == nil {
		a.err = err
	}
}

// pendingLocked reports whether there is something to be told of: input, or its
// end. c.mu is held.
func (c *Conn) pendingLocked() bool {
	return c.got != nil && (c.got.len() > 0 || c.got.err != nil && c.flags&flagStreamEnd == 0)
}

// takeLocked moves what has arrived to buf; errAgain when that is nothing.
// c.mu is held.
func (c *Conn) takeLocked(buf []byte) (int, error) {
	a := c.got
	if a == nil {
		return 0, errAgain
	}
	n := copy(buf, a.b[a.off:])
	a.off += n
	if a.off < len(a.b) {
		return n, nil
	}
	if a.err == nil {
		c.got = nil
		a.free()
		return n, nil
	}
	if n > 0 {
		return n, nil // the error comes next
	}
	return 0, a.err
}

// takeAll takes the bytes that have arrived, for the turn that is about to offer
// them; nil when there are none, or not only they.
func (c *Conn) takeAll() *arrivals {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.got
	if a == nil || a.err != nil {
		return nil
	}
	c.got = nil
	return a
}
