package httpd_test

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"testing"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// ownDrivers are those that httpd is tested on: what it chooses by itself, and the
// others of this system.
func ownDrivers() []engine.Driver {
	all := []engine.Driver{engine.DriverAuto, engine.DriverGoroutine}
	if runtime.GOOS == "linux" {
		all = append(all, engine.DriverUring)
	}
	return all
}

// needsDriver skips a test whose driver the system refuses: the ring, in containers.
func needsDriver(t testing.TB, d engine.Driver) {
	t.Helper()
	if d != engine.DriverUring {
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := (&engine.Engine{Driver: d}).Serve(ctx, ln, nil, nil); err != nil {
		t.Skipf("this system refuses the %v driver: %v", d, err)
	}
}

// ownSubjects lists httpd.Server on each of its drivers.
func ownSubjects() (all []subject) {
	for _, d := range ownDrivers() {
		name := "burrow-" + d.String()
		if d == engine.DriverAuto {
			name = "burrow-engine"
		}
		all = append(all, subject{name, startBurrow(d)})
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
