package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Engine runs event loops. The zero value is ready; the fields are read at the
// first use and must not be changed after it. Methods may be called
// concurrently. Its loops run while there is a Serve in progress or a connection
// attached, and end by themselves.
type Engine struct {
	// Driver says what feeds the connections; the zero value is DriverAuto.
	Driver Driver
	// Loops is the number of event loops. 0 means one per processor
	// (GOMAXPROCS), and so does a negative number: there is no engine without.
	Loops int
	// Patience is how long a call may hold its loop before the loop goes on in
	// another goroutine. 0 means 1 ms; negative never: then a call that computes
	// for long delays all others of its loop, and only one that waits in More or
	// Flush lets go of it.
	Patience time.Duration
	// MaxBacklog bounds what a connection may have unsent, in bytes, before
	// Write fails with ErrBacklog; a single write to a connection that has nothing
	// unsent may be larger. With DriverGoroutine what a call writes is unsent until its
	// end. 0 means 4 MiB, negative is without limit.
	MaxBacklog int
	// MaxUnread bounds the input that a protocol leaves unused, in bytes, before
	// the connection ends with ErrUnread. 0 means 4 MiB.
	MaxUnread int
	// TrimAfter is how long it must be quiet after a burst of new connections
	// until the memory that the burst has left is given back to the system, with
	// one collection of the whole heap. 0 means 3 s, negative never.
	TrimAfter time.Duration
	// Logger gets what cannot be returned. nil means slog.Default().
	Logger *slog.Logger

	mu        sync.Mutex
	users     int       // services and attached connections; guarded by mu
	ended     chan bool // closed when the loops of the last use have ended; guarded by mu
	all       atomic.Pointer[[]*loop]
	running   sync.WaitGroup
	away      atomic.Int32 // calls that run on goroutines of their own
	stopping  atomic.Bool
	monitor   monitor
	handovers atomic.Uint64
	attached  service
	nextLoop  atomic.Uint32
	inUse     atomic.Uint32 // a Driver
	fallbacks atomic.Uint64
	births    atomic.Uint64 // connections so far
	trimmer   *time.Timer   // guarded by mu; nil: no burst to clean up after
	pollers   newPollerFunc // nil: newPoller; for tests
	listeners atomic.Int32  // those there were: loops know each by a negative number
	trimmed   uint64        // calls when the trimmer looked last; guarded by mu
}

func (e *Engine) logger() *slog.Logger {
	if e.Logger != nil {
		return e.Logger
	}
	return slog.Default()
}

func (e *Engine) patience() time.Duration {
	if e.Patience > 0 {
		return e.Patience
	}
	return time.Millisecond
}

func orDefault(n, zero int) int {
	switch {
	case n == 0:
		return zero
	case n < 0:
		return int(^uint(0) >> 1)
	}
	return n
}

func (e *Engine) maxBacklog() int { return orDefault(e.MaxBacklog, 4<<20) }
func (e *Engine) maxUnread() int  { return orDefault(e.MaxUnread, 4<<20) }

// Handovers is how often a call has held its loop for too long, or has waited,
// so that the loop went on elsewhere.
func (e *Engine) Handovers() uint64 { return e.handovers.Load() }

// acquire starts the loops with the first user.
func (e *Engine) acquire() (d Driver, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.ended != nil { // the loops of an earlier use are ending
		ch := e.ended
		e.mu.Unlock()
		<-ch
		e.mu.Lock()
	}
	if e.attached.e == nil {
		e.attached.e = e
	}
	d = Driver(e.inUse.Load())
	if e.users == 0 {
		if d, err = e.start(); err != nil {
			return 0, err
		}
	}
	e.users++
	return d, nil
}

func (e *Engine) startLoops(d Driver) error {
	n := e.Loops
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	all := make([]*loop, n)
	for i := range all {
		l := &loop{e: e, accept: map[int32]*acceptor{}, claim: flagBusy, brief: e.Patience >= 0 && e.patience() <= tick/2}
		open := newPoller
		if e.pollers != nil {
			open = e.pollers
		}
		p, err := open(d, &l.parked)
		if err != nil {
			for _, l := range all[:i] {
				l.poll.close()
			}
			return err
		}
		l.poll, l.completes = p, p.completes()
		if l.completes && e.Patience >= 0 {
			l.claim |= flagGather
		}
		all[i] = l
	}
	e.all.Store(&all)
	for _, l := range all {
		e.running.Add(1)
		go l.run()
	}
	return nil
}

// release stops the loops with the last user, and waits for them.
func (e *Engine) release() {
	e.mu.Lock()
	e.users--
	if e.users > 0 {
		e.mu.Unlock()
		return
	}
	if e.trimmer != nil {
		e.trimmer.Stop()
		e.trimmer = nil
	}
	ended := make(chan bool)
	e.ended = ended
	all := e.all.Swap(nil)
	e.mu.Unlock()
	e.stopping.Store(true)
	if all != nil {
		for _, l := range *all {
			l.stop()
		}
	}
	e.running.Wait()
	e.stopping.Store(false)
	e.monitor.awake.Store(false)
	e.mu.Lock()
	e.ended = nil
	e.mu.Unlock()
	close(ended)
}

// stop ends the loop; what is posted later is refused.
func (l *loop) stop() {
	l.do(func() {
		l.inbox.Lock()
		l.inbox.closed = true
		l.inbox.Unlock()
		l.stopped = true
	})
}

