package httpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// TestUnixAddr: over a unix socket handlers see the addresses that net/http gives them.
func TestUnixAddr(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("what package net calls a socket without a name differs by system")
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		fmt.Fprintf(w, "%q %q %T %s", r.RemoteAddr, local.Network(), local, filepath.Base(local.String()))
	})
	servers := map[string]func(context.Context, net.Listener) error{
		"net-http": func(ctx context.Context, ln net.Listener) error {
			srv := &http.Server{Handler: h}
			defer context.AfterFunc(ctx, func() { srv.Close() })()
			if err := srv.Serve(ln); err != http.ErrServerClosed {
				return err
			}
			return nil
		},
	}
	for _, d := range engine.Drivers() {
		if d.Available() == nil {
			servers[d.String()] = (&httpd.Server{Handler: h, Engine: &engine.Engine{Driver: d}}).Serve
		}
	}
	for name, serve := range servers {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			ln, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- serve(ctx, ln) }()
			nc, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(nc, head("GET", "/", "Connection: close"))
			_, got, err := stressAnswer(bufio.NewReader(nc))
			if want := `"@" "unix" *net.UnixAddr s`; got != want || err != nil {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
			nc.Close()
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
}
