package websocket

import (
	"context"

	"github.com/burrownet/burrow/engine"
)

// offered is what became of frames that were offered to a connection.
type offered uint8

const (
	offerBusy  offered = iota // not now: the peer has to take what came before
	offerHeld                 // not now: somebody is writing, but that says nothing of the peer
	offerTaken                // they leave
	offerOver                 // never: the connection is ending
)

// onItsWay is how much may be unsent when a connection still counts as one that
// keeps up, in bytes: the ring reports a moment late what the socket has taken.
const onItsWay = 4 << 10

// offer writes whole frames, if the peer has taken nearly all that came before and
// nobody is writing. It never waits. Event style.
func (c *Conn) offer(b []byte, compressed bool) offered {
	if !c.wmu.TryLock() {
		return offerHeld
	}
	defer c.wmu.Unlock()
	st := c.state.Load()
	switch {
	case st&(stEnded|stCloseSent) != 0:
		return offerOver // RFC 6455 5.5.1: nothing after the close frame
	case st&stStreaming != 0:
		return offerBusy // RFC 6455 5.4: messages do not mix
	}
	unsent := c.ev.Backlog()
	if st&stCork != 0 {
		unsent -= int(c.held) // leaves with b
	}
	if unsent > onItsWay {
		c.hasten() // if it was written while the call began
		return offerBusy
	}
	switch c.push(b, nil) {
	case nil:
	case engine.ErrBacklog:
		return offerBusy
	default:
		return offerOver
	}
	c.forgetWindow(compressed)
	return offerTaken
}

// writeShared writes whole frames, and waits until they have left. Blocking style.
func (c *Conn) writeShared(b []byte, compressed bool) error {
	ctx := context.Background() // the WriteTimeout bounds it
	if err := c.lockWrite(ctx, true); err != nil {
		return err
	}
	defer c.unlockWrite()
	switch {
	case c.has(stEnded):
		return c.cause()
	case c.has(stCloseSent):
		return errClosed // RFC 6455 5.5.1: nothing after the close frame
	}
	c.forgetWindow(compressed)
	return c.io.write(ctx, c, b, nil)
}

// forgetWindow follows a shared frame that went to a connection that takes over.
// The peer's window has that message in it, and ours has not: so the next message
// refers to none before it, which it need not (RFC 7692 7.2.3.1). The right to
// write is held.
func (c *Conn) forgetWindow(compressed bool) {
	if compressed && c.takesOver() {
		w := c.outWindow()
		w.b = w.b[:0]
	}
}
