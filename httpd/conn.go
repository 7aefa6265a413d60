package httpd

import (
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/http1"
)

// What a connection is waiting for, and so what its deadline means. That of the
// phases before phaseIdle ends with the head of a request.
const (
	phaseNew   = iota // its first byte
	phaseHead         // the rest of a request head
	phaseIdle         // the next request
	phaseWrite        // the peer, to read what was answered
	phaseFull         // its end: there are too many connections
)

var _ engine.Sender = (*conn)(nil)

// conn is the engine.Protocol of one connection: what an idle one keeps.
type conn struct {
	s      *serving
	seen   uint32        // bytes of an unfinished head that were looked at
	unsent uint32        // the backlog at the end of the last call, or when its deadline passed
	habit  atomic.Uint32 // the place of the path whose handler runs on the loop
	phase  uint8
}

// exchange is what a request in progress needs; exchanges are reused.
type exchange struct {
	c        *engine.Conn
	h        *conn
	s        *serving
	req      http1.Request
	head     []byte   // the head being answered; borrowed from the input
	own      []byte   // a copy of it, when the input moves
	in       []byte   // input behind what was used
	out      []byte   // answers on their way out
	buf      []byte   // content of the answer, until its length is known
	line     []byte   // fields that the handler has set
	trailers []string // declared by its Trailer field
	ctx      Ctx
	body     *body     // of the request in progress; nil: none
	spare    *body     // for the next request that has one; nil: an ordinary handler may have kept it
	date     *dateLine // right for all that this call of Data answers on its loop
	// end closes the connection after the answers; hijacked says that it belongs
	// to the handler; broken, that nothing more can be sent.
	end, hijacked, broken, polite bool
	upgraded                      bool      // hijacked, by a protocol that has taken its place
	mark                          int       // where in out the answer in progress begins
	later                         int       // bytes of answers that WriteLater has been given since the last send
	given                         int64     // bytes that the engine has been given to write
	until                         time.Time // SetWriteDeadline; zero: none
	err                           error     // why it is broken
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// The sizes of an exchange's buffers, in bytes: how much content waits for its
// length to be known, how many answers are gathered, and what is kept for reuse.
const (
	contentBuffer = 4 << 10
	gatherAnswers = 32 << 10
	keepBuffer    = 64 << 10
)

func newExchange(c *engine.Conn, h *conn) *exchange {
	x := exchanges.Get().(*exchange)
	x.c, x.h, x.s = c, h, h.s
	x.req.Limits = h.s.limits
	return x
}

func (x *exchange) free() {
	if cap(x.out) > keepBuffer || cap(x.own) > keepBuffer || cap(x.buf) > keepBuffer || cap(x.line) > keepBuffer {
		return
	}
	x.c, x.h, x.s, x.head, x.in, x.body, x.date = nil, nil, nil, nil, nil, nil, nil
	x.out, x.buf, x.line = x.out[:0], x.buf[:0], x.line[:0]
	x.end, x.hijacked, x.upgraded, x.broken, x.polite = false, false, false, false, false
	x.until, x.err, x.later, x.given = time.Time{}, nil, 0, 0
	x.ctx.reset()
	exchanges.Put(x)
}

// Data answers the requests that have arrived.
func (h *conn) Data(c *engine.Conn, b []byte) (int, error) {
	if h.phase == phaseFull {
		return len(b), nil
	}
	x := newExchange(c, h)
	x.in = b
	if x.serve() {
		return len(c.Input()) - len(x.in), nil // with x
	}
	if len(x.in) == len(b) && !x.end && c.EOF() {
		x.end, x.in = true, nil // nobody will finish this request
	}
	if x.hijacked {
		n := 0
		if x.upgraded {
			n = len(c.Input()) - len(x.in)
		}
		x.free()
		return n, nil
	}
	x.send()
	n := len(c.Input()) - len(x.in)
	err := x.settle()
	x.free()
	return n, err
}

// serve answers requests until the input holds none, or the connection is to
// end. It reports whether it goes on in a goroutine.
func (x *exchange) serve() (elsewhere bool) {
	for len(x.in) > 0 && !x.end {
		n, err := x.req.Parse(x.in, int(x.h.seen))
		if err != nil {
			x.refuse(x.in, err.(*http1.Error))
			return false
		}
		if n == 0 {
			x.h.seen = uint32(len(x.in))
			break
		}
		x.h.seen = 0
		if x.h.phase < phaseIdle { // a store costs more than a look
			x.h.phase = phaseIdle // the next head has a time of its own
		}
		x.head, x.in = x.in[:n], x.in[n:]
		if elsewhere = x.request(); elsewhere || x.hijacked {
			return elsewhere
		}
		switch {
		case len(x.in) == 0 || x.end:
		case len(x.out)+x.later > gatherAnswers:
			x.pace()
		case x.s.direct == nil:
			x.sendLater()
		}
	}
	return false
}

// request answers the request whose head was parsed.
func (x *exchange) request() (elsewhere bool) {
	x.end, x.mark, x.until = x.req.Close, len(x.out), time.Time{}
	x.body = nil
	if x.req.HasBody() {
		if x.spare == nil {
			x.spare = new(body)
		}
		x.body = x.spare
		x.body.begin(x)
	}
	if x.s.maxBody > 0 && x.req.ContentLength > x.s.maxBody {
		x.answerError(http.StatusRequestEntityTooLarge, "the request body is larger than this server accepts")
		return false
	}
	if x.req.Form == http1.Asterisk && string(x.req.Method) == "OPTIONS" {
		x.answer(http.StatusOK, "", nil) // RFC 9110 9.3.7: about the server as a whole
		if x.s.unhandledLog != nil {
			x.s.tell(x.s.unhandled(x.c, x.head, http.StatusOK))
		}
		x.body.finish()
		return false
	}
	if !x.c.OnLoop() {
		x.pace()
		x.handle()
		return false
	}
	at := placeOf(x.req.Path)
	if x.s.habits.blocks(at) {
		x.goElsewhere(at)
		return true
	}
	if x.h.habit.Load() != uint32(at) { // a store costs more than a look
		x.h.habit.Store(uint32(at))
	}
	if !x.body.arrived() {
		x.send() // the handler will wait for it
	}
	x.handle()
	return false
}

// goElsewhere answers the request on a goroutine.
func (x *exchange) goElsewhere(at place) {
	x.send()
	x.keepHead()
	x.c.Go(func() {
		x.in = x.c.Input()
		start := time.Now()
		x.handle()
		x.s.habits.ran(at, time.Since(start))
		if x.hijacked {
			if x.upgraded {
				x.c.Unread(x.in)
			}
			x.free()
			return
		}
		x.send()
		x.c.Unread(x.in)
		if err := x.settle(); err == io.EOF {
			x.c.Shutdown()
		} else if err != nil {
			x.c.Close()
		}
		x.free()
	})
}

// keepHead moves the head out of the input, which is about to move.
func (x *exchange) keepHead() {
	if len(x.head) == 0 || len(x.own) > 0 && &x.head[0] == &x.own[0] {
		return
	}
	x.own = append(x.own[:0], x.head...)
	x.head = x.own
	x.req.Parse(x.head, 0) // it was parsed before: this moves its slices
}

// handle runs the handler.
func (x *exchange) handle() {
	defer x.recover()
	if x.s.direct != nil {
		x.serveDirect(x.s.direct)
	} else {
		x.serveHTTP(x.s.handler)
	}
	x.ctx.done = true
}

// recover ends what a handler that panicked, or ended its goroutine, has left.
func (x *exchange) recover() {
	done := x.ctx.done
	x.ctx.done = false
	if done {
		return
	}
	v := recover()
	if v != nil && v != http.ErrAbortHandler {
		stack := make([]byte, 64<<10)
		stack = stack[:runtime.Stack(stack, false)]
		x.s.log.Error("httpd: panic in a handler", "peer", x.c.RemoteAddr(), "proto", "http/1.1", "err", v, "stack", string(stack))
	}
	if call := x.ctx.call; call != nil {
		call.w.x = nil
		call.ctx.finish()
	}
	if x.hijacked {
		return
	}
	// What was answered before it is the client's; of this answer nothing more.
	x.out = x.out[:x.mark]
	x.send()
	x.body.abandon()
	x.end = true
}

// settle sets the deadline for what the connection waits for now. io.EOF says
// that it is to end.
func (x *exchange) settle() error {
	h, c := x.h, x.c
	if x.end || x.s.draining.Load() && h.seen == 0 {
		c.SetDeadline(x.s.write)
		h.phase, h.unsent = phaseWrite, uint32(c.Backlog())
		if x.polite || len(x.in) > 0 {
			x.in = nil
			c.Shutdown() // what still comes in must not cost the peer our answer
			return nil
		}
		return io.EOF
	}
	if unsent := c.Backlog(); unsent > 0 {
		// Who has read nothing since the deadline was set gets no other one.
		if h.phase != phaseWrite || int64(unsent) < int64(h.unsent)+x.given {
			c.SetDeadline(x.s.write)
		}
		h.phase, h.unsent = phaseWrite, uint32(unsent)
		return nil
	}
	h.await(c)
	return nil
}

// await sets the deadline for the next request, or for the rest of its head, when
// nothing is unsent.
func (h *conn) await(c *engine.Conn) {
	switch {
	case h.seen == 0:
		h.phase = phaseIdle
		c.SetDeadline(h.s.idle)
	case h.phase != phaseHead:
		if h.phase != phaseNew { // the first head is timed from the opening on
			c.SetDeadline(h.s.readHeader)
		}
		h.phase = phaseHead
	}
}

// Sent is told that the peer has read its answers, or most of them.
func (h *conn) Sent(c *engine.Conn) {
	if h.phase == phaseWrite {
		h.await(c)
	}
}

// Timeout ends a connection that has taken too long.
func (h *conn) Timeout(c *engine.Conn) {
	switch h.phase {
	case phaseHead:
		c.Write(h.s.refusal(c, c.Input(), http.StatusRequestTimeout, "The request took too long to arrive."))
		c.SetDeadline(h.s.write)
		h.phase = phaseWrite
		c.Shutdown()
		return
	case phaseWrite:
		switch unsent := uint32(c.Backlog()); unsent {
		case 0: // at this moment: Sent follows
			h.await(c)
			return
		case h.unsent:
		default:
			h.unsent = unsent // it reads, if slowly
			c.SetDeadline(h.s.write)
			return
		}
	}
	c.Close()
}

// Drain ends the connection unless a request is on its way.
func (h *conn) Drain(c *engine.Conn) {
	h.s.draining.Store(true) // the listener may have failed, with no end of ctx
	switch h.phase {
	case phaseHead:
	case phaseWrite:
		c.Shutdown()
	default:
		c.Close()
	}
}

// Closed counts the connection out.
func (h *conn) Closed(*engine.Conn, error) { h.s.open.Add(-1) }

// Overstayed notes that the handler in progress blocks.
func (h *conn) Overstayed(*engine.Conn) {
	h.s.habits.overstayed(place(h.habit.Load()))
}
