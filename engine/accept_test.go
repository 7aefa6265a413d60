package engine

import (
	"context"
	"errors"
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

// TestListenerClosedByOthers: once somebody has closed the listener no connection is
// served, and Serve says so.
func TestListenerClosedByOthers(t *testing.T) {
	onLoops(t, func(t *testing.T, e *Engine) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr().String()
		served, ended := make(chan bool, 100), make(chan error, 1)
		go func() {
			ended <- e.Serve(context.Background(), ln, func(*Conn) Protocol {
				served <- true
				return &proto{data: echo}
			}, nil)
		}()
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, nc, []byte("x"))
		<-served
		nc.Close()
		ln.Close()
		// Another takes the number of the descriptor, as likely as not.
		other, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		others, otherEnded := make(chan bool, 100), make(chan error, 1)
		go func() {
			otherEnded <- e.Serve(ctx, other, func(*Conn) Protocol {
				others <- true
				return &proto{data: echo}
			}, nil)
		}()
		for range 3 {
			if nc, err := net.Dial("tcp", addr); err == nil {
				nc.Close()
			}
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v, want that the listener was closed", err)
		}
		if len(served)+len(others) > 0 {
			t.Errorf("%d and %d connections to a closed listener are served", len(served), len(others))
		}
		nc, err = net.Dial("tcp", other.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		roundTrip(t, nc, []byte("x"))
		nc.Close()
		cancel()
		if err := <-otherEnded; err != nil {
			t.Error(err)
		}
	})
}
