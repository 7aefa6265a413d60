package memnet

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// Options shape a connection, the same in both directions. The zero value is a fast local network.
type Options struct {
	// Delay is how long a byte travels, one way. 0 means that it arrives at once.
	Delay time.Duration

	// Bandwidth is how many bytes per second are sent. 0 means no limit.
	Bandwidth int

	// Buffer is how many bytes may be sent and not yet read, per direction, before Write waits. 0 means 64 KiB.
	Buffer int
}

const defaultBuffer = 64 << 10

func (o *Options) orDefault() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Buffer <= 0 {
		out.Buffer = defaultBuffer
	}
	return out
}

// Conn is one end of a connection in memory. It is a [net.Conn], safe for concurrent use; whoever holds it closes it.
// Errors are of type *[net.OpError], as those of package net.
type Conn struct {
	in, out       *half
	local, remote Addr
}

var _ net.Conn = (*Conn)(nil)

// Addr names an end: "client-7" or "server-7" of the seventh connection, or the name of a listener.
type Addr string

// Network is "mem".
func (Addr) Network() string { return "mem" }

func (a Addr) String() string { return string(a) }

var serial atomic.Uint64

// Pipe returns the two ends of a new connection. nil options mean the defaults.
func Pipe(o *Options) (client, server *Conn) {
	n := serial.Add(1)
	return pipe(o, numbered("client-", n), numbered("server-", n))
}

func pipe(o *Options, client, server Addr) (*Conn, *Conn) {
	opts := o.orDefault()
	there, back := newHalf(opts), newHalf(opts)
	return &Conn{in: back, out: there, local: client, remote: server},
		&Conn{in: there, out: back, local: server, remote: client}
}

// Read waits until something arrives and returns io.EOF after the peer has closed.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	return n, c.wrap("read", err)
}

// Write waits while the buffer is full. After the peer has closed it fails with EPIPE.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.out.Write(b)
	return n, c.wrap("write", err)
}

// Close ends both directions. What was written still reaches the peer, and then io.EOF.
func (c *Conn) Close() error {
	c.out.finish(io.EOF)
	c.in.leave()
	return nil
}

// CloseWrite ends the direction to the peer, which reads io.EOF after what was written.
func (c *Conn) CloseWrite() error {
	c.out.finish(io.EOF)
	return nil
}

// Reset aborts the connection, as a TCP reset does: what the peer has not read is lost, and it gets ECONNRESET.
func (c *Conn) Reset() {
	c.out.finish(syscall.ECONNRESET)
	c.in.leave()
}

// LocalAddr is the name of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the name of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline ends present and future reads at t; the zero time means never.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.wrap("set", c.in.setReadDeadline(t)) }

// SetWriteDeadline ends present and future writes at t; the zero time means never.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.wrap("set", c.out.setWriteDeadline(t)) }

func (c *Conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "mem", Source: c.local, Addr: c.remote, Err: err}
}
