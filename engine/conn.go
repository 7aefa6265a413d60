package engine

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/burrownet/burrow/internal/timerwheel"
)

// Protocol is what a connection speaks. Calls for one Conn never overlap. They
// run on the connection's loop, or on a goroutine after [Conn.Go]; one that
// blocks costs its loop no more than [Engine.Patience].
type Protocol interface {
	// Data offers all input that is not used yet; b is borrowed until Data
	// returns. n is how many bytes of it were used: the rest is offered again
	// once more has arrived. At the peer's half-close Data is called once more
	// with [Conn.EOF] true, and perhaps an empty b. An error closes the
	// connection and is what Closed gets; io.EOF closes it after the backlog
	// has left, and Closed gets nil.
	Data(c *Conn, b []byte) (n int, err error)
	// Timeout says that the deadline of [Conn.SetDeadline] has passed.
	Timeout(c *Conn)
	// Drain says, once, that the server is shutting down: close now, or when
	// what is in progress has ended.
	Drain(c *Conn)
	// Closed is the last call for the connection; err is nil after an orderly
	// end.
	Closed(c *Conn, err error)
}

// flagsNoWrite are the flags with which nothing is written any more.
const flagsNoWrite = flagClosed | flagClosing | flagDetached | flagLeaving

// The flags of a Conn, guarded by its mu.
const (
	flagBusy        = 1 << iota // a call is in progress: its goroutine owns the input
	flagPaused                  // input is not wanted for now
	flagUnarmed                 // the poller does not report input
	flagDeaf                    // nor that the peer ends its side: that is known
	flagSending                 // the poller reports when the socket takes more
	flagOut                     // the poller was told to forget the socket: both sides are shut
	flagGone                    // the peer has gone while busy: the owner is told on release
	flagClosing                 // Close was called; the owner ends the connection
	flagClosed                  // the socket is closed
	flagFinish                  // close once the backlog has left
	flagPolite                  // shut our side and linger before that
	flagLinger                  // our side is shut: input is thrown away until the peer ends
	flagDrain                   // Drain must be called on release
	flagWantRead                // the owner waits in More
	flagWantWrite               // the owner waits in Flush
	flagStreamEnd               // the peer has ended its side
	flagDetached                // the socket belongs to somebody else
	flagCorked                  // what is written leaves at the end of the call
	flagUnsent                  // something had to wait for the socket: a Sender hears when it has left
	flagInterrupted             // a More is to end: that which waits, or the next
	flagLeaving                 // Detach is at its end: nothing more is written, and the poller lets go
	flagLost                    // what was unsent will never leave: the socket is broken

	// With a poller that completes:
	flagGather    // a call on the loop is in progress: what it writes leaves with the loop's turn
	flagGathered  // out holds nothing but that: the socket was not offered it yet
	flagChanged   // a change is on its way to the poller
	flagReceiving // the poller receives; without it the socket may be read directly
	flagBulk      // much comes at once: it is read from the socket rather than received
	flagFresh     // the next read is the first of a turn
)

// Conn is one connection of an [Engine]. Write, Post, Close, Shutdown, AfterFunc
// and the accessors may be called from any goroutine; the other methods belong
// to the protocol and are called from within its calls.
type Conn struct {
	mu    sync.Mutex // guards flags, out, fd, ext's waiter and watcher
	flags uint32
	fd    int32 // -1: no descriptor of ours
	gen   uint32
	port  uint16
	v4    bool  // addr holds an IPv4 address
	net   uint8 // an index of networks; immutable
	addr  [16]byte

	deadline atomic.Int64 // nanoseconds on the engine's clock; 0: none
	checkAt  int64        // when the wheel looks at c next, on that clock; guarded by mu; 0: never
	loop     *loop        // nil: goroutine driver; immutable
	svc      *service     // immutable
	proto    Protocol     // owned by the call in progress; others look at it under mu
	w        *worker      // owned by the call in progress; nil outside calls
	in       *input       // owned by the call in progress: input not used yet
	out      *backlog     // guarded by mu; nil: nothing is waiting
	got      *arrivals    // guarded by mu; nil: nothing has arrived, or the poller does not receive
	ext      *ext         // what few connections need; changes under mu, and only within calls from one to another
	node     timerwheel.Node[*Conn]
}

// ext holds what few connections need, so that the others do not pay for it. The
// end of a call lets go what the next one can do without.
type ext struct {
	wait  *wait            // guarded by Conn.mu; nil: nobody has waited in this call
	watch func(error)      // guarded by Conn.mu
	next  func()           // owned by the call: the continuation of Conn.Go
	tls   *tlsLayer        // immutable after the handshake
	nc    net.Conn         // goroutine driver: the connection
	g     *goroutineDriver // goroutine driver: its state
	early *early           // nil: the preface and the TLS handshake are over
}

