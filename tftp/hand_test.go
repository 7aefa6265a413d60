package tftp

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// hand is a client that a test leads by the hand, packet by packet.
type hand struct {
	t    *testing.T
	conn *net.UDPConn
	to   netip.AddrPort // where the next packet goes
}

func newHand(t *testing.T, r *running) *hand {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &hand{t: t, conn: conn, to: r.addr}
}

// say sends a packet written as in the vectors.
func (h *hand) say(p *packet) {
	h.t.Helper()
	if _, err := h.conn.WriteToUDPAddrPort(p.append(nil), h.to); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hand) ask(op opcode, name string, o ...option) {
	h.say(&packet{op: op, name: name, mode: "octet", options: o})
}

func (h *hand) ack(n uint16) { h.t.Helper(); h.say(&packet{op: opACK, block: n}) }

// hear waits for the next packet and turns to where it came from.
func (h *hand) hear() (string, netip.AddrPort) {
	h.t.Helper()
	h.conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, maxDatagram)
	n, from, err := h.conn.ReadFromUDPAddrPort(b)
	if err != nil {
		h.t.Fatal(err)
	}
	h.to = from
	return strings.TrimSuffix(describe(b[:n]), "\n"), from
}

func (h *hand) expect(want string) {
	h.t.Helper()
	if got, _ := h.hear(); got != want {
		h.t.Fatalf("heard %s, want %s", got, want)
	}
}

// expectNothing for a moment: what must not come would come at once.
func (h *hand) expectNothing() {
	h.t.Helper()
	h.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	b := make([]byte, maxDatagram)
	if n, _, err := h.conn.ReadFromUDPAddrPort(b); err == nil {
		h.t.Fatalf("heard %s, want nothing", describe(b[:n]))
	}
}

var abc = fstest.MapFS{"abc": &fstest.MapFile{Data: []byte("abcdefghij0123456789ABCDEFGHIJ")}}

// slow is a server that sends nothing again while a test looks.
func slow(s *Server) *Server {
	s.Timeout, s.MinTimeout = patience, patience
	return s
}
