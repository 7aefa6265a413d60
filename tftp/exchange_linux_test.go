package tftp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
)

// TestNobodyListens: what the network says about a server is heard, at once.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{ownAddr().String() + ":0", "[::1]:0"} {
		pc, err := net.ListenPacket("udp", addr)
		if err != nil {
			t.Logf("%s: no such address here: %v", addr, err)
			continue
		}
		closed := pc.LocalAddr().String()
		pc.Close()
		for _, listen := range []netip.AddrPort{{}, netip.AddrPortFrom(netip.IPv6Unspecified(), 0)} {
			c := &Client{Silence: patience, Retries: 3, Listen: listen}
			rec, err := c.Get(t.Context(), closed, "x", io.Discard)
			if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), closed+" cannot be reached") || rec.Result != ResultFailed || rec.Retransmits != 0 {
				t.Errorf("%v, %+v", err, rec)
			}
		}
	}
}
