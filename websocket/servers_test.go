package websocket

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
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
	// place says how the connection comes from its http server: "" by hijacking it
	// from net/http; from a server on an engine "loop" where it is, from the call of
	// its loop, "away" the same from a goroutine, and "detach" by hijacking.
	place  string
	secure bool // TLS
}

// servers are all that a behaviour is tested on: the second is in event style, on a loop
// where the system has loops.
func servers() []server {
	all := []server{{name: "blocking", driver: engine.DriverGoroutine}}
	for _, d := range engine.Drivers() {
		name := d.String()
		all = append(all,
			server{name: "event-" + name, driver: d, event: true},
			server{name: "inplace-" + name, driver: d, event: true, place: "loop"},
			server{name: "tls-" + name, driver: d, event: true, place: "loop", secure: true})
		if d != engine.DriverGoroutine {
			all = append(all,
				server{name: "inplace-away-" + name, driver: d, event: true, place: "away"},
				server{name: "tls-away-" + name, driver: d, event: true, place: "away", secure: true},
				server{name: "tls-detached-" + name, driver: d, place: "detach", secure: true})
		}
	}
	return append(all, server{name: "tls-blocking", driver: engine.DriverGoroutine, secure: true})
}

// secured is the server with TLS.
func (s server) secured() server {
	s.secure = true
	return s
}

// on runs a test for every server.
func on(t *testing.T, f func(t *testing.T, s server)) {
	for _, s := range servers() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.needs(t)
			f(t, s)
		})
	}
}

// needs skips a test whose driver this system refuses: the ring, in containers.
func (s server) needs(t testing.TB) {
	t.Helper()
	if err := s.driver.Available(); err != nil {
		t.Skipf("this system refuses the %v driver: %v", s.driver, err)
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
	return serveHTTPOn(t, listen(t), h)
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, "listen", err)
	return ln
}

// secure is what the address of a server begins with that speaks TLS.
const secure = "tls:"

func serveHTTPOn(t testing.TB, ln net.Listener, h http.Handler) (addr string) {
	t.Helper()
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
		return s.serveEngine(t, o, h)
	}
	var conns sync.WaitGroup
	ln := listen(t)
	if s.secure {
		ln, addr = tls.NewListener(ln, tlsConfig(t)), secure
	}
	addr += serveHTTPOn(t, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, o)
		if err != nil || s.event {
			return
		}
		conns.Add(1)
		defer conns.Done()
		readLoop(c, h)
	}))
	t.Cleanup(conns.Wait)
	return addr
}

// readLoop calls a Handler in blocking style.
func readLoop(c *Conn, h Handler) {
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
