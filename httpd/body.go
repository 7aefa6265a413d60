package httpd

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/http1"
)

// maxDiscard is how much of a body that the handler did not read is read for the
// sake of the next request, in bytes.
const maxDiscard = 256 << 10

// body is the body of a request: an io.ReadCloser that reads the connection when
// it is read. Methods may be called concurrently with each other, and with the
// response's: reading moves the input, and the head with it, so that of the exchange
// the response uses only what reading does not touch. A request without a body has a
// nil *body, whose methods say so.
type body struct {
	mu      sync.Mutex
	x       *exchange // nil once the request has been answered
	dec     http1.Body
	left    int64 // of MaxBodyBytes; negative: no limit
	limit   int64
	err     error // what further reads return
	closed  bool
	ends    atomic.Bool               // it has ended so that no request can follow it; set under mu
	polite  bool                      // the client may still be sending it
	wait    time.Duration             // ReadTimeout
	until   atomic.Pointer[time.Time] // SetReadDeadline; nil: none
	trailer func(*http1.Fields)
	// expects: the client waits for 100 (Continue), which is sent by the first
	// Read before the response has begun.
	expects expectation
}

// begin makes b the body of the request whose head was parsed.
func (b *body) begin(x *exchange) {
	b.x, b.dec = x, x.req.Body()
	b.limit, b.left = x.s.maxBody, -1
	if b.limit > 0 {
		b.left = b.limit
	}
	b.err, b.closed, b.polite, b.trailer = nil, false, false, nil
	b.ends.Store(false)
	b.wait = x.s.read
	b.until.Store(nil)
	b.expects.reset(x.req.ExpectContinue)
}

// giveTrailer has f called with the trailer section, once the body has been read.
func (b *body) giveTrailer(f func(*http1.Fields)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trailer = f
	if b.err == io.EOF {
		b.end(io.EOF)
	}
}

// arrived reports whether all of it is in the input.
func (b *body) arrived() bool {
	return b == nil || b.dec.Done() || b.x.req.ContentLength >= 0 && b.x.req.ContentLength <= int64(len(b.x.in))
}

// Read implements io.Reader. It returns an *http.MaxBytesError when the body is
// larger than MaxBodyBytes, and io.ErrUnexpectedEOF when the client ended early.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.x == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	return b.read(p)
}

// read decodes at least a byte into p. b.mu is held.
func (b *body) read(p []byte) (int, error) {
	x := b.x
	for {
		if b.dec.Done() {
			return 0, b.end(io.EOF)
		}
		if len(x.in) == 0 {
			if err := b.more(); err != nil {
				return 0, b.end(err)
			}
		}
		// No more is looked at than fits p: what Next gives always fits.
		data, n, err := b.dec.Next(x.in[:min(len(x.in), len(p))])
		x.in = x.in[n:]
		if err != nil {
			return 0, b.end(err)
		}
		if b.left >= 0 {
			if int64(len(data)) > b.left {
				data = data[:b.left]
				b.end(&http.MaxBytesError{Limit: b.limit})
			}
			b.left -= int64(len(data))
		}
		if m := copy(p, data); m > 0 {
			if b.err == nil && b.dec.Done() {
				return m, b.end(io.EOF)
			}
			return m, b.err
		}
		if b.err != nil {
			return 0, b.err
		}
	}
}

// fail ends the connection with the body, which may still be coming. b.mu is held.
func (b *body) fail() {
	b.ends.Store(true)
	b.polite = true
}

