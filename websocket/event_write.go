package websocket

import (
	"github.com/burrownet/burrow/engine"
)

// endCall has what is written from now on leave at once: when a writer finds stCork
// the call has not ended.
func (c *Conn) endCall() {
	var k *courier
	c.wmu.Lock()
	if c.state.And(^uint32(stCork|stOffLoop))&stOffLoop != 0 {
		if x := c.more.Load(); x != nil {
			k = x.courier
		}
		if k != nil {
			k.stuck = false
		}
	}
	c.wmu.Unlock()
	if k != nil {
		k.dismiss()
	}
}

// release sends what was held back. wmu is held: so the call has not ended.
func (c *Conn) release() {
	if c.state.And(^uint32(stCork))&stCork != 0 && c.held > 0 {
		c.held = 0
		c.ev.Flush(1) // in nanoseconds: a Write of nothing does not send, and this is not to wait
	}
}

// Overstayed implements engine.Overstayer: the callback in progress blocks.
func (p *protocol) Overstayed(*engine.Conn) {
	c := (*Conn)(p)
	c.set.habit.overstayed()
	if c.has(stOpen) {
		c.wmu.Lock()
		c.release()
		c.wmu.Unlock()
	}
}

// gather is how much may wait for the end of a call, in bytes.
const gather = 32 << 10

// writeEvent writes a frame; wmu is held.
func (c *Conn) writeEvent(head, body []byte, control bool) error {
	ev := c.ev
	n := len(head) + len(body)
	st := c.state.Load()
	if st&stCork != 0 && len(body) == 0 && int(c.held)+n <= gather {
		c.held += uint32(n)
		return eventError(ev.WriteLater(head))
	}
	if !control && c.crammed(n) {
		if st&stOffLoop != 0 {
			c.hurry()
		}
		if c.crammed(n) {
			return ErrBacklog
		}
	}
	err := c.push(head, body)
	if err == engine.ErrBacklog && st&stOffLoop != 0 {
		c.hurry()
		err = c.push(head, body)
	}
	return eventError(err)
}

// push gives a frame to the engine, and sees to it that it leaves; wmu is held.
func (c *Conn) push(head, body []byte) error {
	pinged, unsent := c.has(stPinged), 0
	if pinged {
		unsent = c.ev.Backlog()
	}
	if err := c.ev.Write2(head, body); err != nil {
		return err
	}
	switch {
	case pinged:
		c.held += uint32(c.ev.Backlog() - unsent)
	case c.has(stCork):
		c.held = 0 // it has left with this
	}
	c.hasten()
	return nil
}

// crammed reports whether too much is unsent for n bytes more.
func (c *Conn) crammed(n int) bool {
	limit := c.set.maxBacklog
	if limit == 0 {
		return false
	}
	unsent := c.ev.Backlog()
	return unsent > 0 && int64(unsent+n) > limit
}

func eventError(err error) error {
	if err == engine.ErrBacklog {
		return ErrBacklog
	}
	return err
}
