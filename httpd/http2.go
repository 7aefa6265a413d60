package httpd

import (
	"context"
	"net/http"
	"slices"
	"time"

	"golang.org/x/net/http2"

	"github.com/burrownet/burrow/engine"
)

// configureHTTP2 prepares for connections that negotiate HTTP/2.
func (s *serving) configureHTTP2() {
	if !slices.Contains(s.std.TLSConfig.NextProtos, "h2") {
		return
	}
	s.std.ReadHeaderTimeout, s.std.IdleTimeout = s.readHeader, s.idle
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
	if h.phase != phaseFull {
		c.SetDeadline(s.readHeader)
	}
	if s.h2 == nil || c.TLS().NegotiatedProtocol != "h2" {
		return
	}
	nc, _, err := c.Detach(c.Input())
	if err != nil {
		return // it has ended meanwhile
	}
	s.h2conns.Go(func() {
		defer s.open.Add(-1)
		s.h2.ServeConn(nc, &http2.ServeConnOpts{
			Context:    context.WithValue(s.ctx, http.ServerContextKey, s.std),
			BaseConfig: s.std,
		})
	})
}

// drainHTTP2 tells the HTTP/2 connections to end, and waits until they have.
func (s *serving) drainHTTP2(timeout time.Duration) error {
	if s.h2 == nil {
		return nil
	}
	// Shutdown says so to the connections; it does not know them otherwise.
	s.std.Shutdown(context.Background())
	ended := make(chan struct{})
	go func() {
		s.h2conns.Wait()
		close(ended)
	}()
	var expired <-chan time.Time
	if timeout >= 0 {
		t := time.NewTimer(orDefault(timeout, 30*time.Second))
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-ended:
		return nil
	case <-expired:
		return engine.ErrDrainTimeout
	}
}
