//go:build !burrowserver

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

func newServer(h http.Handler, config *tls.Config, driver string, logger *slog.Logger) (func(context.Context, net.Listener) error, error) {
	if driver == "kqueue" {
		return nil, errors.New("engine: there is no kqueue driver on this system")
	}
	return func(ctx context.Context, ln net.Listener) error {
		srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		if config != nil {
			ln = tls.NewListener(ln, config)
		}
		done := make(chan error, 1)
		go func() {
			<-ctx.Done()
			done <- srv.Shutdown(context.Background())
		}()
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return <-done
	}, nil
}
