package engine

import (
	"net"
	"os"
	"sync"
	"time"
)

// backlog holds the bytes that a socket did not take yet.
type backlog struct {
	b   []byte
	off int
	// flight is what the kernel, or a goroutine's Write, is reading, from off on: it
	// must not move, and is referred to here for as long. nil: nothing.
	flight []byte
	first  int // bytes of the write that it began with
}

func (q *backlog) len() int { return len(q.b) - q.off }

var backlogs = sync.Pool{New: func() any { return new(backlog) }}

// maxPooled is the largest buffer kept for reuse, in bytes.
const maxPooled = 64 << 10

func (q *backlog) release() {
	if cap(q.b) > maxPooled {
		q.b = nil
	}
	q.b, q.off = q.b[:0], 0
	backlogs.Put(q)
}

// Writes of up to smallWrite bytes may exceed the budget by lastWords in all: what a
// protocol has to say last is owed to a peer that reads slowly, too.
const (
	smallWrite = 256
	lastWords  = 64 << 10
)

// fullLocked reports whether n bytes more are too many for a budget, which is as large
// as the write that the backlog began with at least. What only waits for the end of
// the call is offered to the socket before that is said; not with the goroutine driver,
// whose socket would block: there what a call has written before counts. c.mu is held.
func (c *Conn) fullLocked(n, budget int) bool {
	full := func() bool {
		if c.out == nil {
			return false
		}
		sum := c.out.len() + n
		if n <= smallWrite {
			sum -= lastWords
		}
		return sum > max(budget, c.out.first)
	}
	if full() && c.fd >= 0 && c.flags&(flagCorked|flagGathered) != 0 {
		c.flags &^= flagCorked
		if c.flushLocked() == nil { // what fails here fails again with the next write
			c.armLocked()
		}
	}
	return full()
}

// Write sends b, or queues what the socket does not take. It never blocks, and b
// is the caller's again when it returns. When bytes are waiting and b would take
// them over [Engine.MaxBacklog], it returns [ErrBacklog] and sends nothing of b; up
// to 256 bytes at a time still fit, 64 KiB in all. What is written before the TLS
// handshake is over waits for its end.
func (c *Conn) Write(b []byte) (int, error) {
	return len(b), c.Write2(b, nil)
}

// Write2 is Write of head and then body, in one system call or TLS record where it
// can be, and with nothing of others between them.
func (c *Conn) Write2(head, body []byte) error {
	c.mu.Lock()
	if c.ext != nil {
		if ok, err := c.writeTLSLocked(head, body); ok {
			return err
		}
	}
	err := c.sendLocked(head, body, c.svc.e.maxBacklog())
	c.mu.Unlock()
	return err
}

// WriteLater queues b to leave with the next Write, or when the call in progress
// ends, waits or overstays: many small answers then cost one system call. Like Write
// it returns [ErrBacklog] when too much waits. Called from within a call.
func (c *Conn) WriteLater(b []byte) error {
	c.mu.Lock()
	if c.ext != nil {
		if ok, err := c.writeTLSLocked(b, nil); ok {
			return err
		}
	}
	defer c.mu.Unlock()
	if c.flags&flagsNoWrite != 0 {
		return net.ErrClosed
	}
	if len(b) == 0 {
		return nil
	}
	if c.fullLocked(len(b), c.svc.e.maxBacklog()) {
		c.unsentLocked()
		return ErrBacklog
	}
	if c.out == nil {
		if c.flags&flagGather != 0 {
			c.flags |= flagGathered
		} else {
			c.flags |= flagCorked
		}
	}
	c.queueLocked(b, nil)
	c.unsentLocked()
	return nil
}

// uncorkLocked sends what WriteLater has queued, and ends the gathering of what
// the call writes. c.mu is held.
func (c *Conn) uncorkLocked() error {
	if c.flags&(flagCorked|flagGather) == 0 || c.fd < 0 {
		return nil
	}
	c.flags &^= flagCorked | flagGather
	if c.out == nil {
		return nil
	}
	if err := c.flushLocked(); err != nil {
		return err
	}
	if c.out != nil {
		c.unsentLocked()
	}
	return c.armLocked()
}

// Push sends what the call in progress has written, if that waits for the end of
// the call: the goroutine driver gathers it until then. timeout is as in Flush.
func (c *Conn) Push(timeout time.Duration) error {
	if c.loop == nil {
		return c.ext.g.push(c, timeout)
	}
	return nil
}

// send writes to the socket what it takes and queues the rest, up to budget.
func (c *Conn) send(head, body []byte, budget int) error {
	c.mu.Lock()
	err := c.sendLocked(head, body, budget)
	c.mu.Unlock()
	return err
}

