package sock

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ProxyConn is the connection of a peer that begins with a PROXY protocol
// header. RemoteAddr and LocalAddr are those of the header, when it gives any.
//
// The first Read, RemoteAddr, LocalAddr or Header has the header read, and all
// of them wait for it; deadlines of the user bound Read as usual, but they do
// not cut the header short. When the header is wrong or late, the connection is
// closed, Read and Header return why, and the addresses are those of the proxy.
// Write does not wait. Methods may be called concurrently; the user closes it.
type ProxyConn struct {
	// Conn is the connection below, with the proxy's addresses. It must not be
	// read from; its read deadline is the header's until that is there.
	net.Conn

	timeout time.Duration // for the header; negative: none
	start   sync.Once
	ready   chan struct{} // closed when the header was read, or failed

	// Set before ready is closed, immutable after.
	header        ProxyHeader
	err           error // why there is no header
	remote, local net.Addr

	hasRest atomic.Bool // rest is not empty

	mu       sync.Mutex
	rest     []byte        // bytes that came with the header; guarded by mu
	deadline time.Time     // the user's for Read; guarded by mu
	changed  chan struct{} // closed when deadline changes; guarded by mu
	closed   bool          // by the user; guarded by mu
}

func newProxyConn(c net.Conn, timeout time.Duration) *ProxyConn {
	return &ProxyConn{
		Conn:    c,
		timeout: timeout,
		ready:   make(chan struct{}),
		changed: make(chan struct{}),
	}
}

// Header returns the header, or why there is none. It waits for it.
func (c *ProxyConn) Header() (ProxyHeader, error) {
	c.await()
	return c.header, c.err
}

// RemoteAddr returns the client's address. It waits for the header.
func (c *ProxyConn) RemoteAddr() net.Addr {
	c.await()
	return c.remote
}

// LocalAddr returns the address that the client connected to. It waits for the
// header.
func (c *ProxyConn) LocalAddr() net.Addr {
	c.await()
	return c.local
}

// Read reads what follows the header.
func (c *ProxyConn) Read(b []byte) (int, error) {
	c.begin()
	select {
	case <-c.ready:
	default:
		if err := c.awaitDeadline(); err != nil {
			return 0, c.opError("read", err)
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	if c.hasRest.Load() {
		if n, ok, err := c.readRest(b); ok {
			return n, err
		}
	}
	return c.Conn.Read(b)
}

// readRest reads bytes that came with the header; !ok: there are none left.
func (c *ProxyConn) readRest(b []byte) (n int, ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.rest) == 0:
		return 0, false, nil
	case c.closed:
		return 0, true, c.opError("read", net.ErrClosed)
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return 0, true, c.opError("read", os.ErrDeadlineExceeded)
	}
	n = copy(b, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil // lets the buffer go
		c.hasRest.Store(false)
	}
	return n, true, nil
}

// ReadFrom writes what r has, by the connection's own fast path (sendfile,
// splice) where there is one.
func (c *ProxyConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite ends the writing half, if the connection below has halves.
func (c *ProxyConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.opError("close", errors.ErrUnsupported)
}

// Close closes the connection.
func (c *ProxyConn) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	err := c.Conn.Close()
	if first && errors.Is(err, net.ErrClosed) {
		return nil // it was closed because of its header
	}
	return err
}

// SetDeadline sets the deadlines of Read and Write.
func (c *ProxyConn) SetDeadline(t time.Time) error {
	if err := c.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// SetReadDeadline sets the deadline of Read.
func (c *ProxyConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.deadline = t
	close(c.changed)
	c.changed = make(chan struct{})
	select {
	case <-c.ready:
		return c.Conn.SetReadDeadline(t)
	default:
		return nil // until then it is the header's; settle sets the user's
	}
}

// begin starts the reader of the header, once. It ends at the latest when the
// timeout passes or the connection is closed.
func (c *ProxyConn) begin() {
	c.start.Do(func() { go c.readHeader() })
}

func (c *ProxyConn) await() {
	c.begin()
	<-c.ready
}

// awaitDeadline waits for the header, but not past the user's deadline.
func (c *ProxyConn) awaitDeadline() error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		c.mu.Lock()
		deadline, changed := c.deadline, c.changed
		c.mu.Unlock()
		var expired <-chan time.Time
		if !deadline.IsZero() {
			timer.Reset(time.Until(deadline)) // at once when it has passed
			expired = timer.C
		}
		select {
		case <-c.ready:
			return nil
		case <-expired:
			return os.ErrDeadlineExceeded
		case <-changed:
		}
	}
}

func (c *ProxyConn) readHeader() {
	if c.timeout > 0 {
		c.Conn.SetReadDeadline(time.Now().Add(c.timeout)) // on an error Read fails too
	}
	buf := make([]byte, 0, 256) // a header without TLVs, of any family
	for {
		k, err := c.Conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+k]
		h, n, perr := ParseProxyHeader(buf)
		switch {
		case n > 0:
			h.TLVs = bytes.Clone(h.TLVs)
			c.settle(h, buf[n:], nil)
			return
		case perr != nil:
			c.settle(ProxyHeader{}, nil, c.opError("read", perr))
			return
		case err != nil:
			c.settle(ProxyHeader{}, nil, c.headerError(err, len(buf)))
			return
		}
		if len(buf) == cap(buf) {
			// The parser needs more only up to MaxProxyHeaderBytes.
			buf = append(make([]byte, 0, MaxProxyHeaderBytes), buf...)
		}
	}
}

// headerError says why the header did not arrive, after got bytes of it.
func (c *ProxyConn) headerError(err error, got int) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = lateHeaderError{c.timeout}
	case errors.Is(err, io.EOF) && got == 0:
		return io.EOF // a peer that only looks whether somebody listens
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("PROXY protocol header: %w", io.ErrUnexpectedEOF)
	default:
		return err
	}
	return c.opError("read", err)
}

// settle publishes the outcome, and drops the connection of a peer that broke
// the rules.
func (c *ProxyConn) settle(h ProxyHeader, rest []byte, err error) {
	c.header, c.err = h, err
	c.remote = proxyAddr(h.Network, h.Source, h.SourcePath, c.Conn.RemoteAddr())
	c.local = proxyAddr(h.Network, h.Destination, h.DestinationPath, c.Conn.LocalAddr())
	if err != nil {
		c.Conn.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(rest) > 0 {
		c.rest = rest
		c.hasRest.Store(true)
	}
	if err == nil {
		c.Conn.SetReadDeadline(c.deadline) // fails only when closed: then Read does
	}
	close(c.ready)
}

func (c *ProxyConn) opError(op string, err error) error {
	addr := c.Conn.RemoteAddr()
	return &net.OpError{Op: op, Net: addr.Network(), Source: c.Conn.LocalAddr(), Addr: addr, Err: err}
}

// lateHeaderError is a timeout in the sense of net.Error, and
// os.ErrDeadlineExceeded.
type lateHeaderError struct{ after time.Duration }

func (e lateHeaderError) Error() string {
	return fmt.Sprintf("no PROXY protocol header within %v", e.after)
}
func (e lateHeaderError) Unwrap() error   { return os.ErrDeadlineExceeded }
func (e lateHeaderError) Timeout() bool   { return true }
func (e lateHeaderError) Temporary() bool { return false } // the connection is closed
