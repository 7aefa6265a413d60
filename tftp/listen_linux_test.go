package tftp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// TestListenShared: sockets of one address share the clients out, and nobody
// else can take that address.
func TestListenShared(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:0", ":0"} {
		conns, err := ListenShared(t.Context(), addr, 2)
		if err != nil || len(conns) != 2 {
			t.Fatalf("%s: %d sockets, %v", addr, len(conns), err)
		}
		taken := conns[0].LocalAddr().String()
		if got := conns[1].LocalAddr().String(); got != taken {
			t.Errorf("one on %s, the other on %s", taken, got)
		}
		for n := 1; n <= 2; n++ {
			if more, err := ListenShared(t.Context(), taken, n); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("%d more on %s: %v, want EADDRINUSE", n, taken, err)
				for _, c := range more {
					c.Close()
				}
			}
		}
		port := conns[0].LocalAddr().(*net.UDPAddr).Port
		const clients = 64
		for range clients {
			c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte{0}); err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
		heard := 0
		for i, c := range conns {
			n := 0
			for b := make([]byte, 8); heard < clients; n, heard = n+1, heard+1 {
				c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // on loopback it is there already
				if _, _, err := c.ReadFrom(b); err != nil {
					break
				}
			}
			if n == 0 {
				t.Errorf("%s: socket %d heard none of %d clients", addr, i, clients)
			}
			c.Close()
		}
		if heard != clients {
			t.Errorf("%s: %d of %d clients were heard", addr, heard, clients)
		}
	}
}

// TestSeveralLoops: one Server, several Serves on one address, many clients.
func TestSeveralLoops(t *testing.T) {
	t.Parallel()
	data := noise(300_000)
	for _, single := range []bool{false, true} {
		conns, err := ListenShared(t.Context(), "127.0.0.1:0", 3)
		if err != nil {
			t.Fatal(err)
		}
		to := conns[0].LocalAddr().String()
		s := slow(&Server{FS: fstest.MapFS{"f": {Data: data}}, SinglePort: single, MaxTransfersPerAddr: -1, DrainTimeout: -1, Logger: slog.New(slog.DiscardHandler)})
		var serves, clients sync.WaitGroup
		for _, pc := range conns {
			serves.Go(func() {
				if err := s.Serve(t.Context(), pc); err != nil {
					t.Error(err)
				}
			})
		}
		t.Cleanup(serves.Wait)
		for range 24 {
			clients.Go(func() {
				var b bytes.Buffer
				if rec, err := (&Client{}).Get(t.Context(), to, "f", &b); err != nil || !bytes.Equal(b.Bytes(), data) {
					t.Errorf("single port %v: %d bytes, %v, %+v", single, b.Len(), err, rec)
				}
			})
		}
		clients.Wait()
	}
}

// TestDrainTogether: sockets that share an address are closed when the transfers
// of all of them have ended, so that each client reaches its own to the end.
func TestDrainTogether(t *testing.T) {
	t.Parallel()
	conns, err := ListenShared(t.Context(), "127.0.0.1:0", 3)
	if err != nil {
		t.Fatal(err)
	}
	to := conns[0].LocalAddr().(*net.UDPAddr).AddrPort()
	ctx, cancel := context.WithCancel(t.Context())
	s := slow(&Server{FS: abc, SinglePort: true, DrainTimeout: patience, Logger: slog.New(slog.DiscardHandler)})
	ended := make(chan error, len(conns))
	for _, pc := range conns {
		go func() { ended <- s.Serve(ctx, pc) }()
	}
	var hands []*hand
	for range 16 {
		h := newHand(t, &running{addr: to})
		h.ask(opRRQ, "abc", option{"blksize", "10"})
		h.expect("OACK [blksize=10]")
		hands = append(hands, h)
	}
	cancel()
	for _, h := range hands {
		h.ack(0)
		h.expect(`DATA 1 "abcdefghij"`)
		h.ack(1)
		h.expect(`DATA 2 "0123456789"`)
		h.ack(2)
		h.expect(`DATA 3 "ABCDEFGHIJ"`)
		h.ack(3)
		h.expect(`DATA 4 ""`)
		h.ack(4)
	}
	for range conns {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
