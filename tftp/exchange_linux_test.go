package tftp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestListensLater: who knows that a server is about to start can wait for it.
func TestListensLater(t *testing.T) {
	t.Parallel()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ownAddr()})
	if err != nil {
		t.Fatal(err)
	}
	addr := pc.LocalAddr().(*net.UDPAddr)
	pc.Close()
	refused := make(chan struct{})
	once := sync.OnceFunc(func() { close(refused) })
	var b bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		c := &Client{Silence: patience, Retries: 3, OnNoAnswer: func(netip.AddrPort, time.Duration) { once() }}
		_, err := c.Get(t.Context(), addr.String(), "abc", &b)
		ended <- err
	}()
	<-refused // it pauses before the next attempt
	if pc, err = net.ListenUDP("udp4", addr); err != nil {
		t.Fatal(err)
	}
	serveOn(t, &Server{FS: abc}, pc, false)
	if err := <-ended; err != nil || b.Len() != 30 {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
}

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
			c := &Client{Silence: patience, Listen: listen}
			rec, err := c.Get(t.Context(), closed, "x", io.Discard)
			if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), closed+" cannot be reached") || rec.Result != ResultFailed || rec.Retransmits != 0 {
				t.Errorf("%v, %+v", err, rec)
			}
		}
	}
}
