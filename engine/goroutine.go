package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// goroutineDriver feeds a connection from one goroutine that reads its net.Conn:
// for systems without a poller, and for connections that have no descriptor of
// their own. What the protocol writes during a call leaves at the end of the
// call, or at Flush; what others write leaves through a goroutine of its own.
type goroutineDriver struct {
	buf   []byte
	armed time.Time     // the read deadline in force; guarded by Conn.mu
	kick  chan struct{} // ends idle; capacity 1

	// Guarded by Conn.mu:
	writing bool      // somebody writes to the net.Conn
	writer  bool      // a goroutine is sending the backlog
	waiting bool      // a More waits
	sent    int       // bytes that have left
	err     error     // why no more of them do
	wrote   sync.Cond // a write has ended

	watch struct { // the read that looks whether the peer has gone
		sync.Mutex               // guards what follows; taken before Conn.mu
		reading    bool          // the call itself reads: it tells the watcher
		done       chan struct{} // closed when it has ended; nil: none
		stop       bool          // its error is our doing; guarded by Conn.mu
		ahead      []byte        // what it has read; the call's once done is closed
		err        error
	}
}

var longAgo = time.Unix(1, 0)

// readBuf is the buffer of a goroutine's connection, in bytes.
const readBuf = 4 << 10

// acceptOnGoroutine accepts connections for the goroutine driver.
func (s *service) acceptOnGoroutine(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for tries := 0; ; {
		nc, err := ln.Accept()
		if err == nil {
			tries = 0
			s.open.Add(1)
			s.startGoroutine(nc, nil)
			continue
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return errClosedListener
		case !isTemporary(err):
			return err
		}
		s.logAccept(err)
		select {
		case <-ctx.Done():
		case <-time.After(min(acceptPause<<min(tries, 10), maxAcceptPause)):
		}
		tries++
	}
}

func isTemporary(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	//lint:ignore SA1019 the net package has no other word for "too many open files"
	return ok && ne.Temporary()
}

func (s *service) startGoroutine(nc net.Conn, p Protocol) *Conn {
	g := &goroutineDriver{kick: make(chan struct{}, 1)}
	c := &Conn{fd: -1, net: networkOf(nc.LocalAddr()), svc: s, proto: p, flags: flagBusy, ext: &ext{nc: nc, g: g}}
	g.wrote.L = &c.mu
	c.setPeer(addrPort(nc.RemoteAddr()))
	if s.opts.TLS != nil || s.opts.Preface != nil {
		c.ext.early = &early{}
	}
	s.nets.Store(c, nil)
	if s.closing.Load() {
		c.flags |= flagDrain
	}
	s.e.running.Add(1)
	go g.run(c)
	return c
}

// run is the life of the connection.
func (g *goroutineDriver) run(c *Conn) {
	w := &worker{}
	returned := false
	defer func() {
		if !returned {
			c.died(w)
		}
		if !w.detached {
			c.svc.e.running.Done()
		}
	}()
	g.serve(c, w)
	returned = true
}

func (g *goroutineDriver) serve(c *Conn, w *worker) {
	c.w = w
	if c.proto == nil {
		p := c.svc.accept(c)
		c.mu.Lock()
		c.proto = p
		if c.out != nil {
			c.unsentLocked()
		}
		c.mu.Unlock()
	}
	if err := g.open(c); err != nil {
		c.finish(err)
		return
	}
	if h, ok := c.proto.(Handshaker); ok && c.svc.opts.TLS != nil {
		h.Handshaken(c)
	}
	if len(c.buffered()) == 0 || c.offer(w, nil, nil) {
		c.settle(w)
	}
	g.buf = make([]byte, readBuf)
	for !c.has(flagClosed | flagDetached) {
		n, err := g.park(c)
		g.watch.Lock()
		g.watch.reading = false
		g.watch.Unlock()
		c.mu.Lock()
		if c.flags&(flagClosed|flagDetached) != 0 {
			c.mu.Unlock()
			return
		}
		c.flags |= flagBusy | flagCorked
		linger, ending := c.flags&flagLinger != 0, c.flags&(flagFinish|flagClosing) != 0
		c.mu.Unlock()
		c.w = w
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && n == 0:
			g.expired(c, linger)
		case linger:
			if err != nil {
				c.finish(nil)
				continue
			}
		case ending: // what has come since is nobody's input
		case !c.offer(w, g.buf[:n], err):
			continue
		}
		c.settle(w)
	}
}

// expired works off a read that ended without input.
func (g *goroutineDriver) expired(c *Conn, linger bool) {
	at := c.deadline.Load()
	if at == 0 || at > clock() {
		return // interrupted
	}
	c.deadline.Store(0)
	if linger {
		c.finish(nil)
		return
	}
	c.proto.Timeout(c)
}

// open works off the preface and the TLS handshake.
func (g *goroutineDriver) open(c *Conn) error {
	o := &c.svc.opts
	if o.Preface == nil && o.TLS == nil {
		return nil
	}
	nc := c.ext.nc
	c.mu.Lock()
	if c.flags&flagClosing != 0 {
		c.mu.Unlock()
		return net.ErrClosed
	}
	nc.SetDeadline(time.Now().Add(c.svc.handshakeTimeout()))
	c.mu.Unlock()
	b := make([]byte, readBuf)
	for have := []byte{}; o.Preface != nil; {
		n, err := nc.Read(b)
		if n == 0 && err != nil {
			return err
		}
		have = append(have, b[:n]...)
		used, err := o.Preface(c, have)
		if err == nil && used < 0 && len(have) > bufSize {
			err = ErrUnread
		}
		if err != nil {
			c.refused("preface", err)
			return err
		}
		if used >= 0 {
			c.keep(have[used:])
			break
		}
	}
	if o.TLS == nil {
		g.opened(c, nc)
		return nil
	}
	under := net.Conn(&readAhead{Conn: nc, b: append([]byte(nil), c.buffered()...)})
	c.drop()
	tc := tls.Server(under, o.TLS)
	err := tc.HandshakeContext(context.Background())
	if err != nil {
		c.refused("TLS handshake", err)
		if re, ok := errors.AsType[tls.RecordHeaderError](err); ok && re.Conn != nil && speaksText(re.RecordHeader) {
			nc.Write(o.NotTLS)
			if cw, ok := nc.(interface{ CloseWrite() error }); ok && cw.CloseWrite() == nil {
				nc.SetDeadline(time.Now().Add(lingerTime))
				io.CopyN(io.Discard, nc, lingerBytes)
			}
		}
		return err
	}
	g.opened(c, tc)
	return nil
}

