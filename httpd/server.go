package httpd

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/http1"
	"github.com/burrownet/burrow/sock"
)

// Server is an HTTP server. The zero value serves http.DefaultServeMux. Its
// fields are read when Serve is called and must not be changed after. Serve may
// be called several times, also concurrently.
//
// For durations and limits 0 is the default that the field names, and a negative
// value is none.
type Server struct {
	// Handler answers the requests; nil is http.DefaultServeMux. One that is a
	// DirectHandler is called as such; one that is an UnhandledLogger, AccessLog
	// for one, is told of requests that do not come to it.
	Handler http.Handler
	// TLS has the server speak TLS; nil is plain HTTP. Without NextProtos it
	// offers HTTP/2 and HTTP/1.1.
	TLS *tls.Config
	// Engine runs the connections; nil is an engine with the default driver of
	// the platform, for this Serve alone.
	Engine *engine.Engine
	// ReadHeaderTimeout bounds the time from the first byte of a request (or the
	// opening of the connection) to the end of its header section, and the TLS
	// handshake, which is never without limit. 0 means 10 s. The answer to a
	// request that is late is 408.
	ReadHeaderTimeout time.Duration
	// ReadTimeout bounds the time without any progress in reading a request body.
	// 0 means 30 s.
	ReadTimeout time.Duration
	// WriteTimeout bounds the time without any progress in writing a response.
	// 0 means 30 s.
	WriteTimeout time.Duration
	// IdleTimeout bounds the time between two requests of a connection. 0 means
	// 2 minutes.
	IdleTimeout time.Duration
	// MaxHeaderBytes limits the request line and header section, in bytes; more
	// is answered 431 or 414. 0 means 64 KiB; it cannot be switched off. With an
	// Engine that is given, no more than its MaxUnread allows: 3.75 MiB, if that has
	// its default. The section has at most 256 lines in any case; more are answered
	// 431 as well.
	MaxHeaderBytes int
	// MaxBodyBytes limits a request body, in bytes. A declared length above it is
	// answered 413 without calling the handler; reading past it gives the handler
	// an *http.MaxBytesError and ends the connection. 0 means no limit: bodies are
	// streamed, not held.
	MaxBodyBytes int64
	// MaxConns limits the open connections, by count; further ones are answered
	// 503 and closed. Over TLS that costs a handshake: at most 64 at a time get the
	// answer, the others, and those that speak HTTP/2, are closed only. 0 means no
	// limit but that of descriptors.
	MaxConns int
	// DrainTimeout bounds how long requests in progress are waited for after the
	// context of Serve has ended; then their connections are closed and their
	// contexts cancelled. Serve returns when their handlers have. 0 means 30 s.
	DrainTimeout time.Duration
	// ProxyProtocol lists the peers whose connections begin with a PROXY protocol
	// header, version 1 or 2, which names the real client.
	ProxyProtocol []netip.Prefix
	// Logger gets what cannot be returned. nil means slog.Default().
	Logger *slog.Logger
}

// serving is a Server in one call of Serve.
type serving struct {
	handler http.Handler
	direct  DirectHandler // the handler, where it is one
	limits  http1.Limits
	// unhandledLog is the handler, where it is one.
	unhandledLog UnhandledLogger
	maxBody      int64
	maxConns     int64
	readHeader   time.Duration
	read         time.Duration
	write        time.Duration
	idle         time.Duration
	log          *slog.Logger
	ctx          context.Context // for the values of request contexts
	local        net.Addr        // of the listener
	std          *http.Server    // what http.ServerContextKey gives, and HTTP/2 is configured with
	h2           http2Server     // nil without TLS
	h2conns      h2Conns

	open     atomic.Int64
	draining atomic.Bool
	// drainSince is when HTTP/2 connections were told to end, in Unix nanoseconds.
	drainSince atomic.Int64
	habits     habits
	date       atomic.Pointer[dateLine]
}

// orDefault is the meaning of a configured duration or limit.
func orDefault[T ~int | ~int64](v, def T) T {
	switch {
	case v == 0:
		return def
	case v < 0:
		return 0 // none
	}
	return v
}

