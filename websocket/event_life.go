package websocket

import (
	"context"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/wsframe"
)

// open calls Handler.Open, and lets the engine's calls in. ev is the connection
// whose protocol c is already.
func (c *Conn) open(ev *engine.Conn) {
	c.ev = ev
	c.set.open.add(c)
	c.guarded(func() { c.h.Open(c) })
	c.endCall()
	c.set1(stOpen)
	c.announce()
}

// ready waits until Open has returned.
func (p *protocol) ready() *Conn {
	c := (*Conn)(p)
	for !c.has(stOpen) {
		changed := c.watch()
		if !c.has(stOpen) {
			<-changed
		}
	}
	return c
}

// Timeout implements engine.Protocol: the peer was silent.
func (p *protocol) Timeout(ev *engine.Conn) {
	c := p.ready()
	if c.has(stEnded) {
		ev.Close()
		return
	}
	if c.unanswered() {
		c.end(abnormal(ErrPongTimeout))
		ev.Close()
		return
	}
	ev.SetDeadline(c.set.pongTimeout)
}

// unanswered works off a silence within a call: the peer is sent a ping. It reports
// whether that was done before, and the peer does not read either.
func (c *Conn) unanswered() bool {
	first := c.set1(stPinged)
	if first {
		c.reply(context.Background(), wsframe.Ping, nil)
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	unsent := uint32(c.ev.Backlog())
	if !first && (unsent == 0 || unsent >= c.held) {
		return true
	}
	c.held = unsent // and what is written from now on; less next time: it reads, if slowly
	return false
}

// answered notes that the peer has said something.
func (c *Conn) answered() {
	c.wmu.Lock() // no write adds to held any more
	defer c.wmu.Unlock()
	c.state.And(^uint32(stPinged))
}

// probe is what Timeout does, for a peer that says nothing from the beginning on:
// the engine has no deadline before its first call.
func (c *Conn) probe() {
	ev := c.ev
	if c.set.pingAfter == 0 {
		return
	}
	ev.AfterFunc(c.set.pingAfter, func() {
		if c.has(stHeard | stEnded) {
			return
		}
		c.reply(context.Background(), wsframe.Ping, nil)
		ev.AfterFunc(max(c.set.pongTimeout, 1), func() {
			if c.has(stHeard|stEnded) || c.set.pongTimeout == 0 {
				return
			}
			c.end(abnormal(ErrPongTimeout))
			ev.Close()
		})
	})
}

// Drain implements engine.Protocol: the server ends (RFC 6455 7.4.1: 1001).
func (p *protocol) Drain(ev *engine.Conn) {
	c := p.ready()
	if sent, _ := c.sendClose(context.Background(), StatusGoingAway, ""); sent {
		c.closeLater()
	}
}

// Closed implements engine.Protocol.
func (p *protocol) Closed(_ *engine.Conn, err error) {
	c := p.ready()
	c.end(abnormal(err))
	if c.part != nil {
		c.part.free()
		c.part = nil
	}
	defer func() {
		if v := recover(); v != nil {
			c.set.log.Error("websocket: panic in a handler", "peer", c.RemoteAddr(), "proto", "websocket", "err", v)
		}
	}()
	c.h.Close(c, c.cause())
}
