package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"time"
)

// TLS on a loop is plain crypto/tls. The handshake runs on a goroutine of its
// own. After it the loop reads through the same *tls.Conn, whose transport
// answers errAgainTLS, a temporary net.Error, when the socket is dry: crypto/tls
// keeps the part of a record that it has and goes on with the next Read. See
// docs/decisions/0003.

// tlsLayer is the TLS of one connection. Its reading side is owned by the call
// in progress.
type tlsLayer struct {
	conn *tls.Conn
	feed tlsFeed
	dry  bool // the last read took all there was
	held bool // there is more, which waits until what is unsent has left; guarded by Conn.mu

	writing sync.Mutex // keeps the parts of a write together; taken before Conn.mu
}

// tlsFeed is the transport under a tls.Conn.
type tlsFeed struct {
	c       *Conn
	pending []byte    // read before the handshake began
	nc      net.Conn  // after Detach: the socket
	block   bool      // the handshake: reads wait
	dry     bool      // the last read took all that the socket had
	end     time.Time // of the handshake
	token   bool      // the handshake may compute
}

type againError struct{}

func (againError) Error() string   { return "engine: no input yet" }
func (againError) Timeout() bool   { return true }
func (againError) Temporary() bool { return true }

var errAgainTLS net.Error = againError{}

func (f *tlsFeed) Read(b []byte) (int, error) {
	if len(f.pending) > 0 {
		n := copy(b, f.pending)
		f.pending = f.pending[n:]
		return n, nil
	}
	switch {
	case f.nc != nil:
		return f.nc.Read(b)
	case f.block:
		left := time.Until(f.end)
		if left <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		return f.c.read(b, left)
	case f.dry:
		return 0, errAgainTLS
	}
	n, err := f.c.loop.poll.receive(f.c, b)
	f.dry = n < len(b)
	if err == errAgain {
		err = errAgainTLS
	}
	return n, err
}

func (f *tlsFeed) Write(b []byte) (int, error) {
	if f.nc != nil {
		return f.nc.Write(b)
	}
	// The budget was looked at before the record was made: a record that is lost
	// would break the connection.
	return len(b), f.c.send(b, nil, math.MaxInt)
}

func (f *tlsFeed) Close() error {
	if f.nc != nil {
		return f.nc.Close()
	}
	return f.c.Close()
}

func (f *tlsFeed) LocalAddr() net.Addr {
	if f.nc != nil {
		return f.nc.LocalAddr()
	}
	return net.TCPAddrFromAddrPort(f.c.LocalAddr())
}

func (f *tlsFeed) RemoteAddr() net.Addr {
	if f.nc != nil {
		return f.nc.RemoteAddr()
	}
	return net.TCPAddrFromAddrPort(f.c.RemoteAddr())
}

// The deadlines of a loop's connection are the loop's.
func (f *tlsFeed) SetDeadline(t time.Time) error {
	if f.nc != nil {
		return f.nc.SetDeadline(t)
	}
	return nil
}

func (f *tlsFeed) SetReadDeadline(t time.Time) error {
	if f.nc != nil {
		return f.nc.SetReadDeadline(t)
	}
	return nil
}

func (f *tlsFeed) SetWriteDeadline(t time.Time) error {
	if f.nc != nil {
		return f.nc.SetWriteDeadline(t)
	}
	return nil
}

// greet works off the first bytes of a connection that begins with a preface or
// a TLS handshake.
func (c *Conn) greet(w *worker) {
	n, err := c.loop.poll.receive(c, w.buf)
	if n == 0 && err != errAgain {
		c.finish(err)
		return
	}
	c.keep(append(c.buffered(), w.buf[:n]...))
	if len(c.buffered()) == 0 || !c.preface() {
		c.settle(w)
		return
	}
	if c.svc.opts.TLS == nil {
		c.mu.Lock()
		c.lateLocked()
		c.mu.Unlock()
		if rest := c.buffered(); len(rest) > 0 && !c.offer(w, nil, nil) {
			return
		}
		c.settle(w)
		return
	}
	if len(c.buffered()) > 0 {
		c.Go(c.handshake)
	}
	c.settle(w)
}

// preface gives the preface function what has arrived; it reports whether the
// preface is over.
func (c *Conn) preface() bool {
	p := c.svc.opts.Preface
	if p == nil || c.ext.early.greeted {
		return true
	}
	n, err := p(c, c.buffered())
	if err == nil && n < 0 && len(c.buffered()) > bufSize {
		err = ErrUnread
	}
	if err != nil {
		c.refused("preface", err)
		c.Close()
		return false
	}
	if n < 0 {
		return false
	}
	c.ext.early.greeted = true
	c.keep(c.buffered()[n:])
	return true
}

