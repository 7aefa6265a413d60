package websocket

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
)

// server is a server under test: a way to run handlers, and a style.
type server struct {
	name   string
	driver engine.Driver
	event  bool
	// place says how the connection comes from its http server: "" by hijacking, "loop"
	// where it is, from the call of its loop, "away" the same from a goroutine.
	place string
}

// servers are all that a behaviour is tested on. A further driver is one more line.
func servers() []server {
	return []server{
		{"blocking", engine.DriverGoroutine, false, ""},
		{"event-loop", engine.DriverAuto, true, ""},
		{"event-goroutine", engine.DriverGoroutine, true, ""},
		{"inplace-loop", engine.DriverAuto, true, "loop"},
		{"inplace-loop-away", engine.DriverAuto, true, "away"},
		{"inplace-goroutine", engine.DriverGoroutine, true, "loop"},
	}
}

// on runs a test for every server.
func on(t *testing.T, f func(t *testing.T, s server)) {
	for _, s := range servers() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			f(t, s)
		})
	}
}

// logs is what a server has logged.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serveHTTP runs a handler on net/http for the time of a test.
func serveHTTP(t testing.TB, h http.Handler) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	t.Cleanup(func() {
		srv.Close()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the server did not end")
		}
	})
	return ln.Addr().String()
}

// start runs the server with an echo, or with the handler of the options. In
// blocking style a Handler is called by the loop that one would write.
func (s server) start(t testing.TB, o *AcceptOptions) (addr string) {
	t.Helper()
	if o == nil {
		o = &AcceptOptions{}
	}
	h := o.Handler
	if h == nil {
		h = &Funcs{OnMessage: func(c *Conn, typ MessageType, data []byte) { c.Write(context.Background(), typ, data) }}
	}
	o.Engine = &engine.Engine{Driver: s.driver}
	o.Handler = nil
	if s.event {
		o.Handler = h
	}
	if s.place != "" {
		return s.serveEngine(t, o)
	}
	var conns sync.WaitGroup
	addr = serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, o)
		if err != nil || s.event {
			return
		}
		conns.Add(1)
		defer conns.Done()
		defer c.CloseNow()
		h.Open(c)
		for {
			typ, data, err := c.Read(context.Background())
			if err != nil {
				h.Close(c, err)
				return
			}
			h.Message(c, typ, data)
		}
	}))
	t.Cleanup(conns.Wait)
	return addr
}

// await fails the test when ch stays silent.
func await[T any](t testing.TB, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("timeout: %s", what)
	}
	return v
}

func background(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func textLogger(l *logs) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// serveEngine runs an http server on an engine that can do no more than upgrade.
func (s server) serveEngine(t testing.TB, o *AcceptOptions) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := o.Engine
	o.Engine = nil
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- e.Serve(ctx, ln, func(*engine.Conn) engine.Protocol { return &httpProtocol{o: o, away: s.place == "away"} }, &engine.ServeOptions{DrainTimeout: time.Second})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the server did not end")
		}
	})
	return ln.Addr().String()
}

// httpProtocol answers one request, with Accept.
type httpProtocol struct {
	o    *AcceptOptions
	away bool
}

func (h *httpProtocol) Data(c *engine.Conn, b []byte) (int, error) {
	i := bytes.Index(b, []byte("\r\n\r\n"))
	if i < 0 {
		return 0, nil
	}
	if h.away {
		c.Go(func() {
			b := c.Input()
			h.serve(c, b[:i+4])
			c.Unread(b[i+4:])
		})
		return 0, nil
	}
	h.serve(c, b[:i+4])
	return i + 4, nil
}

func (h *httpProtocol) serve(c *engine.Conn, head []byte) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		c.Close()
		return
	}
	w := &engineWriter{ResponseRecorder: httptest.NewRecorder(), c: c}
	if _, err := Accept(w, r, h.o); err != nil {
		w.Header().Set("Connection", "close")
		var out bytes.Buffer
		w.Result().Write(&out)
		c.Write(out.Bytes())
		c.Shutdown()
	}
}

func (h *httpProtocol) Timeout(*engine.Conn)       {}
func (h *httpProtocol) Drain(c *engine.Conn)       { c.Close() }
func (h *httpProtocol) Closed(*engine.Conn, error) {}

// engineWriter is a ResponseWriter that upgrades in place.
type engineWriter struct {
	*httptest.ResponseRecorder
	c *engine.Conn
}

func (w *engineWriter) Upgrade(p engine.Protocol) (*engine.Conn, error) {
	w.c.SetProtocol(p)
	return w.c, nil
}
