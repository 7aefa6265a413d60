package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/wsframe"
)

// Conn is one WebSocket connection, of a server (Accept) or a client (Dial).
//
// There are two styles. In blocking style, the rule, Read or Reader wait for the
// next message. With a Handler, in event style, its callbacks get the messages and
// an idle connection has neither goroutine nor buffer.
//
// One goroutine may read; all other methods may be called concurrently. Messages
// of several writers are sent whole, one after the other. Close ends the
// connection politely, CloseNow at once; one of them must be called, unless reading
// has failed: then it has ended already.
//
// In blocking style what arrives is looked at while some goroutine is in Read, in
// Reader or its reader, in Ping or in Close: only then pings are answered and a
// close of the peer is noticed. [Conn.CloseRead] starts a goroutine for that where
// no messages are expected. In event style it is looked at always, but while a
// callback runs that does not itself wait for the peer with one of these methods.
type Conn struct {
	wmu   sync.Mutex // event style: held to write a frame
	mu    sync.Mutex // guards the fields of extra
	state atomic.Uint32
	held  uint32         // event style: bytes, see below
	set   *settings      // immutable
	ev    *engine.Conn   // event style; immutable once open
	io    *stream        // blocking style; immutable
	h     Handler        // event style; immutable
	in    wsframe.Reader // owned by who reads
	part  *partial       // owned by who reads; nil: no message is incomplete
	more  atomic.Pointer[extra]
	sub   *string // immutable; nil: none
	pm    deflateParams

	// Event style; owned by the call.
	away  bool   // the input is not where the loop reads to
	moved bool   // a callback has waited, and read: the input is what is left from used on
	used  uint32 // what was fed of the input, when a callback runs
	// held is what waits for the end of the call while stCork is set, and what would be
	// unsent if the peer read nothing while stPinged is. Guarded by wmu then, else owned
	// by the call.
}

// The bits of Conn.state.
const (
	stOpen          = 1 << iota // event style: Open has returned
	stCloseSent                 // a close frame was sent: no further messages
	stCloseReceived             // a close frame has arrived
	stEnded                     // nothing is read or written any more; extra.cause says why
	stStreaming                 // a Writer is open
	stCallback                  // a callback runs
	stPumping                   // somebody reads while a callback runs
	stCork                      // event style: what is written waits for the end of the call
	stPinged                    // a ping was sent because of silence
	stHeard                     // event style: the peer has said something
	stOffLoop                   // event style: a call is in progress that no loop runs: what is written waits for a courier
)

func (c *Conn) has(bit uint32) bool { return c.state.Load()&bit != 0 }

// set1 sets a bit and reports whether it was not set before.
func (c *Conn) set1(bit uint32) bool { return c.state.Or(bit)&bit == 0 }

// extra holds what few connections need. Its fields are guarded by Conn.mu.
type extra struct {
	cause   error         // why the connection has ended
	changed chan struct{} // closed at the next change that somebody may wait for; nil: nobody does
	pings   *pingWait     // the latest of those that wait
	courier *courier      // goroutine driver; guarded by wmu
	pinged  uint64        // Ping calls so far
	pending []message     // arrived, and not read yet
	bytes   int           // of pending
	quiet   time.Duration // since when the peer says nothing to a callback that waits, by clock; 0: it has; owned by who sets stPumping
	member  *member       // of the first Hub that the connection has joined; nil: of none
	// sentWindow is owned by who writes, and readWindow by who reads.
	sentWindow, readWindow window
}

var epoch = time.Now()

// clock is a time in 8 bytes.
func clock() time.Duration { return time.Since(epoch) }

// message is one that has arrived.
type message struct {
	typ  MessageType
	data []byte
}

// extra returns the extension, making it when needed.
func (c *Conn) extra() *extra {
	if x := c.more.Load(); x != nil {
		return x
	}
	x := new(extra)
	if c.more.CompareAndSwap(nil, x) {
		return x
	}
	return c.more.Load()
}

// Subprotocol is the sub-protocol that was agreed upon; "" for none.
func (c *Conn) Subprotocol() string {
	if c.sub == nil {
		return ""
	}
	return *c.sub
}

// Compressed reports whether messages may be compressed: permessage-deflate was
// agreed upon.
func (c *Conn) Compressed() bool { return c.pm.on }

