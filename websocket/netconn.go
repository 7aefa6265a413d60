package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// NetConn is the connection as a stream of bytes: what is written becomes messages of
// type t, each Write one, and what is read is the content of such messages; one of
// the other type ends the connection with StatusUnsupportedData. An orderly close of
// the peer is io.EOF. Close closes with StatusNormal. Both ends of ctx and deadlines
// leave the connection as it is; for that, where compression was agreed upon, a
// message is read as a whole. Text is split where the bytes are: use MessageBinary for
// what is not UTF-8 in each Write. Blocking style only.
func (c *Conn) NetConn(ctx context.Context, t MessageType) net.Conn {
	n := &netConn{c: c, ctx: ctx, typ: t}
	n.read.n, n.write.n = n, n
	return n
}

// netConn implements net.Conn. Methods may be called concurrently.
type netConn struct {
	c           *Conn
	ctx         context.Context
	typ         MessageType
	read, write netDeadline
	rmu         sync.Mutex // held while reading
	r           io.Reader  // the message in progress; guarded by rmu
	closed      atomic.Bool
}

// netDeadline makes contexts that end at a deadline which may move.
type netDeadline struct {
	n      *netConn
	mu     sync.Mutex
	at     time.Time               // guarded by mu
	timer  *time.Timer             // guarded by mu
	ctx    context.Context         // guarded by mu; nil: to be made
	cancel context.CancelCauseFunc // guarded by mu
}

// context is the present one.
func (d *netDeadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil {
		d.ctx, d.cancel = context.WithCancelCause(d.n.ctx)
		d.start()
	}
	return d.ctx
}

// start starts the timer. mu is held.
func (d *netDeadline) start() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.at.IsZero() || d.ctx == nil {
		return
	}
	left := time.Until(d.at)
	if left <= 0 {
		d.cancel(os.ErrDeadlineExceeded)
		return
	}
	cancel := d.cancel
	d.timer = time.AfterFunc(left, func() { cancel(os.ErrDeadlineExceeded) })
}

func (d *netDeadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	if d.ctx != nil && d.ctx.Err() != nil && d.n.ctx.Err() == nil {
		d.ctx = nil // it has ended; the next call gets another one
		return
	}
	d.start()
}

func (d *netDeadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.cancel != nil {
		d.cancel(net.ErrClosed)
	}
}

// fault is the net package's word for an error.
func (n *netConn) fault(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case n.c.has(stEnded) && errors.Is(err, net.ErrClosed):
		err = net.ErrClosed
	case errors.Is(err, io.EOF):
		return io.EOF // an orderly close
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err = context.Cause(ctx)
	}
	return &net.OpError{Op: op, Net: "websocket", Addr: n.RemoteAddr(), Err: err}
}

// Read implements net.Conn.
func (n *netConn) Read(b []byte) (int, error) {
	ctx := n.read.context()
	if err := ctx.Err(); err != nil {
		return 0, n.fault(ctx, "read", err)
	}
	n.rmu.Lock()
	defer n.rmu.Unlock()
	for {
		if n.r == nil {
			t, r, err := n.next(ctx)
			if err != nil {
				return 0, n.fault(ctx, "read", err)
			}
			if t != n.typ {
				n.c.Close(StatusUnsupportedData, "a message of the other type")
				return 0, n.fault(ctx, "read", net.ErrClosed)
			}
			n.r = r
		}
		if r, ok := n.r.(*messageReader); ok {
			r.ctx = ctx
		}
		m, err := n.r.Read(b)
		if err == io.EOF {
			n.r = nil
			if m == 0 && len(b) > 0 {
				continue
			}
			err = nil
		}
		return m, n.fault(ctx, "read", err)
	}
}

// next waits for a message. A decompressor cannot go on where a deadline has stopped it.
func (n *netConn) next(ctx context.Context) (MessageType, io.Reader, error) {
	if !n.c.pm.on {
		return n.c.Reader(ctx)
	}
	t, data, err := n.c.Read(ctx)
	return t, bytes.NewReader(data), err
}

// Write implements net.Conn.
func (n *netConn) Write(b []byte) (int, error) {
	ctx := n.write.context()
	err := n.c.Write(ctx, n.typ, b)
	if err != nil {
		if _, ok := errors.AsType[*CloseError](err); ok && errors.Is(err, io.EOF) {
			err = net.ErrClosed // of a write, the end is no end of input
		}
		return 0, n.fault(ctx, "write", err)
	}
	return len(b), nil
}

// Close implements net.Conn. As with TCP, that the peer does not answer is no error.
func (n *netConn) Close() error {
	n.read.stop()
	n.write.stop()
	if n.closed.Swap(true) {
		return net.ErrClosed
	}
	n.c.Close(StatusNormal, "")
	return nil
}

// LocalAddr implements net.Conn.
func (n *netConn) LocalAddr() net.Addr {
	if n.c.io != nil {
		return n.c.io.nc.LocalAddr()
	}
	return net.TCPAddrFromAddrPort(n.c.ev.LocalAddr())
}

// RemoteAddr implements net.Conn.
func (n *netConn) RemoteAddr() net.Addr {
	if n.c.io != nil {
		return n.c.io.nc.RemoteAddr()
	}
	return net.TCPAddrFromAddrPort(n.c.ev.RemoteAddr())
}

// SetDeadline implements net.Conn.
func (n *netConn) SetDeadline(t time.Time) error {
	n.read.set(t)
	n.write.set(t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (n *netConn) SetReadDeadline(t time.Time) error {
	n.read.set(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.write.set(t)
	return nil
}
