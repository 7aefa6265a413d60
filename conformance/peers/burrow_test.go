package peers

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// servers are what the tests run on.
func servers() []server {
	return []server{
		yardstick,
		burrow("burrow-engine", engine.DriverAuto),
		burrow("burrow-goroutine", engine.DriverGoroutine),
	}
}

// burrow is httpd.Server on a driver.
func burrow(name string, driver engine.Driver) server {
	return server{name, func(ctx context.Context, ln net.Listener, config *tls.Config) error {
		srv := &httpd.Server{Handler: handler(), TLS: config, Engine: &engine.Engine{Driver: driver}}
		return srv.Serve(ctx, ln)
	}}
}
