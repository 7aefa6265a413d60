//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/bench/tftp/internal/mmsg"
	"github.com/burrownet/burrow/tftp"
)

// start runs a relay to a server until the test ends and returns its address.
func start(t *testing.T, server net.Addr, delay time.Duration) string {
	t.Helper()
	to, err := netip.ParseAddrPort(server.String())
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRelay(netip.MustParseAddrPort("127.0.0.1:0"), to, delay)
	if err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(r.front)
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer r.close()
		for !stop.Load() {
			if err := r.turn(10 * time.Millisecond); err != nil {
				t.Error(err)
				return
			}
		}
	})
	t.Cleanup(func() { stop.Store(true); wg.Wait() })
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(sa.(*unix.SockaddrInet4).Port)).String()
}

func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	pc.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { pc.Close() })
	return pc
}

// TestDelayAndOrder: each datagram comes later by the delay, in either direction,
// and none overtakes another.
func TestDelayAndOrder(t *testing.T) {
	t.Parallel()
	const n, delay = 200, 30 * time.Millisecond
	server := listen(t)
	go func() { // an echo
		b := make([]byte, 100)
		for {
			m, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			server.WriteTo(b[:m], from)
		}
	}()
	conn, err := net.Dial("udp4", start(t, server.LocalAddr(), delay))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	began := make([]time.Time, n)
	for i := range n {
		began[i] = time.Now()
		if _, err := conn.Write(binary.BigEndian.AppendUint32(nil, uint32(i))); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 100)
	for i := range n {
		m, err := conn.Read(b)
		if err != nil {
			t.Fatalf("datagram %d: %v", i, err)
		}
		if got := binary.BigEndian.Uint32(b[:m]); got != uint32(i) {
			t.Fatalf("datagram %d came as number %d", got, i)
		}
		if took := time.Since(began[i]); took < 2*delay {
			t.Fatalf("datagram %d took %v, less than twice the delay", i, took)
		}
	}
}

// TestTransfers: several transfers at once from a server that answers each from a
// port of its own, and from one that has a single port.
func TestTransfers(t *testing.T) {
	t.Parallel()
	file := bytes.Repeat([]byte("0123456789"), 5000)
	for _, single := range []bool{false, true} {
		pc := listen(t)
		ctx, cancel := context.WithCancel(t.Context())
		s := &tftp.Server{
			FS: fstest.MapFS{"f": {Data: file}}, SinglePort: single, Logger: slog.New(slog.DiscardHandler), DrainTimeout: -1,
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Serve(ctx, pc); err != nil {
				t.Error(err)
			}
		})
		addr := start(t, pc.LocalAddr(), time.Millisecond)
		var clients sync.WaitGroup
		for range 5 {
			clients.Go(func() {
				var b bytes.Buffer
				if _, err := (&tftp.Client{}).Get(ctx, addr, "f", &b); err != nil || !bytes.Equal(b.Bytes(), file) {
					t.Errorf("single port %v: %d bytes, %v", single, b.Len(), err)
				}
			})
		}
		clients.Wait()
		cancel()
		wg.Wait()
	}
}

// TestQueue: parcels come out as they went in, and there is an end to the room.
func TestQueue(t *testing.T) {
	t.Parallel()
	q := newQueue(4)
	for i := range 6 {
		q.push(time.Duration(i), i, mmsg.Addr{}, []byte{byte(i)})
	}
	if q.len() != 4 || q.lost != 2 {
		t.Errorf("%d parcels, %d lost; want 4 and 2", q.len(), q.lost)
	}
	q.drop(3)
	q.push(9, 9, mmsg.Addr{}, []byte{9})
	if got := [2]byte{q.at(0).b[0], q.at(1).b[0]}; got != [2]byte{3, 9} {
		t.Errorf("parcels %v, want 3 and 9", got)
	}
	if got := q.patience(1); got != 2 {
		t.Errorf("patience %d, want 2", got)
	}
	q.drop(2)
	if got := q.patience(1); got != -1 {
		t.Errorf("patience %d without a parcel, want -1", got)
	}
}
