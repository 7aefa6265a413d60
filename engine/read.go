package engine

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// input holds what a connection has received and its protocol not used.
type input struct{ b []byte }

var inputs = sync.Pool{New: func() any { return &input{make([]byte, 0, 4<<10)} }}

// readSize is the room made for one read of More, in bytes.
const readSize = 16 << 10

// keep makes rest, the unused end of the current input, the connection's own.
func (c *Conn) keep(rest []byte) {
	if len(rest) == 0 {
		c.drop()
		return
	}
	if c.in == nil {
		c.in = inputs.Get().(*input)
	}
	// rest may lie inside the buffer it moves to the start of.
	c.in.b = append(c.in.b[:0], rest...)
}

// drop lets the input buffer go.
func (c *Conn) drop() {
	if c.in == nil {
		return
	}
	if cap(c.in.b) <= maxPooled {
		c.in.b = c.in.b[:0]
		inputs.Put(c.in)
	}
	c.in = nil
}

// room is free space behind what is kept.
func (c *Conn) room() []byte {
	if c.in == nil {
		c.in = inputs.Get().(*input)
	}
	if have := len(c.in.b); cap(c.in.b)-have < readSize/4 {
		c.in.b = append(make([]byte, 0, have+readSize), c.in.b...)
	}
	return c.in.b[len(c.in.b):cap(c.in.b)]
}

// More waits for further input from within a call. rest is the end of the
// current input that is not used yet; the result starts with it and takes the
// place of what the call was given: borrowed until the next More or the end of
// the call, and counted by what Data returns. timeout bounds the wait, 0 is
// without limit; when it passes the error is [os.ErrDeadlineExceeded]. At the
// peer's half-close the error is [io.EOF]. With an error the result is rest.
// More gives up the loop if it has to wait.
func (c *Conn) More(rest []byte, timeout time.Duration) ([]byte, error) {
	w := c.w
	c.keep(rest)
	room := c.room()
	in := c.in
	w.view = in.b
	if c.EOF() {
		return in.b, io.EOF
	}
	if len(in.b) >= c.svc.e.maxUnread() {
		return in.b, ErrUnread
	}
	n, err := c.read(room, timeout)
	in.b = in.b[:len(in.b)+n]
	w.view = in.b
	if n > 0 {
		return in.b, nil
	}
	return in.b, err
}

// read waits until it has at least a byte, or an error.
func (c *Conn) read(b []byte, timeout time.Duration) (int, error) {
	if x := c.ext; x != nil && x.g != nil {
		n, err := x.g.read(c, b, timeout)
		if err == io.EOF {
			c.setEOF()
		}
		return n, err
	}
	for {
		n, err := c.tryRead(b)
		if n > 0 {
			return n, nil
		}
		if err != errAgain {
			if err == io.EOF {
				c.setEOF()
			}
			return 0, err
		}
		c.mu.Lock()
		if c.flags&(flagClosing|flagClosed) != 0 {
			c.mu.Unlock()
			return 0, net.ErrClosed
		}
		if c.interruptedLocked() {
			c.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		}
		if err := c.waitLocked(flagWantRead, timeout); err != nil {
			return 0, err
		}
	}
}

// tryRead reads what is there: errAgain when that is nothing.
func (c *Conn) tryRead(b []byte) (int, error) {
	if x := c.ext; x != nil && x.tls != nil && x.early == nil {
		return x.tls.read(b)
	}
	n, err := c.loop.poll.receive(c, b)
	if err != nil && err != errAgain && err != io.EOF {
		err = c.readError(err)
	}
	return n, err
}

func (c *Conn) readError(err error) error {
	return &net.OpError{Op: "read", Net: c.Network(), Err: os.NewSyscallError("read", err)}
}

func (c *Conn) setEOF() {
	c.mu.Lock()
	c.flags |= flagStreamEnd
	c.mu.Unlock()
}