// handshake runs on a goroutine of its own, as a call for c.
func (c *Conn) handshake() {
	s := &tlsLayer{}
	f := &s.feed
	*f = tlsFeed{c: c, pending: append([]byte(nil), c.buffered()...), block: true}
	c.drop()
	f.end = epoch.Add(time.Duration(c.deadline.Load()))
	s.conn = tls.Server(f, c.svc.opts.TLS)
	c.mu.Lock()
	c.ext.tls = s
	c.mu.Unlock()
	s.resume()
	err := s.conn.HandshakeContext(context.Background())
	s.yield()
	f.block = false
	if err != nil {
		c.refuse(err)
		return
	}
	lendable(s.conn)
	c.mu.Lock()
	for x := c.ext; len(x.early.first) > 0; c.mu.Lock() {
		first := x.early.first
		x.early.first = nil
		c.mu.Unlock()
		s.conn.Write(first) // it was within the budget; a failure shows with the next write
	}
	c.lateLocked()
	c.mu.Unlock()
	if h, ok := c.proto.(Handshaker); ok {
		h.Handshaken(c)
	}
}

// Handshaker is a Protocol that wants to know when the TLS handshake is over.
// Handshaken is called as Data is.
type Handshaker interface{ Handshaken(c *Conn) }

// refuse ends a connection whose handshake failed.
func (c *Conn) refuse(err error) {
	c.refused("TLS handshake", err)
	if re, ok := errors.AsType[tls.RecordHeaderError](err); ok && re.Conn != nil && len(c.svc.opts.NotTLS) > 0 && speaksText(re.RecordHeader) {
		c.send(c.svc.opts.NotTLS, nil, math.MaxInt)
	}
	c.mu.Lock()
	c.ext.early.first = nil
	c.flags |= flagFinish | flagPolite
	c.mu.Unlock()
}

// speaksText reports whether what came instead of a TLS record looks like the
// method of a text protocol, whose client can read an answer.
func speaksText(b [5]byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// resume and yield bound the handshakes that compute at the same time: each
// takes a third of a millisecond, and the loops need the processors too.
func (s *tlsLayer) resume() {
	s.feed.c.svc.compute <- struct{}{}
	s.feed.token = true
}

func (s *tlsLayer) yield() {
	if s.feed.token {
		s.feed.token = false
		<-s.feed.c.svc.compute
	}
}

// read takes plain text: errAgain when there is none yet. An error, the end of the
// stream included, comes alone: text before it comes first.
func (s *tlsLayer) read(b []byte) (n int, err error) {
	s.feed.dry = false
	raw := lend(s.conn)
	for n < len(b) {
		var m int
		m, err = s.conn.Read(b[n:])
		n += m
		if err != nil {
			break
		}
	}
	ne, ok := err.(net.Error)
	//lint:ignore SA1019 crypto/tls goes on after an error that is Temporary, and after no other
	dry := ok && ne.Temporary()
	takeBack(s.conn, raw, dry)
	s.dry = dry
	switch {
	case dry && n == 0:
		return 0, errAgain
	case n > 0:
		return n, nil // the error comes again
	}
	return n, err
}

// recordSize is how much plain text fits into a record (RFC 8446 5.1), in bytes.
const recordSize = 16 << 10

// joined is where a head and a body that fit into one record become one.
var joined = sync.Pool{New: func() any { return new(joinBuf) }}

type joinBuf struct{ b []byte }

// write sends head and then body, with nothing of others between them, or nothing.
func (s *tlsLayer) write(c *Conn, head, body []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	c.mu.Lock()
	closed := c.flags&flagsNoWrite != 0
	size := len(head) + len(body)
	full, first := c.fullLocked(size, c.svc.e.maxBacklog()), c.out == nil
	c.mu.Unlock()
	switch {
	case closed:
		return net.ErrClosed
	case full:
		return ErrBacklog // before the record is made: none may be lost
	case len(head) > 0 && len(body) > 0 && size <= recordSize:
		j := joined.Get().(*joinBuf)
		defer joined.Put(j)
		j.b = append(append(j.b[:0], head...), body...)
		head, body = j.b, nil
	}
	for _, part := range [...][]byte{head, body} {
		if len(part) > 0 {
			if _, err := s.conn.Write(part); err != nil {
				return err
			}
		}
	}
	if first {
		c.mu.Lock()
		if c.out != nil {
			c.out.first = max(c.out.first, size) // not that of one record
		}
		c.mu.Unlock()
	}
	return nil
}