// Serve accepts connections from ln, which it closes, and answers their requests
// until ctx ends. Then it drains and returns nil, or an error that is
// context.DeadlineExceeded when DrainTimeout has passed. A listener that fails,
// or is closed by somebody else, is an error as well.
func (srv *Server) Serve(ctx context.Context, ln net.Listener) error {
	s := srv.serving(ctx)
	s.local = ln.Addr()
	e := srv.Engine
	if e == nil {
		e = &engine.Engine{Logger: s.log, MaxUnread: max(maxUnread, s.limits.MaxHead+readAtOnce)}
	} else {
		s.limits.MaxHead = min(s.limits.MaxHead, headWithin(e))
	}
	opts := &engine.ServeOptions{
		TLS:              s.std.TLSConfig,
		HandshakeTimeout: s.readHeader,
		NotTLS:           notTLS,
		DrainTimeout:     srv.DrainTimeout,
	}
	if len(srv.ProxyProtocol) > 0 {
		opts.Preface = proxyPreface(srv.ProxyProtocol)
	}
	stop := context.AfterFunc(ctx, func() {
		s.draining.Store(true)
		s.goAway()
	})
	defer stop()
	err := e.Serve(ctx, ln, s.accept, opts)
	if h2err := s.drainHTTP2(srv.DrainTimeout); err == nil {
		err = h2err
	}
	return err
}

// maxUnread is the default of engine.Engine.MaxUnread, in bytes. Behind a head that is
// not complete there may be this much of one read.
const (
	maxUnread  = 4 << 20
	readAtOnce = 256 << 10
)

// headWithin is how long a head may become before e gives the connection up, so that
// the server can answer it instead.
func headWithin(e *engine.Engine) int {
	unread := e.MaxUnread
	switch {
	case unread < 0:
		return math.MaxInt
	case unread == 0:
		unread = maxUnread
	}
	return max(unread-min(readAtOnce, unread/2), 1)
}

func (srv *Server) serving(ctx context.Context) *serving {
	s := &serving{
		handler:    srv.Handler,
		limits:     http1.Limits{MaxHead: srv.MaxHeaderBytes},
		maxBody:    orDefault(srv.MaxBodyBytes, 0),
		maxConns:   int64(orDefault(srv.MaxConns, 0)),
		readHeader: orDefault(srv.ReadHeaderTimeout, 10*time.Second),
		read:       orDefault(srv.ReadTimeout, 30*time.Second),
		write:      orDefault(srv.WriteTimeout, 30*time.Second),
		idle:       orDefault(srv.IdleTimeout, 2*time.Minute),
		log:        srv.Logger,
		ctx:        context.WithoutCancel(ctx),
	}
	if s.handler == nil {
		s.handler = http.DefaultServeMux
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.limits.MaxHead = min(s.limits.MaxHead, 1<<30); s.limits.MaxHead <= 0 {
		s.limits.MaxHead = 64 << 10
	}
	s.direct, _ = s.handler.(DirectHandler)
	s.unhandledLog, _ = s.handler.(UnhandledLogger)
	s.std = &http.Server{Handler: s.handler, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelError)}
	if srv.TLS != nil {
		s.std.TLSConfig = srv.TLS.Clone()
		if s.std.TLSConfig.NextProtos == nil {
			s.std.TLSConfig.NextProtos = []string{"h2", "http/1.1", "http/1.0"}
		}
		s.configureHTTP2()
	}
	return s
}

// accept makes the protocol of a new connection.
func (s *serving) accept(c *engine.Conn) engine.Protocol {
	h := &conn{s: s}
	c.SetDeadline(s.readHeader)
	if n := s.open.Add(1); s.maxConns > 0 && n > s.maxConns {
		h.phase = phaseFull
		switch {
		case s.std.TLSConfig == nil:
			h.turnAway(c)
		case n > s.maxConns+maxTurnedAway:
			c.Close()
		}
	}
	return h
}

// maxTurnedAway bounds the TLS handshakes for connections beyond MaxConns.
const maxTurnedAway = 64

// turnAway answers a connection beyond MaxConns.
func (h *conn) turnAway(c *engine.Conn) {
	c.SetDeadline(h.s.write)
	c.Write(h.s.refusal(c, nil, http.StatusServiceUnavailable, "There are too many connections; try again later."))
	c.Shutdown()
}

// proxyPreface reads the PROXY protocol header of trusted peers.
func proxyPreface(trusted []netip.Prefix) func(*engine.Conn, []byte) (int, error) {
	return func(c *engine.Conn, b []byte) (int, error) {
		peer := c.RemoteAddr().Addr()
		if c.Network() != "unix" && !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(peer) }) {
			return 0, nil
		}
		h, n, err := sock.ParseProxyHeader(b)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return -1, nil
		}
		if h.Source.IsValid() {
			c.SetRemoteAddr(netip.AddrPortFrom(h.Source.Addr().Unmap(), h.Source.Port()))
		}
		return n, nil
	}
}
