package engine

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestHandover blocks a call on every loop and expects the others to be served.
func TestHandover(t *testing.T) {
	onLoops(t, func(t *testing.T, e *Engine) {
		e.Loops = 2
		testHandover(t, e)
	})
}

func testHandover(t *testing.T, e *Engine) {
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
	onLoops(t, func(t *testing.T, e *Engine) {
		e.Loops, e.Patience = 1, -1
		testEndlessPatience(t, e)
	})
}

func testEndlessPatience(t *testing.T, e *Engine) {
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

// TestHandoverDelay measures what the other connections of a loop wait while one
// call sleeps, or computes: the ring's operations are finished by the thread that
// has submitted them, which is the one that computes.
func TestHandoverDelay(t *testing.T) {
	const hold = 200 * time.Millisecond
	for _, kind := range []string{"sleep", "compute"} {
		onLoops(t, func(t *testing.T, e *Engine) {
			e.Loops = 1
			started := make(chan bool, 1)
			dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
				if len(b) > 0 && b[0] == 'H' {
					started <- true
					if kind == "sleep" {
						time.Sleep(hold)
					} else {
						for start := time.Now(); time.Since(start) < hold; {
						}
					}
				}
				return echo(c, b)
			}}), nil)
			holder := dial()
			var others []net.Conn
			for range 5 {
				nc := dial()
				roundTrip(t, nc, []byte("x"))
				others = append(others, nc)
			}
			holder.Write([]byte("H"))
			<-started
			start := time.Now()
			var took []time.Duration
			for i := 0; time.Since(start) < hold*3/4; i++ {
				begin := time.Now()
				roundTrip(t, others[i%len(others)], []byte("quick"))
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			n := len(took)
			t.Logf("%s: %d answers meanwhile: median %v, 9 of 10 within %v, longest %v", kind, n, took[n/2], took[n*9/10], took[n-1])
			if took[n/2] > 20*time.Millisecond {
				t.Errorf("%s: the others wait %v", kind, took[n/2])
			}
			if _, err := io.ReadFull(holder, make([]byte, 1)); err != nil {
				t.Error(err)
			}
		})
	}
}
