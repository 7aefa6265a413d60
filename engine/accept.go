package engine

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// acceptor is a listener as one loop sees it.
type acceptor struct {
	svc   *service
	raw   syscall.RawConn
	ended chan<- error // why the listener has ended; capacity 1
	net   uint8        // of its connections
	tries int          // failures in a row
}

// The pauses after failures of accept.
const (
	acceptPause    = 50 * time.Millisecond
	maxAcceptPause = time.Second
)

// rawListener is the descriptor of a listener that loops can accept from; nil
// when it is something else.
func rawListener(ln net.Listener) syscall.RawConn {
	var sc syscall.Conn
	switch ln := ln.(type) {
	case *net.TCPListener:
		sc = ln
	case *net.UnixListener:
		sc = ln
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// acceptOnLoops has every loop accept from the listener until ctx ends.
func (s *service) acceptOnLoops(ctx context.Context, raw syscall.RawConn, network uint8) error {
	// What is accepted inherits this.
	if raw.Control(func(fd uintptr) { sysNoDelay(int(fd)) }) != nil {
		return errClosedListener
	}
	id := -s.e.listeners.Add(1)
	all := *s.e.all.Load()
	ended := make(chan error, 1)
	for _, l := range all {
		l.do(func() {
			l.accept[id] = &acceptor{svc: s, raw: raw, ended: ended, net: network}
			l.listen(id)
		})
	}
	defer func() {
		stopped := make(chan struct{}, len(all))
		for _, l := range all {
			l.do(func() {
				delete(l.accept, id)
				l.poll.unlisten(id, raw, func() { stopped <- struct{}{} })
			})
		}
		for range all {
			<-stopped
		}
	}()
	// A listener that somebody else closes says nothing to the loops; they notice with
	// the next connection that a completing poller has taken all the same.
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case <-t.C:
			if isClosed(raw) {
				return errClosedListener
			}
		}
	}
}

func isClosed(raw syscall.RawConn) bool { return raw.Control(func(uintptr) {}) != nil }

// end says that the listener has ended.
func (a *acceptor) end(err error) {
	select {
	case a.ended <- err:
	default:
	}
}

// listen begins to accept, or does so again.
func (l *loop) listen(id int32) {
	a := l.accept[id]
	switch err := l.poll.listen(id, a.raw); {
	case err == nil:
	case isClosed(a.raw):
		a.end(errClosedListener)
	default:
		a.end(os.NewSyscallError("listen", err))
	}
}

// maxAccept bounds the connections accepted in one go.
const maxAccept = 64

// accepted goes on with a connection that the poller has taken.
func (l *loop) accepted(w *worker, ev event) bool {
	a := l.accept[ev.fd]
	switch {
	case a == nil && ev.res >= 0:
		sysClose(int(ev.res)) // it came while the listener was taken away
		return true
	case a == nil:
		return true
	case ev.res < 0:
		l.acceptFailed(a, ev.fd, syscall.Errno(-ev.res))
		return true
	case isClosed(a.raw):
		sysClose(int(ev.res)) // the kernel accepts until it is told to cease
		a.end(errClosedListener)
		return true
	}
	c := &Conn{fd: ev.res, svc: a.svc}
	c.setPeer(peername(int(ev.res)))
	return l.taken(w, a, c)
}

// taken goes on with a new connection. One that was reset before anybody asked for
// its address has none, and nobody could tell whose it was.
func (l *loop) taken(w *worker, a *acceptor, c *Conn) bool {
	a.tries = 0
	if a.net == netTCP && !c.RemoteAddr().IsValid() {
		sysClose(int(c.fd))
		return true
	}
	c.net = a.net
	a.svc.open.Add(1)
	return l.adopt(w, c)
}

// acceptAll takes what has arrived at a listening descriptor.
func (l *loop) acceptAll(w *worker, id int32) bool {
	for range maxAccept {
		a := l.accept[id]
		if a == nil {
			return true
		}
		c := &Conn{fd: -1, svc: a.svc}
		var nfd int
		var err error
		if cerr := a.raw.Control(func(p uintptr) { nfd, err = sysAccept(int(p), c) }); cerr != nil {
			a.end(errClosedListener)
			return true
		}
		if err != nil {
			if err != errAgain {
				l.acceptFailed(a, id, err)
			}
			return true
		}
		c.fd = int32(nfd)
		if !l.taken(w, a, c) {
			return false
		}
	}
	return true
}

