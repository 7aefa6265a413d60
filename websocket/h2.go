package websocket

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// overHTTP2 accepts an extended CONNECT (RFC 8441 5): the stream is the connection.
//
//	HEADERS :method CONNECT, :protocol websocket   ->
//	                                               <- HEADERS :status 200
//	DATA: frames                                  <->  DATA: frames
func (a *acceptance) overHTTP2(w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(http.StatusOK)
	nc := &h2Stream{w: w, rc: http.NewResponseController(w), r: r, input: make(chan h2Input), ended: make(chan struct{})}
	if err := nc.rc.Flush(); err != nil {
		return nil, wrap("accept", err)
	}
	go nc.readAll()
	set := a.o.settings()
	if a.h == nil {
		return newBlocking(nc, set, a.sub, a.pm, nil), nil
	}
	// The stream ends with the http handler: so the callbacks are called before.
	h := &untilClosed{Handler: a.h, closed: make(chan struct{})}
	c := newEvent(h, set, a.sub, a.pm)
	if err := c.attach(nil, nc, nil); err != nil {
		return nil, wrap("accept", err)
	}
	<-h.closed
	return c, nil
}

// untilClosed tells when the last callback has returned.
type untilClosed struct {
	Handler
	closed chan struct{}
}

func (h *untilClosed) Close(c *Conn, err error) {
	defer close(h.closed)
	h.Handler.Close(c, err)
}

// h2Stream is the net.Conn of a stream. Writer and controller are lent by the http
// server until the http handler returns, and not known to be so: whoever uses them
// does so in lent, and Close waits for who does.
type h2Stream struct {
	w  http.ResponseWriter // used by who holds wmu, in lent
	rc *http.ResponseController
	r  *http.Request

	input chan h2Input // from readAll
	rest  []byte       // owned by who reads
	err   error        // owned by who reads
	ended chan struct{}
	wmu   sync.Mutex // held while writing; taken before mu

	mu      sync.Mutex
	closed  bool          // ended is; guarded by mu
	writing bool          // guarded by mu
	readBy  time.Time     // guarded by mu
	changed chan struct{} // closed when readBy changes; guarded by mu
	writeBy time.Time     // guarded by mu
	timer   *time.Timer   // calls expire; guarded by mu; nil: never needed
}

type h2Input struct {
	b   []byte
	err error
}

// readAll reads the stream: a deadline can end the wait of Read then, and not the
// stream.
func (s *h2Stream) readAll() {
	for {
		b := make([]byte, firstBuffer)
		n, err := s.r.Body.Read(b)
		if n == 0 && err == nil {
			continue
		}
		select {
		case s.input <- h2Input{b[:n], err}:
		case <-s.ended:
			return
		case <-s.r.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// Read implements net.Conn.
func (s *h2Stream) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		if err := s.await(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// await waits for input, or the deadline.
func (s *h2Stream) await() error {
	s.mu.Lock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	changed, by := s.changed, s.readBy
	s.mu.Unlock()
	var expired <-chan time.Time
	if !by.IsZero() {
		left := time.Until(by)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		t := time.NewTimer(left)
		defer t.Stop()
		expired = t.C
	}
	select {
	case in := <-s.input:
		s.rest, s.err = in.b, in.err
		if s.err != nil && s.err != io.EOF {
			s.err = net.ErrClosed
		}
	case <-s.ended:
		return net.ErrClosed
	case <-s.r.Context().Done():
		return context.Cause(s.r.Context())
	case <-expired:
		return os.ErrDeadlineExceeded
	case <-changed:
	}
	return nil
}

// lent runs f, which uses w or rc. Close has to come before the end of the http
// handler (Accept says so). Where it did not, the server takes both away at any
// moment, and a use of them panics.
func (s *h2Stream) lent(f func() error) (err error) {
	if s.r.Context().Err() != nil {
		return net.ErrClosed // the client has reset the stream, or the handler has returned
	}
	defer func() {
		if recover() != nil {
			err = net.ErrClosed
		}
	}()
	return f()
}

// Write implements net.Conn. A deadline that passes midway ends the stream.
func (s *h2Stream) Write(b []byte) (n int, err error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := s.beginWrite(); err != nil {
		return 0, err
	}
	defer s.endWrite()
	err = s.lent(func() error {
		if n, err = s.w.Write(b); err != nil {
			return err
		}
		return s.rc.Flush()
	})
	return n, err
}

func (s *h2Stream) beginWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if !s.writeBy.IsZero() && time.Until(s.writeBy) <= 0 {
		return os.ErrDeadlineExceeded
	}
	s.writing = true
	s.arm()
	return nil
}

func (s *h2Stream) endWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	if s.timer != nil {
		s.timer.Stop()
	}
}

// arm has the timer follow writeBy while a write is in progress; mu is held.
func (s *h2Stream) arm() {
	switch {
	case s.writing && !s.writeBy.IsZero() && s.timer == nil:
		s.timer = time.AfterFunc(max(time.Until(s.writeBy), 0), s.expire)
	case s.writing && !s.writeBy.IsZero():
		s.timer.Reset(max(time.Until(s.writeBy), 0))
	case s.timer != nil:
		s.timer.Stop()
	}
}

// expire ends a write whose deadline has passed, and with it the stream.
func (s *h2Stream) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing && !s.closed && !s.writeBy.IsZero() && time.Until(s.writeBy) <= 0 {
		s.lent(func() error { return s.rc.SetWriteDeadline(longAgo) })
	}
}

// Close implements net.Conn: the stream ends. A write in progress fails, and has
// returned when Close does.
func (s *h2Stream) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.ended)
		s.lent(func() error {
			if s.writing {
				s.rc.SetWriteDeadline(longAgo)
			}
			return s.rc.SetReadDeadline(longAgo) // readAll returns
		})
	}
	s.mu.Unlock()
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return nil
}

// h2Addr is the address of an end of the stream, as far as it is known.
type h2Addr string

func (h2Addr) Network() string  { return "tcp" }
func (a h2Addr) String() string { return string(a) }

// LocalAddr implements net.Conn.
func (s *h2Stream) LocalAddr() net.Addr {
	if a, ok := s.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a
	}
	return h2Addr(s.r.Host)
}

// RemoteAddr implements net.Conn.
func (s *h2Stream) RemoteAddr() net.Addr {
	if a, err := net.ResolveTCPAddr("tcp", s.r.RemoteAddr); err == nil {
		return a
	}
	return h2Addr(s.r.RemoteAddr)
}

// SetDeadline implements net.Conn.
func (s *h2Stream) SetDeadline(t time.Time) error {
	s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (s *h2Stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readBy = t
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return nil
}

// SetWriteDeadline implements net.Conn.
func (s *h2Stream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeBy = t
	s.arm()
	return nil
}
