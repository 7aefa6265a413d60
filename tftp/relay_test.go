package tftp

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// relay passes datagrams between clients and a server, loses some and may be
// cut. Each client gets a port of its own towards the server.
type relay struct {
	front  *net.UDPConn
	server netip.AddrPort
	lose   func(toServer bool, b []byte) int // how many copies go through

	mu    sync.Mutex
	backs map[netip.AddrPort]*link
	wg    sync.WaitGroup
}

// link is one client's way through the relay: to the port of requests first,
// then to where the answers come from.
type link struct {
	back *net.UDPConn
	mu   sync.Mutex
	to   netip.AddrPort
}

func newRelay(t *testing.T, server netip.AddrPort, lose func(bool, []byte) int) *relay {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{front: front, server: server, lose: lose, backs: map[netip.AddrPort]*link{}}
	r.wg.Go(r.run)
	t.Cleanup(func() {
		front.Close()
		r.mu.Lock()
		for _, l := range r.backs {
			l.back.Close()
		}
		r.mu.Unlock()
		r.wg.Wait()
	})
	return r
}

func (r *relay) addr() string { return r.front.LocalAddr().String() }

func (r *relay) run() {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := r.front.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		l := r.link(from)
		if l == nil {
			return
		}
		l.mu.Lock()
		to := l.to
		l.mu.Unlock()
		if n > 1 && (b[1] == byte(opRRQ) || b[1] == byte(opWRQ)) {
			to = r.server
		}
		for range r.lose(true, b[:n]) {
			l.back.WriteToUDPAddrPort(b[:n], to)
		}
	}
}

func (r *relay) link(client netip.AddrPort) *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.backs[client]; l != nil {
		return l
	}
	back, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil
	}
	l := &link{back: back, to: r.server}
	r.backs[client] = l
	r.wg.Go(func() {
		b := make([]byte, maxDatagram)
		for {
			n, from, err := back.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			l.mu.Lock()
			l.to = from
			l.mu.Unlock()
			for range r.lose(false, b[:n]) {
				r.front.WriteToUDPAddrPort(b[:n], client)
			}
		}
	})
	return l
}

// dice loses and copies at random.
func dice(loss, copies float64) func(bool, []byte) int {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(1, 2))
	return func(bool, []byte) int {
		mu.Lock()
		defer mu.Unlock()
		switch x := rng.Float64(); {
		case x < loss:
			return 0
		case x < loss+copies:
			return 2
		}
		return 1
	}
}
