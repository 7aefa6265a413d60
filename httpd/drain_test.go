package httpd_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// TestDrainHandshakes ends a server while clients come that choose HTTP/2: whatever moment that hits, no connection is
// served any more once Serve has returned.
func TestDrainHandshakes(t *testing.T) {
	t.Parallel()
	for _, d := range engine.Drivers() {
		t.Run(d.String(), func(t *testing.T) {
			needsDriver(t, d)
			for round := range 12 {
				drainHandshakes(t, d, time.Duration(round)*time.Millisecond)
			}
		})
	}
}

func drainHandshakes(t *testing.T, d engine.Driver, after time.Duration) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &httpd.Server{Engine: &engine.Engine{Driver: d}, TLS: serverTLS(), Handler: http.NotFoundHandler(), DrainTimeout: 50 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	config := clientTLS()
	config.NextProtos = []string{"h2"}
	var clients sync.WaitGroup
	conns := make(chan *tls.Conn, 8)
	for range cap(conns) {
		clients.Go(func() {
			if nc, err := tls.Dial("tcp", ln.Addr().String(), config); err == nil {
				conns <- nc
			} // else it came too late
		})
	}
	time.AfterFunc(after, cancel)
	select {
	case err := <-served:
		if err != nil && !errors.Is(err, engine.ErrDrainTimeout) {
			t.Errorf("Serve = %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Serve does not return")
	}
	ln.Close()
	clients.Wait()
	close(conns)
	for nc := range conns {
		nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		for err = nil; err == nil; {
			_, err = nc.Read(make([]byte, 4<<10))
		}
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			t.Error("a connection is open still after Serve has returned")
		}
		nc.Close()
	}
}
