package websocket

import (
	"cmp"
	"context"
	"io"

	"github.com/burrownet/burrow/internal/wsframe"
)

// Read waits for the next message. data is the caller's. When ctx ends nothing is
// lost: a later Read goes on where this one has stopped. Any other error is the end
// of the connection: a *CloseError, a *ProtocolError, ErrMessageTooBig, or a
// net.ErrClosed after Close or CloseNow.
//
// In event style it may be called from within a callback: the message that it
// returns does not go to the Handler.
func (c *Conn) Read(ctx context.Context) (t MessageType, data []byte, err error) {
	return c.ReadAppend(ctx, nil)
}

// ReadAppend is Read into the caller's memory: the message is appended to dst.
func (c *Conn) ReadAppend(ctx context.Context, dst []byte) (t MessageType, data []byte, err error) {
	if c.io == nil {
		return c.readEvent(ctx, dst)
	}
	if err := c.io.lockRead(ctx); err != nil {
		return 0, dst, wrap("read", err)
	}
	defer c.io.unlockRead()
	if err := c.skip(ctx); err != nil {
		return 0, dst, wrap("read", err)
	}
	if m, ok := c.kept(); ok {
		return m.typ, append(dst, m.data...), nil
	}
	if err := c.cause(); err != nil {
		return 0, dst, wrap("read", err)
	}
	ev, err := c.next(ctx)
	if err != nil {
		return 0, dst, wrap("read", err)
	}
	dst = append(dst, ev.data...)
	c.settle()
	return ev.typ, dst, nil
}

// skip drops the rest of a message whose Reader was not read to its end.
func (c *Conn) skip(ctx context.Context) error {
	for c.part != nil && c.part.stream {
		p := c.part
		c.disown(p, errNextMessage)
		switch r := p.reader; {
		case r == nil:
			p.buf, p.taken = p.buf[:0], 0
		case len(p.buf)-p.taken > defaultMaxMessage:
			r.ctx = ctx
			if err := r.drain(); err != nil { // as it comes
				return cmp.Or(ctx.Err(), err)
			}
			continue
		}
		if p.done || !p.begun {
			return c.detachReader()
		}
		if err := c.cause(); err != nil {
			return err
		}
		if _, err := c.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// disown takes the message in progress away from its Reader, which fails with err.
// It stays the message's where the peer takes over: the rest has to be decompressed
// all the same, for what comes next to refer to.
func (c *Conn) disown(p *partial, err error) {
	r := p.reader
	if r == nil {
		return
	}
	if r.err == nil {
		r.err = err
	}
	if r.z == nil || !c.peerTakesOver() {
		r.free()
		p.reader = nil
	}
}

// Reader waits for the next message and returns a reader of it, which gives its
// parts as they arrive: a message need not fit into memory then, if MaxMessageBytes
// allows more. The reader uses ctx too. It ends in io.EOF; what is not read when
// the next message is asked for is dropped. When that is more than 1 MiB, of a
// compressed message that later ones refer to, the end of the ctx of who asks ends
// the connection. Text is validated as it arrives; a text's last bytes have been
// delivered when it turns out not to be UTF-8.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	if c.io == nil {
		t, data, err := c.readEvent(ctx, nil)
		return t, &messageReader{rest: data, whole: true}, err
	}
	if err := c.io.lockRead(ctx); err != nil {
		return 0, nil, wrap("read", err)
	}
	defer c.io.unlockRead()
	if err := c.skip(ctx); err != nil {
		return 0, nil, wrap("read", err)
	}
	if m, ok := c.kept(); ok {
		return m.typ, &messageReader{rest: m.data, whole: true}, nil
	}
	if err := c.cause(); err != nil {
		return 0, nil, wrap("read", err)
	}
	p := c.partial()
	p.stream = true
	if !c.in.InMessage() {
		p.begun = false
	}
	for !p.begun {
		if _, err := c.next(ctx); err != nil {
			p.stream = false
			return 0, nil, wrap("read", err)
		}
	}
	r := &messageReader{c: c, ctx: ctx, typ: p.typ, attached: true}
	if p.compressed {
		r.z = newDecompressor()
		r.z.begin(nil, r.raw, r.dict())
	}
	p.reader = r
	return p.typ, r, nil
}

// messageReader reads one message: what is in rest, then what is to come while it is
// attached, then err. Not safe for concurrent use.
type messageReader struct {
	c     *Conn
	ctx   context.Context
	typ   MessageType
	whole bool          // the message was there as a whole, in rest: no lock is needed
	rest  []byte        // decompressed
	z     *decompressor // nil: not compressed, or at its end
	tail  window        // what z gave last, where the peer does not take over
	text  wsframe.UTF8  // of what z gave
	total int64         // bytes of what z gave
	err   error
	// attached says that c.part has, or gets, more of the message.
	attached bool
}