// acceptFailed stops accepting for a while: a loop that tried again at once
// would only burn the processor.
func (l *loop) acceptFailed(a *acceptor, id int32, err error) {
	a.svc.logAccept(err)
	pause := min(acceptPause<<min(a.tries, 10), maxAcceptPause)
	a.tries++
	l.poll.unlisten(id, a.raw, nil)
	l.afterFunc(pause, func(*worker) bool {
		if l.accept[id] == a {
			l.listen(id)
		}
		return true
	})
}

// acceptQuiet is how long accept must have worked for a failure to be news.
const acceptQuiet = 10 * time.Second

// logAccept logs that accept fails, once for a whole spell of failures.
func (s *service) logAccept(err error) {
	now := clock()
	if last := s.failed.Swap(now); last != 0 && now-last < int64(acceptQuiet) {
		return
	}
	hint := "they are accepted when the system allows it again"
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		hint = "too many open files: raise the limit (ulimit -n), or set a connection limit below it"
	}
	s.e.logger().Error("engine: accept: new connections wait", "err", err, "hint", hint)
}

// adopt gives a new connection to the loop with the fewest.
func (l *loop) adopt(w *worker, c *Conn) bool {
	l.e.born()
	to := l.e.pickLoop(l)
	c.flags = to.claim
	c.loop = to
	to.open.Add(1)
	if to != l {
		to.post(func(w *worker) bool {
			to.enroll(c)
			return to.call1(w, c, c.welcome)
		})
		return true
	}
	l.enroll(c)
	return l.call1(w, c, c.welcome)
}

// enroll enters a connection into the loop's table.
func (l *loop) enroll(c *Conn) {
	l.gen++
	if l.gen == 0 {
		l.gen = 1 // 0 marks listeners
	}
	c.mu.Lock() // who has attached it may write already
	c.gen = l.gen
	c.mu.Unlock()
	c.node.Value = c
	for int(c.fd) >= len(l.conns) {
		l.conns = append(l.conns, make([]*Conn, max(64, len(l.conns)))...)
	}
	l.conns[c.fd] = c
}

// welcome makes the protocol of a new connection and starts to listen to it.
func (c *Conn) welcome(w *worker) {
	s := c.svc
	c.w = w
	if s.opts.TLS != nil || s.opts.Preface != nil {
		c.extension().early = &early{}
		c.deadline.Store(c.now() + int64(s.handshakeTimeout()))
	}
	p := s.accept(c)
	c.mu.Lock()
	c.proto = p
	c.mu.Unlock()
	c.start(w)
}

// start has the poller watch a connection.
func (c *Conn) start(w *worker) {
	c.mu.Lock()
	if c.svc.closing.Load() {
		c.flags |= flagDrain
	}
	err := c.loop.poll.add(c)
	c.mu.Unlock()
	if err != nil {
		c.finish(os.NewSyscallError("poll", err))
		return
	}
	c.settle(w)
}

func (s *service) handshakeTimeout() time.Duration {
	if d := s.opts.HandshakeTimeout; d > 0 {
		return min(d, farOff)
	}
	return 10 * time.Second
}

// setPeer keeps the peer's address.
func (c *Conn) setPeer(a netip.AddrPort) {
	c.port, c.v4, c.addr = a.Port(), a.Addr().Is4(), [16]byte{}
	if c.v4 {
		b := a.Addr().As4()
		copy(c.addr[:], b[:])
	} else if a.Addr().Is6() {
		c.addr = a.Addr().As16()
	}
}

// attachFD moves a socket from the runtime's poller to a loop.
func (s *service) attachFD(nc net.Conn, p Protocol) (*Conn, error) {
	var sc interface{ File() (*os.File, error) }
	switch nc := nc.(type) {
	case *net.TCPConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	default:
		return nil, errors.ErrUnsupported
	}
	f, err := sc.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := sysDup(int(f.Fd()))
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	if err := sysNonblock(fd); err != nil {
		sysClose(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	c := &Conn{fd: int32(fd), net: networkOf(nc.LocalAddr()), svc: s, proto: p}
	c.setPeer(addrPort(nc.RemoteAddr()))
	nc.Close()
	l := s.e.pickLoop(nil)
	c.loop, c.flags = l, l.claim
	l.open.Add(1)
	return c, l.post(func(w *worker) bool {
		l.enroll(c)
		return l.call1(w, c, c.start)
	})
}
