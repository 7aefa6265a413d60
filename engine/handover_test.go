package engine

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// TestHandover blocks a call on every loop and expects the others to be served.
func TestHandover(t *testing.T) {
	e := &Engine{Driver: platformDriver, Loops: 2}
	release := make(chan bool)
	var blocked sync.WaitGroup
	dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
		if len(b) > 0 && b[0] == 'B' {
			blocked.Done()
			<-release
		}
		return echo(c, b)
	}}), nil)
	var stuck []net.Conn
	for range 8 { // more than loops, whoever gets which
		nc := dial()
		blocked.Add(1)
		nc.Write([]byte("B"))
		stuck = append(stuck, nc)
	}
	blocked.Wait()
	start := time.Now()
	for range 8 {
		roundTrip(t, dial(), []byte("quick"))
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("the others waited %v", d)
	}
	for deadline := time.Now().Add(5 * time.Second); e.Handovers() < 8; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d handovers for 8 blocked calls", e.Handovers())
		}
	}
	close(release)
	for _, nc := range stuck {
		b := make([]byte, 1)
		if _, err := io.ReadFull(nc, b); err != nil || b[0] != 'B' {
			t.Fatalf("the blocked call answered %q, %v", b, err)
		}
		roundTrip(t, nc, []byte("and goes on"))
	}
}

// TestEndlessPatience blocks the only loop: nobody takes it away.
func TestEndlessPatience(t *testing.T) {
	t.Parallel()
	e := &Engine{Driver: platformDriver, Loops: 1, Patience: -1}
	blocked, release := make(chan bool), make(chan bool)
	dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
		if len(b) > 0 && b[0] == 'B' {
			blocked <- true
			<-release
		}
		return echo(c, b)
	}}), nil)
	stuck, other := dial(), dial()
	roundTrip(t, other, []byte("quick"))
	stuck.Write([]byte("B"))
	<-blocked
	other.Write([]byte("x"))
	other.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := other.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("beside a blocked call: %d bytes, %v; want none", n, err)
	}
	close(release)
	other.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(other, make([]byte, 1)); err != nil || e.Handovers() != 0 {
		t.Errorf("afterwards: %v, %d handovers, want none", err, e.Handovers())
	}
}
