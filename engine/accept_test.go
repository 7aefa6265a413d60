package engine

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

// TestResetBeforeAccept: a connection that was reset while it waited to be accepted is
// served with its peer's address, or not at all.
func TestResetBeforeAccept(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		e.Loops = 1
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		gone, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		gone.Write([]byte("x"))
		gone.(*net.TCPConn).SetLinger(0)
		gone.Close()
		peers := make(chan netip.AddrPort, 2)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- e.Serve(ctx, ln, func(c *Conn) Protocol {
				if c.Network() != "tcp" {
					t.Errorf("the network is %q", c.Network())
				}
				peers <- c.RemoteAddr()
				return &proto{data: echo}
			}, nil)
		}()
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		roundTrip(t, nc, []byte("x")) // it was behind the one that is gone
		nc.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for close(peers); len(peers) > 0; {
			if a := <-peers; !a.IsValid() {
				t.Error("a connection without an address is served")
			}
		}
	})
}

func TestNetwork(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- e.Serve(ctx, ln, func(c *Conn) Protocol {
				got <- c.Network()
				return &proto{data: echo}
			}, nil)
		}()
		nc, err := net.Dial("unix", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != "unix" {
			t.Errorf("the network of a unix socket is %q", s)
		}
		nc.Close()
		a, b := net.Pipe()
		defer b.Close()
		c, err := e.Attach(a, &proto{data: echo})
		if err != nil {
			t.Fatal(err)
		}
		if s := c.Network(); s != "" {
			t.Errorf("the network of a pipe is %q", s)
		}
		c.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
