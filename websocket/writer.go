package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/burrownet/burrow/internal/wsframe"
)

// Writer begins a message that is sent in pieces, as frames of up to 16 KiB, and
// ends when the writer is closed. Other messages wait meanwhile. ctx is that of the
// message as a whole: when it ends before Close, or a piece cannot be sent, the
// connection ends at once, because what was begun cannot be taken back. In event style a
// piece is refused, and the connection ends, when the peer reads too slowly.
func (c *Conn) Writer(ctx context.Context, t MessageType) (io.WriteCloser, error) {
	if !t.valid() {
		return nil, wrap("write", errMessageType)
	}
	if err := c.lockWrite(ctx, true); err != nil {
		return nil, wrap("write", err)
	}
	defer c.unlockWrite()
	switch {
	case c.has(stEnded):
		return nil, wrap("write", c.cause())
	case c.has(stCloseSent):
		return nil, wrap("write", errClosed)
	}
	c.set1(stStreaming)
	w := &messageWriter{c: c, ctx: ctx, op: wsframe.Opcode(t), buf: frameBufs.Get().(*frameBuf)}
	if ctx.Done() != nil {
		w.stop = context.AfterFunc(ctx, func() { c.abort(errAbandoned) }) // others would wait for ever to write
	}
	if c.pm.on {
		w.z = newCompressor(c.set.deflate.level(), c.ownBits())
		if c.takesOver() {
			w.window = c.outWindow()
			w.z.begin((*pieces)(w), w.window.b)
		} else {
			w.z.begin((*pieces)(w), nil)
		}
	}
	return w, nil
}

// messageWriter writes one message. Not safe for concurrent use.
type messageWriter struct {
	c      *Conn
	ctx    context.Context
	op     wsframe.Opcode // of the next frame
	buf    *frameBuf      // of the next frame
	z      *compressor    // nil: not compressed
	window *window        // nil: no takeover
	stop   func() bool    // of the end of ctx; nil: it has none
	err    error
}

// errAbandoned is how a connection ends whose Writer was not closed in time.
var errAbandoned = fmt.Errorf("websocket: write: a Writer's context has ended before its message: %w", net.ErrClosed)

var errWriterClosed = errors.New("websocket: write: the message has ended")

// Write implements io.Writer.
func (w *messageWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	var err error
	if w.z != nil {
		_, err = w.z.w.Write(p)
		if w.window != nil {
			w.window.add(p, windowSize(w.c.ownBits()))
		}
	} else {
		_, err = (*pieces)(w).Write(p)
	}
	if err != nil {
		return 0, w.fail(err)
	}
	return len(p), nil
}

// Close sends the last frame.
func (w *messageWriter) Close() error {
	if w.err != nil {
		return w.err
	}
	if w.z != nil {
		if err := w.z.w.Flush(); err != nil {
			return w.fail(err)
		}
	}
	if err := w.frame(true); err != nil {
		return w.fail(err)
	}
	w.free(errWriterClosed)
	return nil
}

func (w *messageWriter) free(err error) {
	w.err = err
	if w.stop != nil {
		w.stop()
	}
	if w.z != nil {
		w.z.free()
		w.z = nil
	}
	w.buf.free()
	w.buf = nil
	w.c.state.And(^uint32(stStreaming))
	w.c.announce()
}

// fail ends the connection: the message was begun and cannot be ended.
func (w *messageWriter) fail(err error) error {
	if w.ctx.Err() != nil {
		err = w.ctx.Err()
	}
	w.free(wrap("write", err))
	w.c.abort(errClosed)
	return w.err
}

// frame sends what was gathered.
func (w *messageWriter) frame(fin bool) error {
	c := w.c
	if err := c.lockWrite(w.ctx, false); err != nil {
		return err
	}
	defer c.unlockWrite()
	h := wsframe.Header{Opcode: w.op, Fin: fin, RSV1: w.z != nil && w.op != wsframe.Continuation}
	err := c.writeFrame(w.ctx, h, w.buf.b)
	w.op, w.buf.b = wsframe.Continuation, w.buf.b[:0]
	return err
}

// pieces is the messageWriter as what gathers frames.
type pieces messageWriter

// Write implements io.Writer.
func (w *pieces) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		m := min(len(p), copied-len(w.buf.b))
		w.buf.b = append(w.buf.b, p[:m]...)
		p = p[m:]
		if len(w.buf.b) == copied {
			if err := (*messageWriter)(w).frame(false); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}
