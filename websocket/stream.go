package websocket

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/burrownet/burrow/internal/wsframe"
)

// stream is what a connection in blocking style keeps: its net.Conn, and who reads
// and writes it.
type stream struct {
	nc      net.Conn
	reading chan struct{}        // holds a token while somebody reads; capacity 1
	writing chan struct{}        // holds a token while somebody writes; capacity 1
	owed    atomic.Pointer[owed] // nil: nothing
	drop    atomic.Bool          // messages are of no interest any more

	// Owned by who reads.
	buf    []byte
	unread []byte    // the part of buf that was not looked at
	readAt time.Time // the read deadline in force; zero: none
	silent struct {
		since  time.Time // the peer says nothing, or does not answer a ping
		looked time.Time // that somebody has read until
	}

	// Owned by who writes.
	unsent    []byte    // the rest of a frame whose context ended midway
	writeAt   time.Time // the write deadline in force, unless the connection is whole; zero: none
	committed bool      // the last write has begun: its rest will follow
}

// newBlocking makes a connection in blocking style. early is input that has
// arrived already.
func newBlocking(nc net.Conn, set *settings, sub *string, pm deflateParams, early []byte) *Conn {
	c := &Conn{set: set, sub: sub, pm: pm, in: wsframe.Reader{Server: !set.client, Compression: pm.on}}
	c.io = &stream{
		nc: nc, reading: make(chan struct{}, 1), writing: make(chan struct{}, 1),
		unread: append([]byte(nil), early...),
	}
	set.open.add(c)
	return c
}

// The sizes of the buffer that input goes to, in bytes: it grows once a read has
// filled it.
const (
	firstBuffer = 4 << 10
	fullBuffer  = 32 << 10
)

var longAgo = time.Unix(1, 0)

// interruptible has an end of ctx call interrupt while an operation runs. done
// waits until that can no longer happen, and reports whether it has.
func interruptible(ctx context.Context, interrupt func()) (done func() bool) {
	if ctx.Done() == nil {
		return func() bool { return false }
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		interrupt()
		close(ended)
	})
	return func() bool {
		if stop() {
			return false
		}
		<-ended
		return true
	}
}

// fill waits for input, with the token of who reads. An error other than that of
// ctx ends the connection.
func (s *stream) fill(ctx context.Context, c *Conn) error {
	if s.buf == nil {
		s.buf = make([]byte, firstBuffer)
	}
	for len(s.unread) == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.cause(); err != nil {
			return err
		}
		due := s.due(c)
		if s.readAt.IsZero() || s.readAt.After(due) || due.IsZero() {
			if !s.readAt.Equal(due) {
				s.readAt = due
				s.nc.SetReadDeadline(due)
			}
		} // else it passes too early, and is moved on then
		done := interruptible(ctx, func() { s.nc.SetReadDeadline(longAgo) })
		n, err := s.nc.Read(s.buf)
		interrupted := done()
		if interrupted {
			s.readAt = time.Time{}
			s.nc.SetReadDeadline(time.Time{})
		}
		now := time.Now()
		s.silent.looked = now
		if n > 0 {
			s.silent.since = now
			s.unread = s.buf[:n]
			if n == len(s.buf) && n < fullBuffer {
				s.buf = make([]byte, fullBuffer)
			}
			if c.has(stPinged) {
				c.state.And(^uint32(stPinged))
			}
			return nil
		}
		switch {
		case err == nil || interrupted && errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.readAt = time.Time{}
			if now.Before(due) {
				continue
			}
			if c.set1(stPinged) {
				s.silent.since = now
				c.reply(ctx, wsframe.Ping, nil)
				continue
			}
			err = ErrPongTimeout
			fallthrough
		default:
			c.end(abnormal(err))
			s.nc.Close()
			return c.cause()
		}
	}
	return nil
}

// due is when the peer has been silent for too long; zero: never. While nobody reads,
// time does not count: what the peer has said nobody has heard.
func (s *stream) due(c *Conn) time.Time {
	now := time.Now()
	if s.silent.looked.IsZero() {
		s.silent.since = now
	} else {
		s.silent.since = s.silent.since.Add(now.Sub(s.silent.looked))
	}
	s.silent.looked = now
	limit := c.set.pingAfter
	if c.has(stPinged) {
		limit = c.set.pongTimeout
	}
	if limit == 0 {
		return time.Time{}
	}
	return s.silent.since.Add(limit)
}

// next reads until there is a message, with the token of who reads. Its data is
// borrowed until the next.
func (c *Conn) next(ctx context.Context) (event, error) {
	s := c.io
	for {
		for len(s.unread) > 0 {
			ev, n, err := c.feed(s.unread)
			s.unread = s.unread[n:]
			switch {
			case err != nil:
				return ev, c.fail(ctx, err)
			case ev.kind == evMessage:
				return ev, nil
			case ev.kind != evNone:
				if err := c.control(ctx, ev); err != nil {
					return ev, err
				}
			}
			c.settle()
			if p := c.part; p != nil && p.stream {
				return event{}, nil // the Reader looks at what there is
			}
		}
		if err := s.fill(ctx, c); err != nil {
			return event{}, err
		}
	}
}

