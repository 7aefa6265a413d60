package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/sock"
)

// serveEngine runs an http server on an engine that can do no more than upgrade.
func (s server) serveEngine(t testing.TB, o *AcceptOptions, h Handler) (addr string) {
	t.Helper()
	ln := listen(t)
	opts := &engine.ServeOptions{DrainTimeout: time.Second}
	if s.secure {
		opts.TLS, addr = tlsConfig(t), secure
	}
	e := o.Engine
	o.Engine = nil
	site := &httpSite{o: o, h: h, away: s.place == "away"}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- e.Serve(ctx, ln, func(*engine.Conn) engine.Protocol { return (*httpProtocol)(site) }, opts)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-ended:
			site.detached.Wait()
		case <-time.After(patience):
			t.Error("the server did not end")
		}
	})
	return addr + ln.Addr().String()
}

// tlsConfig has a certificate.
func tlsConfig(t testing.TB) *tls.Config {
	t.Helper()
	cert, err := certificate()
	must(t, "certificate", err)
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

var certificate = sync.OnceValues(func() (tls.Certificate, error) { return sock.SelfSigned(nil) })

// httpSite is what the connections of a server share.
type httpSite struct {
	o        *AcceptOptions
	h        Handler
	away     bool
	detached sync.WaitGroup
}

// httpProtocol answers one request, with Accept.
type httpProtocol httpSite

func (h *httpProtocol) Data(c *engine.Conn, b []byte) (int, error) {
	i := bytes.Index(b, []byte("\r\n\r\n"))
	if i < 0 {
		return 0, nil
	}
	if h.away {
		c.Go(func() {
			b := c.Input()
			c.Unread(b[h.serve(c, b[:i+4], b[i+4:]):])
		})
		return 0, nil
	}
	return h.serve(c, b[:i+4], b[i+4:]), nil
}

// serve answers; early is what has arrived behind the request. It returns how much
// of the input was used.
func (h *httpProtocol) serve(c *engine.Conn, head, early []byte) int {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		c.Close()
		return len(head)
	}
	w := &engineWriter{ResponseRecorder: httptest.NewRecorder(), c: c, early: early}
	conn, err := Accept(w, r, h.o)
	if err == nil && conn.ev == nil {
		h.detached.Go(func() { readLoop(conn, h.h) })
		return 0 // Detach has taken all
	}
	if err != nil {
		w.Header().Set("Connection", "close")
		var out bytes.Buffer
		w.Result().Write(&out)
		c.Write(out.Bytes())
		c.Shutdown()
	}
	return len(head)
}

func (h *httpProtocol) Timeout(*engine.Conn)       {}
func (h *httpProtocol) Drain(c *engine.Conn)       { c.Close() }
func (h *httpProtocol) Closed(*engine.Conn, error) {}

// engineWriter is a ResponseWriter that upgrades, in place or by hijacking.
type engineWriter struct {
	*httptest.ResponseRecorder
	c     *engine.Conn
	early []byte
}

func (w *engineWriter) Upgrade(p engine.Protocol) (*engine.Conn, error) {
	w.c.SetProtocol(p)
	return w.c, nil
}

// Hijack implements http.Hijacker.
func (w *engineWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, unread, err := w.c.Detach(w.early)
	if err != nil {
		return nil, nil, err
	}
	br := bufio.NewReaderSize(&readAhead{nc, unread}, max(len(unread), 512))
	br.Peek(len(unread)) // so that Buffered tells of it
	return nc, bufio.NewReadWriter(br, bufio.NewWriter(nc)), nil
}