// wait is what wakes those who wait in More (input) and Flush (room). One is sent
// for each flag that is taken back, so that there is always room.
type wait struct{ input, room chan struct{} }

var (
	exts  = sync.Pool{New: func() any { return new(ext) }}
	waits = sync.Pool{New: func() any { return &wait{make(chan struct{}, 1), make(chan struct{}, 1)} }}
)

// moreLocked returns the extension, making it when needed. c.mu is held.
func (c *Conn) moreLocked() *ext {
	if c.ext == nil {
		c.ext = exts.Get().(*ext)
	}
	return c.ext
}

// shedLocked lets go what of the extension served the call that ends. c.mu is held.
func (c *Conn) shedLocked() {
	x := c.ext
	if x == nil {
		return
	}
	if w := x.wait; w != nil {
		if c.flags&(flagWantRead|flagWantWrite) != 0 || len(w.input)+len(w.room) > 0 {
			return // somebody still waits, or has yet to see that it is over
		}
		x.wait = nil
		waits.Put(w)
	}
	if x.watch == nil && x.next == nil && x.tls == nil && x.g == nil && x.early == nil {
		c.ext = nil
		*x = ext{}
		exts.Put(x)
	}
}

func (c *Conn) extension() *ext {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moreLocked()
}

// The networks of connections. That one has no address does not make it a unix
// socket's: who trusts those would trust a stranger.
const (
	netOther = iota
	netTCP
	netUnix
)

var networks = [...]string{"", "tcp", "unix"}

func networkOf(a net.Addr) uint8 {
	switch a.(type) {
	case *net.TCPAddr:
		return netTCP
	case *net.UnixAddr:
		return netUnix
	}
	return netOther
}

// Network is "tcp" or "unix"; "" for a net.Conn of another kind.
func (c *Conn) Network() string { return networks[c.net] }

// RemoteAddr is the peer's address; the zero value for a unix socket, and for a
// net.Conn whose address is not that of TCP.
func (c *Conn) RemoteAddr() netip.AddrPort {
	switch {
	case c.v4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(c.addr[:4])), c.port)
	case c.addr != [16]byte{}:
		return netip.AddrPortFrom(netip.AddrFrom16(c.addr), c.port)
	}
	return netip.AddrPort{}
}

// SetRemoteAddr replaces the address that RemoteAddr reports: for a preface that
// names the real client. Called from within a call, before others know c.
func (c *Conn) SetRemoteAddr(a netip.AddrPort) { c.setPeer(a) }

func (c *Conn) has(flag uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flags&flag != 0
}

func (c *Conn) peek() *ext {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ext
}

// LocalAddr is the address the peer connected to; the zero value for a unix
// socket and after the connection was closed.
func (c *Conn) LocalAddr() netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ext != nil && c.ext.nc != nil:
		return addrPort(c.ext.nc.LocalAddr())
	case c.fd < 0:
		return netip.AddrPort{}
	}
	return sockname(int(c.fd))
}

// TLS is the state of the connection's TLS layer; nil when it has none, and until
// the handshake is over.
func (c *Conn) TLS() *tls.ConnectionState {
	c.mu.Lock()
	var tc *tls.Conn
	switch x := c.ext; {
	case x == nil || x.early != nil:
	case x.tls != nil:
		tc = x.tls.conn
	default:
		tc, _ = x.nc.(*tls.Conn)
	}
	c.mu.Unlock()
	if tc == nil {
		return nil
	}
	s := tc.ConnectionState()
	return &s
}

// EOF reports whether the peer has ended its side of the connection.
func (c *Conn) EOF() bool { return c.has(flagStreamEnd) }

// SetProtocol has p speak on the connection from now on: the call in progress goes
// on, and the input that it does not use is offered to p. The former protocol gets
// no further call, not even Closed. Called from within a call.
func (c *Conn) SetProtocol(p Protocol) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proto = p
	if c.svc.closing.Load() {
		c.flags |= flagDrain // the former one was told; p was not
	}
}

// SetDeadline asks for a Timeout call when d has passed with no call in
// progress; 0 takes a deadline back. It is coarse: it may come 20 ms late, and early by
// as long as the loop has been making other calls since it woke, each shorter than
// [Engine.Patience].
// One that is set before the TLS handshake is over counts from then, and Timeout
// follows the handshake at the earliest. Called from within a call of the protocol.
func (c *Conn) SetDeadline(d time.Duration) {
	at := int64(0)
	if d > 0 {
		at = c.now() + int64(min(d, farOff))
	}
	if c.isEarly() {
		c.ext.early.deadline = at
		return
	}
	c.deadline.Store(at)
}

// farOff bounds deadlines and timers: what is further off would overflow the clock.
const farOff = 100 * 365 * 24 * time.Hour

// Now is the time, as coarse as the deadlines: on the loop, when it woke. Called
// from within a call.
func (c *Conn) Now() time.Time { return epoch.Add(time.Duration(c.now())) }

