//go:build burrowserver

package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// newServer gives what serves a listener until its context ends.
func newServer(h http.Handler, config *tls.Config, driver string, logger *slog.Logger) (func(context.Context, net.Listener) error, error) {
	d, err := engine.ParseDriver(driver)
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
