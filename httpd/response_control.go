package httpd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/burrownet/burrow/engine"
)

// What http.Hijacker and http.ResponseController ask of a response.

// Hijack implements http.Hijacker.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	x := w.x
	switch {
	case x == nil:
		return nil, nil, errDone
	case x.hijacked:
		return nil, nil, http.ErrHijacked
	}
	if w.wrote {
		if err := w.flush(false); err != nil {
			return nil, nil, err
		}
	}
	x.send()
	// The unread input, body included, is the handler's from now on.
	in := x.body.takeInput(x)
	if w.req.Body != http.NoBody {
		w.req.Body = http.NoBody
	}
	x.hijacked = true
	x.h.s.open.Add(-1)
	if x.ctx.call != nil {
		x.ctx.call.ctx.unwatch()
	}
	nc, unread, err := x.c.Detach(in)
	if err != nil {
		x.hijacked = false
		x.h.s.open.Add(1)
		x.end, x.broken = true, true
		return nil, nil, fmt.Errorf("httpd: hijack: %w", err)
	}
	br := bufio.NewReader(&readAhead{nc, unread})
	if len(unread) > 0 {
		br.Peek(min(len(unread), br.Size())) // so that Buffered tells of it
	}
	return nc, bufio.NewReadWriter(br, bufio.NewWriter(nc)), nil
}

// Upgrade has p speak on the connection in place of HTTP, as soon as the handler has
// returned: p gets the input behind the request. Unlike Hijack it leaves the
// connection with its engine, where an idle one costs next to nothing. The answer to
// the request must not have begun: it is p's affair, as is the deadline. The Conn may
// be written to at once. It is not counted for MaxConns any more.
func (w *response) Upgrade(p engine.Protocol) (*engine.Conn, error) {
	x := w.x
	switch {
	case x == nil:
		return nil, errDone
	case x.hijacked:
		return nil, http.ErrHijacked
	case w.wrote:
		return nil, errors.New("httpd: upgrade: the response has begun")
	}
	x.send()
	if x.broken {
		return nil, fmt.Errorf("httpd: upgrade: %w", x.err)
	}
	x.in = x.body.takeInput(x)
	x.hijacked, x.upgraded = true, true
	x.h.s.open.Add(-1)
	x.ctx.call.ctx.unwatch()
	x.c.SetDeadline(0)
	x.c.SetProtocol(p)
	return x.c, nil
}

// CloseNotify implements http.CloseNotifier, which handlers from before contexts
// insist on.
func (w *response) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(w.req.Context(), func() { gone <- true })
	return gone
}

// readAhead reads what was received before the connection was hijacked, then the
// connection.
type readAhead struct {
	nc net.Conn
	b  []byte
}

func (r *readAhead) Read(p []byte) (int, error) {
	if len(r.b) > 0 {
		n := copy(p, r.b)
		r.b = r.b[n:]
		return n, nil
	}
	return r.nc.Read(p)
}

// SetReadDeadline is for http.ResponseController: the request body must be read
// by then. It may be called beside a Read, which it ends if that is late.
func (w *response) SetReadDeadline(t time.Time) error {
	x := w.x
	if x == nil {
		return errDone
	}
	if !x.hijacked {
		x.body.setDeadline(x.c, t)
	}
	return nil
}

// SetWriteDeadline is for http.ResponseController: the response must be written
// by then.
func (w *response) SetWriteDeadline(t time.Time) error {
	if w.x == nil {
		return errDone
	}
	w.x.until = t
	return nil
}

// EnableFullDuplex is for http.ResponseController: the handler may go on reading
// the request after it has begun to answer. It may in any case; this says that the
// connection is to be kept.
func (w *response) EnableFullDuplex() error {
	w.duplex = true
	return nil
}
