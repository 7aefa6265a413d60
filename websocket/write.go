package websocket

import (
	"context"
	"sync"

	"github.com/burrownet/burrow/internal/wsframe"
)

// frameBuf is the memory of a frame on its way out.
type frameBuf struct{ b []byte }

var frameBufs = sync.Pool{New: func() any { return &frameBuf{make([]byte, 0, 2<<10)} }}

func (f *frameBuf) free() {
	if cap(f.b) > keepBuffer {
		return
	}
	f.b = f.b[:0]
	frameBufs.Put(f)
}

// Write sends one message. Text must be UTF-8, which is not looked at. p is the
// caller's again when Write returns.
//
// In blocking style it waits until the message has left, but not longer than ctx
// and WriteTimeout allow. A message whose ctx ends midway is not lost: its rest
// leaves before the next frame; over TLS and HTTP/2 the connection ends instead.
//
// In event style it never waits for the peer: what the socket does not take is
// queued, and ErrBacklog says that there is too much of that already, and that the
// message was not sent. What a callback writes leaves when it returns or waits, or
// after a millisecond. ctx has no effect then.
func (c *Conn) Write(ctx context.Context, t MessageType, p []byte) error {
	if !t.valid() {
		return wrap("write", errMessageType)
	}
	if c.pm.on && len(p) >= c.set.deflate.minBytes() {
		return wrap("write", c.writeCompressed(ctx, t, p))
	}
	if err := c.lockWrite(ctx, true); err != nil {
		return wrap("write", err)
	}
	err := c.writeFrame(ctx, wsframe.Header{Opcode: wsframe.Opcode(t), Fin: true}, p)
	c.unlockWrite()
	if err != nil {
		return wrap("write", err)
	}
	return nil
}

// writeCompressed is Write with compression.
func (c *Conn) writeCompressed(ctx context.Context, t MessageType, p []byte) error {
	out := frameBufs.Get().(*frameBuf)
	defer out.free()
	h := wsframe.Header{Opcode: wsframe.Opcode(t), Fin: true, RSV1: true}
	if !c.takesOver() {
		// Each message for itself: no need to hold others up.
		c.compress(out, p, nil)
		if err := c.lockWrite(ctx, true); err != nil {
			return err
		}
		defer c.unlockWrite()
		return c.writeFrame(ctx, h, out.b)
	}
	if err := c.lockWrite(ctx, true); err != nil {
		return err
	}
	defer c.unlockWrite()
	w := c.outWindow()
	c.compress(out, p, w.b)
	err := c.writeFrame(ctx, h, out.b)
	if err == nil || c.io != nil && c.io.committed {
		// What was refused the peer does not know; what was begun will follow.
		w.add(p, windowSize(c.ownBits()))
	}
	return err
}

func (c *Conn) compress(out *frameBuf, p, dict []byte) {
	z := newCompressor(c.set.deflate.level(), c.ownBits())
	defer z.free()
	w := &sliceWriter{out.b}
	z.begin(w, dict)
	z.w.Write(p)
	z.w.Flush()
	out.b = w.b
	if len(out.b) == 0 {
		out.b = append(out.b, 0) // RFC 7692 7.2.3.6: an empty message is one empty block
	}
}

// The parameters of RFC 7692 are about the server and the client; these are about
// this side and the peer.

func (c *Conn) takesOver() bool {
	if c.set.client {
		return !c.pm.clientNoTakeover
	}
	return !c.pm.serverNoTakeover
}

func (c *Conn) peerTakesOver() bool {
	if c.set.client {
		return !c.pm.serverNoTakeover
	}
	return !c.pm.clientNoTakeover
}

func (c *Conn) ownBits() uint8 {
	if c.set.client {
		return c.pm.clientBits
	}
	return c.pm.serverBits
}

func (c *Conn) outWindow() *window { return &c.extra().sentWindow }
func (c *Conn) inWindow() *window  { return &c.extra().readWindow }

// lockWrite takes the right to write a frame: for a message, once no Writer is
// open.
func (c *Conn) lockWrite(ctx context.Context, message bool) error {
	for {
		if c.io == nil {
			c.wmu.Lock()
		} else if err := c.io.lockWrite(ctx); err != nil {
			return err
		}
		if !message || !c.has(stStreaming) {
			return nil
		}
		c.unlockWrite()
		changed := c.watch()
		if !c.has(stStreaming) {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := c.cause(); err != nil {
			return err
		}
	}
}

func (c *Conn) unlockWrite() {
	if c.io == nil {
		c.wmu.Unlock()
		return
	}
	s := c.io
	<-s.writing
	if s.owed.Load() != nil {
		select {
		case s.writing <- struct{}{}:
			go c.pay()
		default: // whoever it is pays
		}
	}
}

// writeControl writes a control frame.
func (c *Conn) writeControl(ctx context.Context, op wsframe.Opcode, payload []byte) error {
	if err := c.lockWrite(ctx, false); err != nil {
		return err
	}
	defer c.unlockWrite()
	return c.writeFrame(ctx, wsframe.Header{Opcode: op, Fin: true}, payload)
}

// copied is the largest payload that is copied behind its header to be written at
// once, in bytes.
const copied = 16 << 10

// writeFrame writes a frame. The right to write is held.
func (c *Conn) writeFrame(ctx context.Context, h wsframe.Header, p []byte) error {
	if c.has(stEnded) && h.Opcode != wsframe.Close {
		return c.cause()
	}
	if h.Opcode != wsframe.Close && c.has(stCloseSent) {
		return errClosed // RFC 6455 5.5.1: nothing after the close frame
	}
	h.Length = int64(len(p))
	buf := frameBufs.Get().(*frameBuf)
	defer buf.free()
	if c.set.client {
		h.Masked, h.Key = true, maskKey()
		buf.b = append(wsframe.AppendHeader(buf.b, h), p...)
		wsframe.Mask(buf.b[len(buf.b)-len(p):], h.Key)
		p = nil
	} else if buf.b = wsframe.AppendHeader(buf.b, h); len(p) <= copied {
		buf.b = append(buf.b, p...)
		p = nil
	}
	if c.ev != nil {
		return c.writeEvent(buf.b, p, h.Opcode.Control())
	}
	return c.io.write(ctx, c, buf.b, p)
}
