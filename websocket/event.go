package websocket

import (
	"context"
	"io"
	"runtime"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/wsframe"
)

// In event style a Conn is itself the protocol of an engine's connection: protocol
// is the same memory under another name, so that these methods are not the Conn's.
//
//	loop:  Data -> consume -> feed ... -> deliver -> Handler.Message -> Write
//	                                  \-> control                          |
//	       one write for all of them  <------------------------------------+
//
// Data uses up all that it is given: an incomplete message, and nothing else, is
// kept in memory of its own.
type protocol Conn

func newEvent(h Handler, set *settings, sub *string, pm deflateParams) *Conn {
	return &Conn{h: h, set: set, sub: sub, pm: pm, in: wsframe.Reader{Server: !set.client, Compression: pm.on}}
}

// Data implements engine.Protocol.
func (p *protocol) Data(ev *engine.Conn, b []byte) (int, error) {
	c := p.ready()
	ev.SetDeadline(c.set.pingAfter)
	onLoop := ev.OnLoop()
	// The loop's own buffer stays where it is whatever a callback does. What comes
	// first may have been kept by the connection's protocol before us.
	c.away = !onLoop
	if c.state.Load()&(stHeard|stPinged) != stHeard {
		c.answered()
		c.away = c.set1(stHeard) || c.away
	}
	if onLoop && len(b) > 0 && c.set.habit.blocks() {
		c.wmu.Lock() // no write may look at what this makes
		ev.Go(c.dataElsewhere)
		c.wmu.Unlock()
		return 0, nil
	}
	if !onLoop {
		c.set1(stOffLoop)
	}
	return c.data(ev, b, onLoop)
}

// dataElsewhere is Data on a goroutine of its own.
func (c *Conn) dataElsewhere() {
	ev := c.ev
	c.away = true
	start := time.Now()
	_, err := c.data(ev, ev.Input(), false)
	c.set.habit.ran(time.Since(start))
	ev.Unread(nil)
	switch {
	case err == io.EOF && ev.Backlog() > 0:
		ev.Shutdown()
	case err != nil:
		ev.Close()
	}
}

// data works off input. It uses all of it.
func (c *Conn) data(ev *engine.Conn, b []byte, onLoop bool) (int, error) {
	c.moved = false
	if onLoop {
		c.held = 0 // without stCork nobody else looks at it
		c.set1(stCork)
	}
	ended := c.consume(ev, b)
	c.endCall()
	n := len(b)
	if c.moved {
		n = len(ev.Input()) // what a callback has waited for took the place of b
	}
	switch {
	case ended && (ev.EOF() || c.has(stCloseReceived) && !c.set.client):
		return n, io.EOF // nothing more will come: the end, once our last words have left
	case ev.EOF():
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}

// consume feeds all of b, and what callbacks have kept. It reports whether the
// connection has ended.
func (c *Conn) consume(ev *engine.Conn, b []byte) (ended bool) {
	end := uint32(len(ev.Input())) // of b
	for {
		if c.more.Load() != nil {
			c.used = end - uint32(len(b))
			c.deliverKept()
			if c.has(stEnded) {
				return true
			}
			if c.moved {
				b, end = ev.Input()[c.used:], uint32(len(ev.Input()))
			}
		}
		if len(b) == 0 {
			return false
		}
		e, n, err := c.feed(b)
		b = b[n:]
		switch {
		case err != nil:
			c.fail(context.Background(), err)
			return true
		case e.kind == evMessage:
			c.used = end - uint32(len(b))
			c.deliver(e)
			if c.moved {
				b, end = ev.Input()[c.used:], uint32(len(ev.Input()))
			}
		case e.kind != evNone:
			if c.control(context.Background(), e) != nil {
				return true
			}
		}
		c.used = end - uint32(len(b))
		c.settle()
	}
}

// deliverKept gives the Handler what has arrived while a callback waited.
func (c *Conn) deliverKept() {
	for !c.has(stEnded | stCloseSent) {
		m, ok := c.kept()
		if !ok {
			return
		}
		c.message(m.typ, m.data)
	}
}

// deliver gives a message to the Handler. While its callback waits for the peer,
// further input may be fed: so the message must not lie where that goes.
func (c *Conn) deliver(e event) {
	var hold *partial
	switch {
	case c.has(stCloseSent):
		return // nobody is interested any more
	case e.own:
		hold, c.part = c.part, nil
	case c.away:
		// Off the loop the input may be moved by who waits for more.
		hold = partials.Get().(*partial)
		hold.buf = append(hold.buf[:0], e.data...)
		e.data = hold.buf
	}
	c.message(e.typ, e.data)
	if hold != nil {
		hold.free()
	}
}

// message calls Handler.Message.
func (c *Conn) message(t MessageType, data []byte) {
	c.set1(stCallback)
	if x := c.more.Load(); x != nil {
		x.quiet = 0
		c.announce() // who waits may read now
	}
	c.guarded(func() { c.h.Message(c, t, data) })
	for {
		st := c.state.Load()
		if st&stPumping == 0 {
			if c.state.CompareAndSwap(st, st&^stCallback) {
				return
			}
			continue
		}
		changed := c.watch()
		if c.has(stPumping) {
			<-changed // it is another goroutine that reads; it looks up soon
		}
	}
}

// guarded runs a callback, which may panic.
func (c *Conn) guarded(f func()) {
	returned := false
	defer func() {
		if !returned {
			c.panicked(recover())
		}
	}()
	f()
	returned = true
}

func (c *Conn) panicked(v any) {
	if v != nil {
		stack := make([]byte, 64<<10)
		stack = stack[:runtime.Stack(stack, false)]
		c.set.log.Error("websocket: panic in a handler", "peer", c.RemoteAddr(), "proto", "websocket", "err", v, "stack", string(stack))
	}
	c.fail(context.Background(), errPanic)
}
