package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// newServer gives what serves a listener until its context ends.
func newServer(h http.Handler, config *tls.Config, driver string, logger *slog.Logger) (func(context.Context, net.Listener) error, error) {
	d, err := parseDriver(driver, runtime.GOOS)
	if err != nil {
		return nil, err
	}
	srv := &httpd.Server{
		Handler:      h,
		TLS:          config,
		Engine:       &engine.Engine{Driver: d, Logger: logger},
		DrainTimeout: -1, // a download may take its time; a second signal ends the wait
		Logger:       logger,
	}
	return srv.Serve, nil
}

// parseDriver is the driver of a name, and an error where the system has none of
// that name.
func parseDriver(name, system string) (engine.Driver, error) {
	d, err := engine.ParseDriver(name)
	if err != nil {
		return 0, err
	}
	var systems []string
	switch d {
	case engine.DriverEpoll, engine.DriverUring:
		systems = []string{"linux"}
	case engine.DriverKqueue:
		systems = []string{"darwin", "dragonfly", "freebsd", "netbsd", "openbsd"}
	default:
		return d, nil
	}
	if !slices.Contains(systems, system) {
		return 0, fmt.Errorf("there is no %s driver on %s; use --driver auto or --driver goroutine", name, system)
	}
	return d, nil
}
