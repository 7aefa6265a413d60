package tftp

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSourceAddress: on a machine with several addresses the answers come from
// the one that was asked, of either family, through one socket, also to those
// who asked before the server took its socket over.
func TestSourceAddress(t *testing.T) {
	t.Parallel()
	for i, network := range []string{"udp", "udp", "udp4", "udp4"} {
		single := i%2 == 1
		pc, err := net.ListenPacket(network, ":0")
		if err != nil {
			t.Fatal(err)
		}
		port := pc.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		var early []*hand
		addrs := []string{"127.0.0.1", "127.0.0.2", "127.9.9.9", "::1"}
		if network == "udp4" {
			addrs = addrs[:3] // of IPv4
		}
		for _, addr := range addrs {
			if h := askAt(t, addr, port); h != nil {
				early = append(early, h)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		s := slow(&Server{FS: abc, SinglePort: single, DrainTimeout: -1, Logger: slog.New(slog.DiscardHandler)})
		go func() { ended <- s.Serve(ctx, pc) }()
		for _, h := range early {
			answeredFrom(t, h, single)
		}
		for _, addr := range addrs {
			if h := askAt(t, addr, port); h != nil {
				answeredFrom(t, h, single)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// askAt asks for a file, from and at an address; nil: there is none such here.
func askAt(t *testing.T, addr string, port uint16) *hand {
	to := netip.AddrPortFrom(netip.MustParseAddr(addr), port)
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.Addr(), 0)))
	if err != nil {
		t.Logf("%s: no such address here: %v", addr, err)
		return nil
	}
	t.Cleanup(func() { conn.Close() })
	h := &hand{t: t, conn: conn, to: to}
	h.ask(opRRQ, "abc", option{"blksize", "16"}, option{"windowsize", "2"})
	return h
}

// answeredFrom sees a transfer through whose packets all come from where it was
// asked for.
func answeredFrom(t *testing.T, h *hand, single bool) {
	t.Helper()
	asked := h.to
	for _, want := range []string{"OACK [blksize=16 windowsize=2]", `DATA 1 "abcdefghij012345"`, `DATA 2 "6789ABCDEFGHIJ"`} {
		got, from := h.hear()
		if got != want || from.Addr().Unmap() != asked.Addr() || single != (from.Port() == asked.Port()) {
			t.Errorf("single port %v, asked %v: %s from %v", single, asked, got, from)
		}
		if got == "OACK [blksize=16 windowsize=2]" {
			h.ack(0)
		}
	}
	h.ack(2)
}

// TestWithoutGSO: where the kernel cannot cut a window into datagrams, they are
// sent as a batch.
func TestWithoutGSO(t *testing.T) {
	t.Parallel()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	d, s, err := newDriver(pc)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	to, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	data := noise(10_500)
	for _, gso := range []bool{true, false} {
		d.(*epollDriver).gso = gso
		n, err := s.send(data, 1000, to.LocalAddr().(*net.UDPAddr).AddrPort(), netip.Addr{})
		if n != 11 || err != nil {
			t.Fatalf("gso %v: sent %d, %v", gso, n, err)
		}
		var got []byte
		b := make([]byte, 2000)
		for i := range 11 {
			to.SetReadDeadline(time.Now().Add(patience))
			n, err := to.Read(b)
			if err != nil || n != 1000 && i < 10 {
				t.Fatalf("gso %v: datagram %d has %d bytes, %v", gso, i, n, err)
			}
			got = append(got, b[:n]...)
		}
		if !bytes.Equal(got, data) {
			t.Errorf("gso %v: other bytes arrived", gso)
		}
	}
}

// TestRequestToEverybody: RFC 1123 4.2.3.5. A request that was broadcast or multicast
// is ignored, on sockets of one family and of both.
func TestRequestToEverybody(t *testing.T) {
	t.Parallel()
	for i, network := range []string{"udp", "udp", "udp4", "udp4"} {
		pc, err := net.ListenPacket(network, ":0")
		if err != nil {
			t.Fatal(err)
		}
		port := pc.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		s := slow(&Server{FS: abc, SinglePort: i%2 == 1, DrainTimeout: -1, Logger: slog.New(slog.DiscardHandler)})
		go func() { ended <- s.Serve(ctx, pc) }()
		eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.shared != nil })
		h := newHand(t, &running{addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)})
		h.ask(opRRQ, "abc", option{"tsize", "0"}) // it is up, and notes addresses
		h.expect("OACK [tsize=30]")
		h.to = netip.AddrPortFrom(netip.MustParseAddr("127.255.255.255"), port)
		h.ask(opRRQ, "abc", option{"blksize", "8"})
		eventually(t, func() bool { return s.Stats().Strays == 1 })
		if st := s.Stats(); st.Requests != 1 {
			t.Errorf("%s: %+v", network, st)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestLocalAddr reads control messages as the kernel writes them.
func TestLocalAddr(t *testing.T) {
	t.Parallel()
	four := func(local, header string) []byte {
		b := newBatch(1, false)
		b.setControl(0, netip.MustParseAddr(local), false, 0)
		to := netip.MustParseAddr(header).As4()
		copy(b.control[0][controlHeader+8:], to[:])
		return b.control[0][:controlSpace(unix.SizeofInet4Pktinfo)]
	}
	six := func(local string) []byte {
		b := newBatch(1, false)
		b.setControl(0, netip.MustParseAddr(local), true, 0)
		return b.control[0][:controlSpace(unix.SizeofInet6Pktinfo)]
	}
	for _, tc := range []struct {
		control []byte
		local   string // "": none
		many    bool
	}{
		{four("192.0.2.1", "192.0.2.1"), "192.0.2.1", false},
		{four("192.0.2.1", "192.0.2.255"), "", true},
		{four("192.0.2.1", "255.255.255.255"), "", true},
		{four("192.0.2.1", "239.1.1.1"), "", true},
		{four("0.0.0.0", "192.0.2.1"), "192.0.2.1", false},
		{four("0.0.0.0", "255.255.255.255"), "", true},
		{six("2001:db8::1"), "2001:db8::1", false},
		{six("ff02::1"), "", true},
		{six("::ffff:192.0.2.1"), "192.0.2.1", false},
		{append(six("::ffff:192.0.2.1"), four("192.0.2.1", "192.0.2.1")...), "192.0.2.1", false},
		{append(six("::ffff:192.0.2.255"), four("192.0.2.1", "192.0.2.255")...), "", true},
		{nil, "", false},
	} {
		local, many := localAddr(tc.control)
		if many != tc.many || local.IsValid() != (tc.local != "") || local.IsValid() && local.String() != tc.local {
			t.Errorf("%x: %v, %v; want %q, %v", tc.control, local, many, tc.local, tc.many)
		}
	}
	if got := len(six("::1")) + len(four("0.0.0.0", "0.0.0.0")); got > controlRoom {
		t.Errorf("both messages take %d bytes, there is room for %d", got, controlRoom)
	}
}