// RemoteAddr is the peer's address; the zero value where there is none, as for a
// unix socket.
func (c *Conn) RemoteAddr() netip.AddrPort {
	if c.ev != nil {
		return c.ev.RemoteAddr()
	}
	if a, ok := c.io.nc.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// errClosed is how a connection ends that this side has closed.
var errClosed = fmt.Errorf("websocket: closed by this side: %w", net.ErrClosed)

// end notes that the connection has ended; the first cause counts. It reports
// whether this is the first.
func (c *Conn) end(cause error) bool {
	x := c.extra()
	c.mu.Lock()
	first := x.cause == nil
	var joined *member
	if first {
		x.cause = cause
		joined, x.member = x.member, nil
	}
	c.mu.Unlock()
	if first {
		c.set1(stEnded)
		c.leaveHubs(joined)
		c.set.open.remove(c)
	}
	c.announce()
	return first
}

// cause is why the connection has ended; nil while it has not.
func (c *Conn) cause() error {
	x := c.more.Load()
	if x == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return x.cause
}

// watch returns a channel that is closed at the next change.
func (c *Conn) watch() <-chan struct{} {
	x := c.extra()
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.changed == nil {
		x.changed = make(chan struct{})
	}
	return x.changed
}

// announce tells who waits that something has changed.
func (c *Conn) announce() {
	x := c.more.Load()
	if x == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x.announce()
}

// announce is Conn.announce with the lock held.
func (x *extra) announce() {
	if x.changed != nil {
		close(x.changed)
		x.changed = nil
	}
}

// keep puts a message aside for Read, in memory of its own.
func (c *Conn) keep(ev event) {
	x := c.extra()
	m := message{ev.typ, append([]byte(nil), ev.data...)}
	c.mu.Lock()
	x.pending = append(x.pending, m)
	x.bytes += len(m.data) + 64
	c.mu.Unlock()
	c.announce()
}

// kept takes a message that was put aside.
func (c *Conn) kept() (m message, ok bool) {
	x := c.more.Load()
	if x == nil {
		return m, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(x.pending) == 0 {
		return m, false
	}
	m = x.pending[0]
	x.pending[0] = message{}
	x.pending = x.pending[1:]
	x.bytes -= len(m.data) + 64
	if len(x.pending) == 0 {
		x.pending = nil
	}
	x.announce()
	return m, true
}

// keptTooMuch reports whether no more messages may be put aside.
func (c *Conn) keptTooMuch() bool {
	x := c.more.Load()
	if x == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(x.bytes) > max(c.set.maxMessage, defaultMaxMessage)
}

// control works off what is not a message. A close frame ends the connection, and
// the result is then its cause.
func (c *Conn) control(ctx context.Context, ev event) error {
	switch ev.kind {
	case evPing:
		if !c.has(stCloseSent) {
			// RFC 6455 5.5.2, 5.5.3: a pong with the same payload.
			c.reply(ctx, wsframe.Pong, ev.data)
		}
	case evPong:
		c.pong(ev.data)
	case evClose:
		return c.closed(ctx, ev.data)
	}
	return nil
}

// reply writes a control frame in answer to something, for who reads: in blocking
// style it waits no longer than ctx allows, and not at all while somebody else writes,
// who sees to it then. Of several that wait for that the last one leaves (RFC 6455
// 5.5.3). That it cannot be written shows when the connection is read.
func (c *Conn) reply(ctx context.Context, op wsframe.Opcode, payload []byte) {
	if c.ev != nil {
		c.writeControl(ctx, op, payload)
		return
	}
	s := c.io
	s.owed.Store(&owed{op, append([]byte(nil), payload...)})
	select {
	case s.writing <- struct{}{}:
		inTime(ctx, closeTimeout, c.pay)
	default:
	}
}

// owed is a control frame that is to leave before the next frame.
type owed struct {
	op      wsframe.Opcode
	payload []byte
}

// pay writes what is owed, with the right to write, which it gives back.
func (c *Conn) pay() {
	if o := c.io.owed.Swap(nil); o != nil {
		c.writeFrame(context.Background(), wsframe.Header{Opcode: o.op, Fin: true}, o.payload)
	}
	c.unlockWrite()
}

// wait returns when ready does, or ctx or the connection end. Meanwhile it reads
// what arrives, if nobody else does.
func (c *Conn) wait(ctx context.Context, ready func() bool) error {
	for {
		changed := c.watch()
		if ready() {
			return nil
		}
		if err := c.cause(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if c.io != nil {
			err = c.waitBlocking(ctx, changed)
		} else {
			err = c.waitEvent(ctx, changed)
		}
		if err != nil && !ready() {
			return err
		}
	}
}

// wrap gives an error of an operation its name.
func wrap(op string, err error) error {
	switch err {
	case nil, ErrBacklog, ErrUnread, ErrHandlerReads, ErrMessageTooBig:
		return err
	}
	if _, ok := errors.AsType[*CloseError](err); ok {
		return err // says all
	}
	if _, ok := errors.AsType[*ProtocolError](err); ok {
		return err
	}
	return fmt.Errorf("websocket: %s: %w", op, err)
}
