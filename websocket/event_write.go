package websocket

import (
	"github.com/burrownet/burrow/engine"
)

// endCall has what is written from now on leave at once: when a writer finds stCork
// the call has not ended.
func (c *Conn) endCall() {
	c.wmu.Lock()
	c.state.And(^uint32(stCork | stOffLoop))
	c.wmu.Unlock()
}

// release sends what was held back. wmu is held.
func (c *Conn) release() {
	if c.state.And(^uint32(stCork))&stCork != 0 && c.held > 0 {
		c.held = 0
		c.ev.Write(nil)
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
	if st&stCork != 0 && c.held > 0 {
		c.held = 0
		ev.Write(nil) // sends what waits; an error shows below
	}
	if limit := c.set.maxBacklog; limit > 0 && !control {
		if unsent := ev.Backlog(); unsent > 0 && int64(unsent+n) > limit {
			return ErrBacklog
		}
	}
	var err error
	if len(body) > 0 {
		if err = ev.Write2(head, body); err == engine.ErrBacklog {
			ev.Close() // the head may have left without the body
		}
	} else {
		_, err = ev.Write(head)
	}
	if err == nil && st&stOffLoop != 0 {
		err = ev.Push(c.set.writeTimeout) // the goroutine driver would wait for the end of the call
	}
	return eventError(err)
}

func eventError(err error) error {
	if err == engine.ErrBacklog {
		return ErrBacklog
	}
	return err
}
