package httpd_test

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// setup is the configuration of one server of the suite, in the words of httpd.Server. Zero values are the server's
// own defaults. What net/http has no field for is emulated by its starter or listed among the differences.
type setup struct {
	Handler           http.Handler
	TLS               *tls.Config
	ReadHeaderTimeout time.Duration
	ReadTimeout       time.Duration // progress of the request body; net/http: the whole request
	WriteTimeout      time.Duration // progress of the answer; net/http: the whole answer
	IdleTimeout       time.Duration
	DrainTimeout      time.Duration // 0 means 2 s in this suite
	MaxHeaderBytes    int
	MaxBodyBytes      int64
	MaxConns          int
}

// subject is one server on which the suite runs. start returns once the listener accepts.
type subject struct {
	name  string
	start func(t *testing.T, s setup) *site
}

// subjects lists the servers: the yardstick first.
func subjects() []subject {
	return append([]subject{{"net-http", startNetHTTP}}, ownSubjects()...)
}

// site is a running server.
type site struct {
	addr  string
	log   *logRecorder
	drain func()        // begins an orderly end; returns at once
	ended chan struct{} // closed when Serve has returned
	err   error         // what Serve returned; read after ended
}

// launch listens on a free loopback port and runs serve until the test ends.
func launch(t *testing.T, rec *logRecorder, serve func(ctx context.Context, ln net.Listener) error) *site {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{addr: ln.Addr().String(), log: rec, drain: cancel, ended: make(chan struct{})}
	go func() {
		s.err = serve(ctx, ln)
		close(s.ended)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-s.ended:
		case <-time.After(2 * patience):
			t.Errorf("the server did not end within %v of being told to", 2*patience)
		}
	})
	return s
}

// startNetHTTP runs the yardstick. Shutdown with a deadline, then Close, is what the drain of httpd.Server does.
func startNetHTTP(t *testing.T, s setup) *site {
	t.Helper()
	rec := new(logRecorder)
	h := s.Handler
	if s.MaxBodyBytes > 0 {
		h = http.MaxBytesHandler(h, s.MaxBodyBytes)
	}
	srv := &http.Server{
		Handler: h, TLSConfig: s.TLS, ReadHeaderTimeout: s.ReadHeaderTimeout, ReadTimeout: s.ReadTimeout,
		WriteTimeout: s.WriteTimeout, IdleTimeout: s.IdleTimeout, MaxHeaderBytes: s.MaxHeaderBytes,
		ErrorLog: log.New(rec, "", 0),
	}
	return launch(t, rec, func(ctx context.Context, ln net.Listener) error {
		served := make(chan error, 1)
		go func() {
			if s.TLS != nil {
				served <- srv.ServeTLS(ln, "", "")
				return
			}
			served <- srv.Serve(ln)
		}()
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), s.drainTimeout())
		defer cancel()
		err := srv.Shutdown(grace)
		if err != nil {
			srv.Close()
		}
		if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
			return serr
		}
		return err
	})
}

func (s setup) drainTimeout() time.Duration {
	if s.DrainTimeout == 0 {
		return 2 * time.Second
	}
	return s.DrainTimeout
}

// logRecorder keeps what a server logs. It may be used by several goroutines.
type logRecorder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logRecorder) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logRecorder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