// end notes how the body ended.
func (b *body) end(err error) error {
	switch {
	case err == io.EOF:
		b.expects.take() // the client may not have waited
		if t := b.dec.Trailer(); t != nil && b.trailer != nil {
			b.trailer(t)
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.ends.Store(true)
		err = &timeoutError{"httpd: read the request body"}
	default:
		b.fail()
		if e, ok := errors.AsType[*http1.Error](err); ok {
			err = &ProtocolError{Rule: e.Rule, Reason: e.Reason}
		}
	}
	b.err = err
	return err
}

// more waits for input.
func (b *body) more() error {
	x := b.x
	if err := b.expects.meet(x.c); err != nil {
		return err
	}
	x.keepHead()
	var limit time.Time // by ReadTimeout
	if b.wait > 0 {
		limit = time.Now().Add(b.wait)
	}
	for {
		end := limit
		if until := b.until.Load(); until != nil && (end.IsZero() || until.Before(end)) {
			end = *until
		}
		var wait time.Duration // without limit
		if !end.IsZero() {
			if wait = time.Until(end); wait <= 0 {
				return os.ErrDeadlineExceeded
			}
		}
		in, err := x.c.More(x.in, wait)
		x.in = in
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		// The time is over, or setDeadline has moved it.
	}
}

// Close implements io.Closer: later reads fail.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// answered says that the response has begun, which makes a 100 (Continue) too
// late. It reports whether the client waited for one.
func (b *body) answered() bool { return b != nil && b.expects.take() }

// spoils reports whether the body has failed, or what the handler left unread is too
// much to be read, so that the connection has to end with this response.
func (b *body) spoils() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.x
	if x == nil || b.ends.Load() || b.dec.Done() {
		return b.ends.Load()
	}
	// RFC 9110 10.1.1: a client that was not told to continue may or may not send
	// the body: nobody knows where the next request begins.
	return b.expects.waiting() ||
		x.req.ContentLength-int64(len(x.in)) > maxDiscard
}

// failed reports whether the body has ended so that no request can follow it. It does
// not wait for a Read in progress.
func (b *body) failed() bool { return b != nil && b.ends.Load() }

// discard reads what the handler left unread, for the sake of the next request,
// unless that is too much or was never sent.
func (b *body) discard() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.x
	if x == nil || b.dec.Done() || x.end || b.ends.Load() || b.expects.waiting() ||
		x.req.ContentLength-int64(len(x.in)) > maxDiscard {
		return
	}
	for read := 0; !b.dec.Done(); {
		if len(x.in) == 0 {
			x.send()
			if x.broken || b.more() != nil {
				b.ends.Store(true)
				return
			}
		}
		data, n, err := b.dec.Next(x.in)
		x.in = x.in[n:]
		read += len(data)
		if read > maxDiscard || err != nil && err != io.EOF {
			b.fail()
			return
		}
	}
}

// finish ends the body, once the request was answered.
func (b *body) finish() {
	if b == nil {
		return
	}
	b.discard()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.x != nil && !b.dec.Done() {
		b.fail()
	}
	b.leave()
}

// leave parts b from its exchange, which learns what b means for the connection.
// b.mu is held.
func (b *body) leave() {
	if x := b.x; x != nil && b.ends.Load() {
		x.end, x.polite = true, x.polite || b.polite
	}
	b.x, b.closed = nil, true
}

// takeInput ends the body and returns the input, which is somebody else's from now
// on.
func (b *body) takeInput(x *exchange) []byte {
	if b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.leave()
	}
	in := x.in
	x.in = nil
	return in
}

// setDeadline has the body be read by then. A Read that waits on c looks again.
func (b *body) setDeadline(c *engine.Conn, t time.Time) {
	if b == nil {
		return
	}
	if t.IsZero() {
		b.until.Store(nil)
	} else {
		b.until.Store(&t)
	}
	c.Interrupt()
}

// abandon ends the body without a look at what is left.
func (b *body) abandon() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.leave()
	b.mu.Unlock()
}

// timeoutError says that a deadline has passed.
type timeoutError struct{ op string }

func (e *timeoutError) Error() string   { return e.op + ": deadline exceeded" }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }
func (e *timeoutError) Unwrap() error   { return os.ErrDeadlineExceeded }

// ProtocolError says that the body of a request broke a rule, as its Read returns.
// Requests whose head breaks one are answered before any handler sees them.
type ProtocolError struct {
	// Rule is the section that was broken: "RFC 9112 7.1". It is empty for a limit
	// of the server.
	Rule string
	// Reason says what was wrong, in a few words.
	Reason string
}

func (e *ProtocolError) Error() string {
	text := "httpd: read the request body: " + e.Reason
	if e.Rule != "" {
		text += " (" + e.Rule + ")"
	}
	return text
}