func (c *Conn) sendLocked(head, body []byte, budget int) error {
	if c.flags&flagsNoWrite != 0 {
		return net.ErrClosed
	}
	if len(head)+len(body) == 0 {
		return nil
	}
	if c.flags&flagGather != 0 {
		if gathered, err := c.gatherLocked(head, body); gathered || err != nil {
			return err
		}
	}
	if c.fullLocked(len(head)+len(body), budget) {
		c.unsentLocked()
		return ErrBacklog
	}
	if c.out != nil {
		c.queueLocked(head, body)
		c.unsentLocked()
		if c.flags&flagGather != 0 {
			return nil
		}
		return c.uncorkLocked()
	}
	if c.fd < 0 {
		c.queueLocked(head, body)
		c.unsentLocked()
		c.ext.g.writeLater(c)
		return nil
	}
	n, err := sysWrite2(int(c.fd), head, body)
	if err != nil && err != errAgain {
		return c.writeError(err)
	}
	if n == len(head)+len(body) {
		return nil
	}
	if n < len(head) {
		c.queueLocked(head[n:], body)
	} else {
		c.queueLocked(nil, body[n-len(head):])
	}
	c.unsentLocked()
	return c.armLocked()
}

func (c *Conn) writeError(err error) error {
	return &net.OpError{Op: "write", Net: c.Network(), Err: os.NewSyscallError("write", err)}
}

// gatherSize is how many bytes of a call wait for the end of the loop's turn.
// What is more goes to the socket at once, without a copy.
const gatherSize = 16 << 10

// offerLocked gives the socket what was gathered, because that is about to be shut
// or closed. c.mu is held.
func (c *Conn) offerLocked() {
	if c.flags&flagGathered != 0 && c.fd >= 0 {
		c.flushLocked()
	}
}

// gatherLocked queues a write of a call on the loop; it reports false when the
// write is too large for that. c.mu is held.
func (c *Conn) gatherLocked(head, body []byte) (bool, error) {
	n := len(head) + len(body)
	switch {
	case c.out == nil && n <= gatherSize:
		c.flags |= flagGathered
	case c.flags&flagGathered == 0:
		return false, nil
	case c.out.len()+n > gatherSize:
		if err := c.flushLocked(); err != nil {
			return false, c.writeError(err)
		}
		return false, nil
	}
	c.queueLocked(head, body)
	return true, nil
}

func (c *Conn) queueLocked(head, body []byte) {
	if c.out == nil {
		c.out = backlogs.Get().(*backlog)
		c.out.first = len(head) + len(body)
	}
	q := c.out
	switch need := len(head) + len(body); {
	case q.off == 0:
	case q.flight == nil && q.off >= len(q.b)/2:
		q.b, q.off = q.b[:copy(q.b, q.b[q.off:])], 0
	case need > cap(q.b)-len(q.b): // it moves in any case: without what has left
		q.b, q.off = append(make([]byte, 0, 2*(q.len()+need)), q.b[q.off:]...), 0
	}
	q.b = append(append(q.b, head...), body...)
}

// armLocked tells the poller what c wants to hear of, when that has changed.
func (c *Conn) armLocked() error {
	if c.loop == nil || c.fd < 0 || c.gen == 0 || c.flags&(flagOut|flagClosed|flagDetached) != 0 {
		return nil // before the loop knows it, nothing is armed; after that, start does
	}
	if c.loop.completes {
		return c.loop.poll.arm(c, false, false) // it looks for itself
	}
	room := c.out != nil || c.flags&flagWantWrite != 0
	input := c.flags&flagPaused == 0
	gone := c.flags&(flagGone|flagStreamEnd) != 0
	if room == (c.flags&flagSending != 0) && input == (c.flags&flagUnarmed == 0) && (input || gone == (c.flags&flagDeaf != 0)) {
		return nil
	}
	c.flags &^= flagSending | flagUnarmed | flagDeaf
	if gone && !input {
		c.flags |= flagDeaf
	}
	if room {
		c.flags |= flagSending
	}
	if !input {
		c.flags |= flagUnarmed
	}
	return c.loop.poll.arm(c, input, room)
}

// flushLocked sends what the socket takes of the backlog; an error ends the
// backlog. c.mu is held, c has a descriptor.
func (c *Conn) flushLocked() error {
	c.flags &^= flagGathered
	for c.out != nil && c.out.flight == nil {
		n, err := sysWrite(int(c.fd), c.out.b[c.out.off:])
		if err == errAgain {
			return nil
		}
		c.out.off += n
		if err != nil || c.out.len() == 0 {
			c.out.release()
			c.out = nil
			if err != nil {
				c.loseLocked()
				return err
			}
		}
	}
	return nil
}
