package peers

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/burrownet/burrow/sock"
)

// loopback are the peers that may speak the PROXY protocol.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// server is one way to serve the handler on a listener until ctx ends; config
// nil is plain HTTP.
type server struct {
	name  string
	serve func(ctx context.Context, ln net.Listener, config *tls.Config) error
}

// yardstick is net/http: it shows that a test asks for nothing unusual.
var yardstick = server{"net-http", func(ctx context.Context, ln net.Listener, config *tls.Config) error {
	srv := &http.Server{Handler: handler(), TLSConfig: config}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	var err error
	if config != nil {
		err = srv.ServeTLS(ln, "", "")
	} else {
		err = srv.Serve(ln)
	}
	if err == http.ErrServerClosed {
		return nil
	}
	return err
}}

// listen opens a free port with the options given.
func listen(t *testing.T, opts *sock.ListenOptions) net.Listener {
	t.Helper()
	ln, err := sock.Listen(t.Context(), "127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// on runs the server on the listener until the test ends.
func (s server) on(t *testing.T, ln net.Listener, config *tls.Config) (addr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.serve(ctx, ln, config) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: still serving 10 s after its context ended", s.name)
		}
	})
	return ln.Addr().String()
}

// plain serves HTTP on a free port.
func (s server) plain(t *testing.T) (addr string) {
	t.Helper()
	return s.on(t, listen(t, nil), nil)
}

// tls serves HTTPS on a free port; ca is a file with the certificate.
func (s server) tls(t *testing.T) (addr, ca string) {
	t.Helper()
	cert, err := sock.SelfSigned(nil)
	if err != nil {
		t.Fatal(err)
	}
	addr = s.on(t, listen(t, nil), &tls.Config{Certificates: []tls.Certificate{cert}})
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	return addr, write(t, t.TempDir(), "ca.pem", string(block))
}

// each runs a test on every server.
func each(t *testing.T, test func(t *testing.T, s server)) {
	t.Helper()
	t.Parallel()
	for _, s := range servers() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}
