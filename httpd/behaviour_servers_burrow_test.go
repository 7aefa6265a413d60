package httpd_test

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// needsDriver skips a test whose driver the system refuses: the ring, in containers.
func needsDriver(t testing.TB, d engine.Driver) {
	t.Helper()
	if err := d.Available(); err != nil {
		t.Skipf("this system refuses the %v driver: %v", d, err)
	}
}

// ownSubjects lists httpd.Server on each of its drivers.
func ownSubjects() (all []subject) {
	for _, d := range engine.Drivers() {
		all = append(all, subject{"burrow-" + d.String(), startBurrow(d)})
	}
	return all
}

func startBurrow(driver engine.Driver) func(t *testing.T, s setup) *site {
	return func(t *testing.T, s setup) *site {
		t.Helper()
		needsDriver(t, driver)
		rec := new(logRecorder)
		srv := &httpd.Server{
			Handler: s.Handler, TLS: s.TLS, Engine: &engine.Engine{Driver: driver},
			ReadHeaderTimeout: s.ReadHeaderTimeout, ReadTimeout: s.ReadTimeout, WriteTimeout: s.WriteTimeout,
			IdleTimeout: s.IdleTimeout, DrainTimeout: s.drainTimeout(), MaxHeaderBytes: s.MaxHeaderBytes,
			MaxBodyBytes: s.MaxBodyBytes, MaxConns: s.MaxConns,
			Logger: slog.New(slog.NewTextHandler(rec, nil)),
		}
		return launch(t, rec, func(ctx context.Context, ln net.Listener) error { return srv.Serve(ctx, ln) })
	}
}
