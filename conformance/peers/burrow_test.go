package peers

import (
	"context"
	"crypto/tls"
	"net"
	"slices"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// servers are what the tests run on.
func servers() []server {
	all := []server{yardstick}
	for _, d := range drivers() {
		all = append(all, burrow("burrow-"+d.String(), d))
	}
	return all
}

// drivers are those of this system; containers refuse the ring.
func drivers() []engine.Driver {
	return slices.DeleteFunc(engine.Drivers(), func(d engine.Driver) bool { return d.Available() != nil })
}

// burrow is httpd.Server on a driver.
func burrow(name string, driver engine.Driver) server {
	return server{name, func(ctx context.Context, ln net.Listener, config *tls.Config) error {
		srv := &httpd.Server{Handler: handler(), TLS: config, Engine: &engine.Engine{Driver: driver}}
		return srv.Serve(ctx, ln)
	}}
}