// ServeOptions are the options of [Engine.Serve]; nil means none.
type ServeOptions struct {
	// TLS, when not nil, has every connection begin with a TLS handshake; the
	// protocol then reads and writes plain text. It must not be changed after.
	TLS *tls.Config
	// HandshakeTimeout bounds the preface and the TLS handshake. 0 means 10 s;
	// so does a negative value: strangers are never waited for without limit.
	HandshakeTimeout time.Duration
	// NotTLS is sent to a peer that begins with something else than TLS.
	NotTLS []byte
	// Preface, when not nil, is given the first bytes of each connection, before
	// TLS, until it says how many of them it has used: n < 0 means that it needs
	// more. It may call SetRemoteAddr. An error closes the connection.
	Preface func(c *Conn, b []byte) (n int, err error)
	// DrainTimeout bounds how long Serve waits for its connections after its
	// context has ended, before it closes them. 0 means 30 s, negative is
	// without limit.
	DrainTimeout time.Duration
}

// service is one Serve, or the connections that were attached.
type service struct {
	e       *Engine
	opts    ServeOptions
	accept  func(*Conn) Protocol
	open    atomic.Int64 // connections, plus one while Serve accepts
	drained chan struct{}
	compute chan struct{} // a token for each handshake that may compute
	nets    sync.Map      // goroutine driver: the open connections
	failed  atomic.Int64  // when accept has failed last, on the engine's clock
	closing atomic.Bool
}

// done counts a connection that has ended.
func (s *service) done() {
	if s.open.Add(-1) == 0 && s.drained != nil {
		close(s.drained)
	}
	if s == &s.e.attached {
		go s.e.release()
	}
}

// Serve accepts the connections of ln, which it closes when it returns, and runs
// what accept returns for each: accept must not keep c for longer than the
// protocol's Closed. It returns when ctx has ended and all of its connections
// have: nil after a drain, and an error when the listener failed.
func (e *Engine) Serve(ctx context.Context, ln net.Listener, accept func(c *Conn) Protocol, opts *ServeOptions) error {
	defer ln.Close()
	d, err := e.acquire()
	if err != nil {
		return err
	}
	defer e.release()
	s := &service{e: e, accept: accept, drained: make(chan struct{})}
	if opts != nil {
		s.opts = *opts
	}
	s.compute = make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	s.open.Store(1)
	var failure error
	if raw := rawListener(ln); raw != nil && d != DriverGoroutine {
		failure = s.acceptOnLoops(ctx, raw, networkOf(ln.Addr()))
	} else {
		failure = s.acceptOnGoroutine(ctx, ln)
	}
	ln.Close()
	if err := s.drain(); failure == nil {
		failure = err
	}
	return failure
}

// ErrDrainTimeout says that connections had to be closed because they had not
// ended within the DrainTimeout. It is a context.DeadlineExceeded.
var ErrDrainTimeout = fmt.Errorf("engine: drain: connections had to be closed: %w", context.DeadlineExceeded)

// drain tells every connection to end, and waits until they have.
func (s *service) drain() error {
	s.closing.Store(true)
	s.each(func(c *Conn) {
		c.mu.Lock()
		c.flags |= flagDrain
		early, busy := c.ext != nil && c.ext.early != nil, c.flags&flagBusy != 0
		c.mu.Unlock()
		switch {
		case early:
			c.Close() // the protocol has not begun
		case !busy:
			c.claimLater(c.settle)
		}
	})
	if s.open.Add(-1) == 0 {
		close(s.drained)
		return nil
	}
	var expired <-chan time.Time
	if d := s.opts.DrainTimeout; d >= 0 {
		if d == 0 {
			d = 30 * time.Second
		}
		t := time.NewTimer(d)
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-s.drained:
		return nil
	case <-expired:
	}
	s.e.logger().Warn("engine: drain: closing connections that did not end in time", "connections", s.open.Load())
	s.each(func(c *Conn) { c.abort() })
	<-s.drained
	return ErrDrainTimeout
}

// each calls f for every connection of the service, on their loops.
func (s *service) each(f func(*Conn)) {
	s.nets.Range(func(k, _ any) bool {
		f(k.(*Conn))
		return true
	})
	all := s.e.all.Load()
	if all == nil {
		return
	}
	for _, l := range *all {
		l.do(func() {
			for _, c := range l.conns {
				if c != nil && c.svc == s {
					f(c)
				}
			}
		})
	}
}

// errClosedListener says that somebody else closed the listener.
var errClosedListener = fmt.Errorf("engine: accept: the listener was closed: %w", net.ErrClosed)

// Attach takes over an open connection and runs p for it. It uses the loop where
// nc is a plain TCP or unix socket, and a goroutine otherwise; nc belongs to the
// engine from then on, whatever the result.
func (e *Engine) Attach(nc net.Conn, p Protocol) (*Conn, error) {
	d, err := e.acquire()
	if err != nil {
		nc.Close()
		return nil, err
	}
	s := &e.attached
	s.open.Add(1)
	if d != DriverGoroutine {
		c, err := s.attachFD(nc, p)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			nc.Close()
			s.open.Add(-1)
			e.release()
			return nil, fmt.Errorf("engine: attach: %w", err)
		}
	}
	return s.startGoroutine(nc, p), nil
}

// pickLoop is the loop with the fewest connections, mine unless it has clearly
// more than that.
func (e *Engine) pickLoop(mine *loop) *loop {
	all := *e.all.Load()
	best := all[int(e.nextLoop.Add(1))%len(all)]
	for _, l := range all {
		if l.open.Load() < best.open.Load() {
			best = l
		}
	}
	if mine != nil && mine.open.Load() <= best.open.Load()+8+best.open.Load()/8 {
		return mine
	}
	return best
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