// lockRead takes the right to read.
func (s *stream) lockRead(ctx context.Context) error {
	select {
	case s.reading <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stream) unlockRead() { <-s.reading }

// lockWrite takes the right to write.
func (s *stream) lockWrite(ctx context.Context) error {
	select {
	case s.writing <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitBlocking waits for a change, and reads itself while nobody else does. What
// it reads is for others: messages are kept, as far as there is room.
func (c *Conn) waitBlocking(ctx context.Context, changed <-chan struct{}) error {
	s := c.io
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case s.reading <- struct{}{}:
	}
	if p := c.part; s.drop.Load() && p != nil && p.stream {
		c.disown(p, wrap("read", errClosed))
		if p.reader != nil {
			p.reader.free()
			p.reader = nil
		}
		p.stream = false
	}
	if !s.drop.Load() && c.crowded() {
		s.unlockRead()
		return ErrUnread // nothing is heard of the peer any more
	}
	defer s.unlockRead()
	if err := c.finishReader(); err != nil {
		return err
	}
	if err := s.fill(ctx, c); err != nil {
		return err
	}
	for len(s.unread) > 0 && (s.drop.Load() || !c.crowded()) {
		ev, n, err := c.feed(s.unread)
		s.unread = s.unread[n:]
		switch {
		case err != nil:
			return c.fail(ctx, err)
		case ev.kind == evMessage && !s.drop.Load():
			c.keep(ev)
		case ev.kind != evNone && ev.kind != evMessage:
			if err := c.control(ctx, ev); err != nil {
				return err
			}
		}
		c.settle()
		if err := c.finishReader(); err != nil {
			return err
		}
	}
	return nil
}

// finishReader detaches a Reader whose message has arrived as a whole.
func (c *Conn) finishReader() error {
	if p := c.part; p != nil && p.stream && p.done {
		return c.detachReader()
	}
	return nil
}

// crowded reports whether no more may be read for others. The caller reads.
func (c *Conn) crowded() bool {
	if p := c.part; p != nil && p.stream && int64(len(p.buf)-p.taken) > defaultMaxMessage {
		return true
	}
	return c.keptTooMuch()
}

// write writes head and body, with the token of who writes.
func (s *stream) write(ctx context.Context, c *Conn, head, body []byte) error {
	s.committed = false
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(s.unsent) > 0 {
		rest := s.unsent
		s.unsent = nil
		if err := s.send(ctx, c, rest, nil); err != nil {
			return err
		}
	}
	s.committed = !s.whole() // else stretches says so
	return s.send(ctx, c, head, body)
}

// send writes a frame, whose body may be in head. What ctx interrupts is kept, to go
// before the next frame; every other fault ends the connection, and so does an
// interruption of what cannot go on after it.
func (s *stream) send(ctx context.Context, c *Conn, head, body []byte) error {
	if s.whole() {
		return s.sendWhole(ctx, c, head, body)
	}
	began := time.Now()
	for {
		if d := c.set.writeTimeout; d > 0 && s.writeAt.Before(began.Add(d/2)) {
			s.writeAt = began.Add(d)
			s.nc.SetWriteDeadline(s.writeAt)
		} // else it passes too early, and is moved on then
		n, interrupted, err := s.put(ctx, head, body)
		if err == nil {
			return nil
		}
		skip := min(n, len(head))
		if head, body = head[skip:], body[n-skip:]; len(head) == 0 {
			head, body = body, nil
		}
		switch {
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return s.broken(c, err)
		case interrupted:
			s.unsent = append(append(s.unsent, head...), body...)
			return ctx.Err()
		case n > 0:
			began = time.Now() // the peer reads
		case time.Since(began) >= c.set.writeTimeout:
			return s.broken(c, err)
		}
		s.writeAt = time.Time{}
	}
}

// put writes once.
func (s *stream) put(ctx context.Context, head, body []byte) (n int, interrupted bool, err error) {
	done := interruptible(ctx, func() { s.nc.SetWriteDeadline(longAgo) })
	if len(body) == 0 {
		n, err = s.nc.Write(head)
	} else {
		var m int64
		bufs := net.Buffers{head, body}
		m, err = bufs.WriteTo(s.nc) // one system call where the connection can
		n = int(m)
	}
	if interrupted = done(); interrupted {
		s.writeAt = time.Time{}
		s.nc.SetWriteDeadline(time.Time{})
	}
	return n, interrupted, err
}

// broken ends the connection, and returns the cause.
func (s *stream) broken(c *Conn, err error) error {
	c.end(abnormal(err))
	s.nc.Close()
	return c.cause()
}