// now is when the loop read the clock last, for as long as the call is that of the
// loop: the call may have waited since it lost it.
func (c *Conn) now() int64 {
	if c.OnLoop() && c.loop.brief {
		return c.w.now
	}
	return clock()
}

// OnLoop reports whether the call in progress still runs on the loop: false
// once it has overstayed, has waited, or continues after Go.
func (c *Conn) OnLoop() bool {
	w := c.w
	return w != nil && w.onLoop && c.loop.call.Load() == w.ticket
}

// Go continues the call in progress with f, on a goroutine of its own, as soon
// as the present method returns: f may take as long as it likes, and no other
// method is called until it has returned. Called from within a call.
func (c *Conn) Go(f func()) { c.extension().next = f }

// Post runs f on the connection's loop, soon; on the goroutine driver, on a
// goroutine of its own. f may run while a call for c is in progress.
func (c *Conn) Post(f func()) error {
	c.mu.Lock()
	closed := c.flags&flagClosed != 0
	c.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	if c.loop == nil {
		go f()
		return nil
	}
	return c.loop.post(c.loop.asCall(f))
}

// AfterFunc runs f on the loop once d has passed; stop takes that back and
// reports whether it was in time. It is as coarse as SetDeadline.
func (c *Conn) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	if c.loop == nil {
		return time.AfterFunc(d, f).Stop
	}
	return c.loop.afterFunc(d, c.loop.asCall(f))
}

// wakeLocked wakes the goroutines that wait in More (flagWantRead) or Flush
// (flagWantWrite). c.mu is held.
func (c *Conn) wakeLocked(want uint32) {
	want &= c.flags
	c.flags &^= want
	if want&flagWantRead != 0 {
		c.ext.wait.input <- struct{}{}
	}
	if want&flagWantWrite != 0 {
		c.ext.wait.room <- struct{}{}
	}
}

// Input is the input that the call in progress has not used: what Data or More
// gave, or in a continuation of Go what was left by then.
func (c *Conn) Input() []byte {
	if w := c.w; w != nil && w.view != nil {
		return w.view
	}
	return c.buffered()
}

// Unread ends a continuation's reading: rest, the end of its input, is offered
// again once it has returned.
func (c *Conn) Unread(rest []byte) { c.keep(rest) }

// Close ends the connection now: what is unsent is dropped. A call in progress
// goes on, its reads and writes fail, and Closed follows it.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.flags&(flagClosed|flagDetached|flagClosing) != 0 {
		c.mu.Unlock()
		return nil
	}
	c.flags |= flagClosing
	busy := c.flags&flagBusy != 0
	if busy {
		c.offerLocked()
		c.hangUpLocked()
	}
	c.mu.Unlock()
	if !busy {
		c.claimLater(c.settle)
	}
	return nil
}

// abort is Close by the engine itself: a call in progress hears of it.
func (c *Conn) abort() {
	c.Close()
	c.tellWatcher(net.ErrClosed)
}

// hangUpLocked makes every read and write of the socket fail, and wakes who
// waits for it. c.mu is held.
func (c *Conn) hangUpLocked() {
	switch {
	case c.fd >= 0:
		sysShutdown(int(c.fd), true)
	case c.ext != nil && c.ext.nc != nil:
		c.ext.nc.SetDeadline(time.Unix(1, 0))
	}
	c.wakeLocked(flagWantRead | flagWantWrite)
}

// Shutdown ends the connection politely: what is unsent leaves first, then our
// side is shut, and input is thrown away until the peer ends its side too, for
// at most a second: so a peer that is still sending can read our last words.
func (c *Conn) Shutdown() error {
	c.mu.Lock()
	if c.flags&(flagClosed|flagDetached|flagFinish) != 0 {
		c.mu.Unlock()
		return nil
	}
	c.flags |= flagFinish | flagPolite
	busy := c.flags&flagBusy != 0
	c.mu.Unlock()
	if !busy {
		c.claimLater(c.settle)
	}
	return nil
}

// CloseWrite ends our side once what is unsent has left; input still arrives.
// Called from within a call; it waits for the backlog.
func (c *Conn) CloseWrite() error {
	if err := c.Flush(0); err != nil {
		return err
	}
	x := c.peek()
	if x != nil && x.tls != nil {
		return x.tls.conn.CloseWrite() // RFC 8446 6.1: close_notify
	}
	return c.shutSocket()
}

// shutSocket ends our side of the socket.
func (c *Conn) shutSocket() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.flags&flagClosed != 0:
		return net.ErrClosed
	case c.fd >= 0:
		c.offerLocked()
		return sysShutdown(int(c.fd), false)
	case c.ext != nil && c.ext.nc != nil:
		if cw, ok := c.ext.nc.(interface{ CloseWrite() error }); ok {
			return cw.CloseWrite()
		}
	}
	return nil
}
