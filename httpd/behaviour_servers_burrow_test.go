package httpd_test

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// ownSubjects lists httpd.Server on each of its drivers.
func ownSubjects() []subject {
	return []subject{
		{"burrow-engine", startBurrow(engine.DriverAuto)},
		{"burrow-goroutine", startBurrow(engine.DriverGoroutine)},
	}
}

func startBurrow(driver engine.Driver) func(t *testing.T, s setup) *site {
	return func(t *testing.T, s setup) *site {
		t.Helper()
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