// Read implements io.Reader.
func (r *messageReader) Read(b []byte) (int, error) {
	if r.whole {
		if len(r.rest) == 0 {
			return 0, io.EOF
		}
		n := copy(b, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	if err := r.c.io.lockRead(r.ctx); err != nil {
		return 0, wrap("read", err)
	}
	defer r.c.io.unlockRead()
	switch {
	case len(b) == 0 && (r.err == nil || len(r.rest) > 0):
		return 0, nil
	case len(r.rest) > 0:
		n := copy(b, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	case r.err != nil:
		return 0, r.err
	case r.z == nil:
		return r.plain(b)
	}
	n, err := r.inflated(b)
	if err == nil && !r.attached {
		r.drain() // z has all of it, and may not be asked again; a fault is for the next Read
	}
	return n, err
}

// plain reads what was not compressed.
func (r *messageReader) plain(b []byte) (int, error) {
	rest, err := r.arrived()
	if err != nil {
		return 0, r.fault(err)
	}
	n := copy(b, rest)
	r.take(n)
	return n, nil
}

// arrived waits until something of the message is there: io.EOF at its end.
func (r *messageReader) arrived() ([]byte, error) {
	c := r.c
	for r.attached {
		p := c.part
		if p.taken < len(p.buf) {
			return p.buf[p.taken:], nil
		}
		p.buf, p.taken = p.buf[:0], 0
		if p.done {
			r.detach()
			break
		}
		if err := c.cause(); err != nil {
			return nil, err
		}
		if _, err := c.next(r.ctx); err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

// take notes that n bytes of what has arrived are used.
func (r *messageReader) take(n int) {
	r.c.part.taken += n
	r.c.announce()
}

// detach lets go of the connection, which has nothing more for r.
func (r *messageReader) detach() {
	r.attached = false
	r.c.part.reader = nil
	r.c.detachReader()
}

// detachReader gives a Reader all that is left of its message, which has arrived, so
// that the connection can go on without it. What was compressed is decompressed now:
// what comes next may refer to it. An error is the cause that the connection has
// ended with.
func (c *Conn) detachReader() error {
	p := c.part
	if r := p.reader; r != nil {
		if r.z != nil {
			return r.drain() // detaches at the end
		}
		if r.err == nil {
			r.rest, r.err = append([]byte(nil), p.buf[p.taken:]...), io.EOF
		}
		r.attached = false
	}
	p.stream, p.done, p.reader = false, false, nil
	c.settle()
	return nil
}

// drain decompresses the rest of a message for its Reader or, once it is disowned, for
// the window alone.
func (r *messageReader) drain() error {
	disowned := r.err
	out := make([]byte, 0, 4<<10)
	for {
		if len(out) == cap(out) {
			out = append(out, 0)[:len(out)]
		}
		n, err := r.inflated(out[len(out):cap(out)])
		if disowned == nil {
			out = out[:len(out)+n]
		}
		if err == nil {
			continue
		}
		r.rest = out
		if disowned != nil {
			r.rest, r.err = nil, disowned
		}
		if err == io.EOF {
			err = nil
		}
		return err
	}
}

// fault notes how the message ends; the end of ctx is none, but where a
// decompressor has stopped midway.
func (r *messageReader) fault(err error) error {
	if err == io.EOF {
		r.err = io.EOF
		return r.err
	}
	if err = wrap("read", err); r.ctx.Err() == nil || r.c.has(stEnded) {
		r.err = err
	}
	return err
}

// raw gives the decompressor what arrives. It is used up before the next call.
func (r *messageReader) raw() ([]byte, error) {
	b, err := r.arrived()
	if err == nil {
		r.take(len(b))
	}
	return b, err
}

// dict is what a compressed message may refer to.
func (r *messageReader) dict() []byte { return r.window().b }

func (r *messageReader) window() *window {
	if r.c.peerTakesOver() {
		return r.c.inWindow()
	}
	return &r.tail
}

// inflated reads what was compressed.
func (r *messageReader) inflated(b []byte) (int, error) {
	n, err := r.z.read(b, func() []byte { return append([]byte(nil), r.dict()...) })
	r.total += int64(n)
	r.window().add(b[:n], maxWindow)
	limit := r.c.set.maxMessage
	switch {
	case limit > 0 && r.total > limit:
		err = r.c.fail(r.ctx, ErrMessageTooBig)
	case r.typ == MessageText && (!r.text.Valid(b[:n]) || err == io.EOF && !r.text.Complete()):
		err = r.c.fail(r.ctx, wsframe.ErrUTF8)
	case err == errDeflate || err == errStreams:
		err = r.c.fail(r.ctx, err)
	case err == nil:
		return n, nil
	}
	r.free()
	if err != io.EOF && r.ctx.Err() != nil && !r.c.has(stEnded) {
		// A decompressor cannot go on where it was stopped.
		r.c.abort(errClosed)
	}
	r.err = err
	if err != io.EOF {
		r.err = wrap("read", err)
	}
	return n, r.err
}

func (r *messageReader) free() {
	if r.z != nil {
		r.z.free()
		r.z = nil
	}
}

// CloseRead reads from now on in a goroutine of its own, for a connection that is
// only written to: so that pings are answered, and the peer's end is noticed. The
// context that it returns ends then, and with ctx; the peer's first message ends the
// connection with StatusPolicyViolation. In event style it only returns the context.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		var err error
		if c.io == nil {
			err = c.ended(ctx)
		} else {
			_, _, err = c.Reader(ctx)
			if err == nil {
				c.Close(StatusPolicyViolation, "no messages are expected")
				err = errClosed
			}
		}
		cancel(err)
	}()
	return ctx
}