// opened goes on with what the protocol reads from and writes to.
func (g *goroutineDriver) opened(c *Conn, nc net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ext.nc = nc
	if first := c.ext.early.first; len(first) > 0 {
		c.flags |= flagCorked
		c.queueLocked(first, nil)
		c.unsentLocked()
	}
	c.lateLocked()
	if c.flags&flagClosing == 0 {
		nc.SetDeadline(time.Time{})
	}
}

// readAhead is a net.Conn some of whose input was read before.
type readAhead struct {
	net.Conn
	b []byte
}

func (r *readAhead) Read(b []byte) (int, error) {
	if len(r.b) > 0 {
		n := copy(b, r.b)
		r.b = r.b[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

func (r *readAhead) CloseWrite() error {
	if cw, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}

// park waits for input, outside of any call.
func (g *goroutineDriver) park(c *Conn) (int, error) {
	g.stopWatching(c)
	if n := copy(g.buf, g.watch.ahead); n > 0 {
		g.watch.ahead = g.watch.ahead[n:]
		return n, nil
	}
	if err := g.watch.err; err != nil {
		return 0, err
	}
	c.mu.Lock()
	if c.flags&flagClosing != 0 || c.flags&(flagDrain|flagFinish) == flagDrain || c.flags&(flagFinish|flagLinger) == flagFinish || c.oweSentLocked() {
		c.mu.Unlock()
		return 0, os.ErrDeadlineExceeded
	}
	var at time.Time
	if d := c.deadline.Load(); d != 0 {
		at = epoch.Add(time.Duration(d))
	}
	// A deadline that only moves on is looked at when the earlier one passes.
	if !g.armed.Equal(at) && (at.IsZero() || at.Before(g.armed) || g.armed.Before(time.Now())) {
		g.armed = at
		c.ext.nc.SetReadDeadline(at)
	}
	if c.flags&flagStreamEnd != 0 && c.flags&flagLinger == 0 {
		// Nothing more comes: wait for a write that fails, a deadline, a Close.
		c.mu.Unlock()
		return 0, g.idle(at)
	}
	c.mu.Unlock()
	return g.readNow(c, g.buf)
}

// readNow reads; an error comes alone, after the input before it. That a deadline has
// passed is forgotten then: it is none of the stream's, and whoever reads next sets his.
func (g *goroutineDriver) readNow(c *Conn, b []byte) (int, error) {
	n, err := c.ext.nc.Read(b)
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if late {
		c.mu.Lock()
		g.armed = longAgo
		c.mu.Unlock()
	}
	if n > 0 && err != nil {
		if !late {
			g.watch.err = err
		}
		err = nil
	}
	return n, err
}

// idle waits, with the peer's side ended, until the deadline or an interrupt.
func (g *goroutineDriver) idle(at time.Time) error {
	var expired <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-g.kick:
	case <-expired:
	}
	return os.ErrDeadlineExceeded
}

// interrupt ends a park, so that a flag set by a stranger takes effect.
func (g *goroutineDriver) interrupt(c *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flags&(flagBusy|flagClosed|flagDetached) == 0 {
		g.armed = longAgo
		c.ext.nc.SetReadDeadline(longAgo)
		select {
		case g.kick <- struct{}{}:
		default:
		}
	}
}

// read waits for input from within a call.
func (g *goroutineDriver) read(c *Conn, b []byte, timeout time.Duration) (int, error) {
	if err := g.flush(c, timeout); err != nil {
		return 0, err
	}
	defer g.cork(c)
	g.stopWatching(c)
	if n := copy(b, g.watch.ahead); n > 0 {
		g.watch.ahead = g.watch.ahead[n:]
		return n, nil
	}
	if err := g.watch.err; err != nil {
		return 0, err
	}
	var at time.Time
	if timeout > 0 {
		at = time.Now().Add(timeout)
	}
	c.mu.Lock()
	if c.flags&flagClosing != 0 {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	if c.interruptedLocked() {
		c.mu.Unlock()
		return 0, os.ErrDeadlineExceeded
	}
	g.armed, g.waiting = at, true
	c.ext.nc.SetReadDeadline(at)
	c.mu.Unlock()
	n, err := g.readNow(c, b)
	g.watch.Lock()
	g.watch.reading = false
	g.watch.Unlock()
	c.mu.Lock()
	g.waiting = false
	if c.interruptedLocked() {
		g.armed = longAgo
	}
	watching := c.ext.watch != nil
	c.mu.Unlock()
	if watching && err == nil {
		g.startWatching(c)
	}
	return n, err
}

// detach ends the driver: the net.Conn belongs to somebody else.
func (g *goroutineDriver) detach(c *Conn) (ahead []byte) {
	g.stopWatching(c)
	c.ext.nc.SetDeadline(time.Time{})
	c.leaveEngine(nil, -1)
	return g.watch.ahead
}
