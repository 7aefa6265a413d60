//lint:file-ignore SA1019 x/net/http2 is what runs HTTP/2 on a connection that is given to it; net/http alone would want the listener.

package httpd

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/burrownet/burrow/engine"
)

// http2Server runs HTTP/2 on one connection.
type http2Server interface {
	ServeConn(nc net.Conn, opts *http2.ServeConnOpts)
}

// configureHTTP2 prepares for connections that negotiate HTTP/2.
func (s *serving) configureHTTP2() {
	if !slices.Contains(s.std.TLSConfig.NextProtos, "h2") {
		return
	}
	s.std.ReadHeaderTimeout, s.std.IdleTimeout = s.readHeader, s.idle
	s.std.MaxHeaderBytes = s.limits.MaxHead
	h2 := &http2.Server{IdleTimeout: s.idle, WriteByteTimeout: s.write}
	if err := http2.ConfigureServer(s.std, h2); err != nil {
		// The TLS configuration rules HTTP/2 out: do not offer it.
		s.log.Warn("httpd: HTTP/2 is switched off", "err", err)
		s.std.TLSConfig.NextProtos = slices.DeleteFunc(s.std.TLSConfig.NextProtos, func(p string) bool { return p == "h2" })
		return
	}
	s.h2 = h2
}

// Handshaken gives a connection that has negotiated HTTP/2 to x/net/http2.
func (h *conn) Handshaken(c *engine.Conn) {
	s := h.s
	speaksH2 := s.h2 != nil && c.TLS().NegotiatedProtocol == "h2"
	switch {
	case h.phase == phaseFull && speaksH2:
		c.Close()
		return
	case h.phase == phaseFull:
		h.turnAway(c)
		return
	case !speaksH2:
		c.SetDeadline(s.readHeader)
		return
	}
	s.h2conns.ended.Add(1) // while the engine, and so Serve, still counts the connection
	nc, _, err := c.Detach(c.Input())
	if err != nil {
		s.h2conns.ended.Done()
		return // it has ended meanwhile
	}
	s.h2conns.run(nc, func() {
		defer s.open.Add(-1)
		s.h2.ServeConn(nc, &http2.ServeConnOpts{
			Context:    context.WithValue(s.ctx, http.ServerContextKey, s.std),
			BaseConfig: s.std,
			Handler:    s.limitBodies(s.handler),
		})
	})
}

// limitBodies is MaxBodyBytes for HTTP/2.
func (s *serving) limitBodies(h http.Handler) http.Handler {
	if s.maxBody == 0 {
		return h
	}
	limited := http.MaxBytesHandler(h, s.maxBody)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > s.maxBody {
			http.Error(w, "413 the request body is larger than this server accepts", http.StatusRequestEntityTooLarge)
			return
		}
		limited.ServeHTTP(w, r)
	})
}

// h2Conns are the HTTP/2 connections of a serving, which the engine has let go.
type h2Conns struct {
	mu    sync.Mutex
	open  map[net.Conn]struct{} // guarded by mu
	ended sync.WaitGroup
}

// run serves a connection that ended counts already.
func (h *h2Conns) run(nc net.Conn, serve func()) {
	h.mu.Lock()
	if h.open == nil {
		h.open = make(map[net.Conn]struct{})
	}
	h.open[nc] = struct{}{}
	h.mu.Unlock()
	go func() {
		defer h.ended.Done()
		serve()
		h.mu.Lock()
		delete(h.open, nc)
		h.mu.Unlock()
	}()
}

func (h *h2Conns) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for nc := range h.open {
		nc.Close()
	}
}

// goAway tells the HTTP/2 connections to end (RFC 9113 6.8).
func (s *serving) goAway() {
	if s.h2 != nil {
		s.drainSince.CompareAndSwap(0, time.Now().UnixNano())
		s.std.Shutdown(context.Background()) // it knows no listener: it tells, and returns
	}
}

// drainHTTP2 waits until the HTTP/2 connections have ended, for what is left of
// timeout, and closes them then.
func (s *serving) drainHTTP2(timeout time.Duration) error {
	if s.h2 == nil {
		return nil
	}
	s.goAway()
	ended := make(chan struct{})
	go func() {
		s.h2conns.ended.Wait()
		close(ended)
	}()
	var expired <-chan time.Time
	if timeout >= 0 {
		left := orDefault(timeout, 30*time.Second) - time.Since(time.Unix(0, s.drainSince.Load()))
		t := time.NewTimer(max(left, 10*time.Millisecond))
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-ended:
		return nil
	case <-expired:
	}
	s.h2conns.close()
	<-ended
	return engine.ErrDrainTimeout
}
