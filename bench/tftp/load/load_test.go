//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/burrownet/burrow/tftp"
)

// serve runs a server of ours until the test ends.
func serve(t *testing.T, s *tftp.Server, file []byte) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s.FS, s.Logger, s.DrainTimeout = fstest.MapFS{"f": {Data: file}}, slog.New(slog.DiscardHandler), -1
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(ctx, pc); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return pc.LocalAddr().(*net.UDPAddr).AddrPort()
}

func content(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// TestFetch: alone and many at once, with and without windows, past block 65535,
// with a size that is and is not a multiple of the block's.
func TestFetch(t *testing.T) {
	t.Parallel()
	for _, tc := range []options{
		{size: 300_000, clients: 1, spin: true},
		{size: 300_000, clients: 1, blksize: 1468},
		{size: 64 * 1024, clients: 1, blksize: 1024, window: 16, spin: true},
		{size: 8 * 66_000, clients: 1, blksize: 8, window: 64, spin: true},
		{size: 300_001, clients: 30, blksize: 1468, window: 16, verify: 7},
	} {
		for _, single := range []bool{false, true} {
			file := content(int(tc.size))
			o := tc
			o.server, o.file, o.timeout = serve(t, &tftp.Server{SinglePort: single}, file), "f", 20*time.Second
			o.want, o.verify = crc32.Checksum(file, castagnoli), max(o.verify, 1)
			o.pid = os.Getpid()
			c, err := newCrowd(&o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.run()
			c.close()
			if err != nil {
				t.Fatal(err)
			}
			if r.Failed > 0 || r.Bytes != o.size*int64(o.clients) || r.Verified != o.verify {
				t.Errorf("%+v, single port %v: %+v", tc, single, r)
			}
			if windows := strings.Contains(r.Granted, "windowsize"); windows != (o.window > 1) {
				t.Errorf("granted %q", r.Granted)
			}
			if r.Elapsed <= 0 || r.ServerCPU <= 0 || r.LoadCPU <= 0 || r.Peak <= 0 || r.Rest <= 0 {
				t.Errorf("nothing was spent: %+v", r)
			}
		}
	}
}

// TestWrong: what is not as it should be is found.
func TestWrong(t *testing.T) {
	t.Parallel()
	file := content(50_000)
	right := options{size: int64(len(file)), clients: 1, verify: 1, file: "f", timeout: 20 * time.Second, want: crc32.Checksum(file, castagnoli)}
	right.server = serve(t, &tftp.Server{}, file)
	for want, change := range map[string]func(*options){
		"checksum":   func(o *options) { o.want++ },
		"bytes":      func(o *options) { o.size++ },
		"error 1: ":  func(o *options) { o.file = "none" },
		"not done":   func(o *options) { o.server, o.timeout = silent(t), 300*time.Millisecond },
		"error 1: f": func(o *options) { o.file, o.clients = "none", 3 },
	} {
		o := right
		change(&o)
		c, err := newCrowd(&o)
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.run()
		c.close()
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed != o.clients || !strings.Contains(r.FirstError, want) {
			t.Errorf("%s: %+v", want, r)
		}
	}
}

// silent is an address that does not answer.
func silent(t *testing.T) netip.AddrPort {
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc.LocalAddr().(*net.UDPAddr).AddrPort()
}

// TestMachine: what one client makes of packets that are lost, doubled or late.
func TestMachine(t *testing.T) {
	t.Parallel()
	f := &fetch{fd: -1, blksize: 4, window: 1}
	send := func(n uint16, body string) {
		b := append(binary.BigEndian.AppendUint32(nil, opDATA<<16|uint32(n)), body...)
		f.take(b, len(b))
	}
	acked := func() uint16 { return uint16(binary.BigEndian.Uint32(f.ack[:])) }
	f.take([]byte("\x00\x06windowsize\x003\x00"), 15)
	if f.window != 3 || f.granted != " windowsize=3" || acked() != 0 {
		t.Fatalf("after the OACK: %+v", f)
	}
	send(1, "aaaa")
	send(2, "bbbb")
	if acked() != 0 {
		t.Errorf("block %d acknowledged before the window was full", acked())
	}
	send(3, "cccc")
	if acked() != 3 {
		t.Errorf("block %d acknowledged, want 3", acked())
	}
	send(4, "dddd")
	send(6, "ffff") // 5 is lost
	if acked() != 4 || f.got != 4 {
		t.Errorf("block %d acknowledged at the gap, want 4", acked())
	}
	f.ack = [4]byte{}
	send(7, "gggg")
	if acked() != 0 {
		t.Error("a gap was reported twice")
	}
	send(5, "eeee")
	send(6, "")
	if !f.complete || f.done || f.bytes != 20 || f.behind != 2 {
		t.Errorf("at the end: %+v", f)
	}
	f.finish()
	if !f.done || acked() != 6 {
		t.Errorf("block %d acknowledged at the end, want 6", acked())
	}
	f.ack = [4]byte{}
	send(6, "")
	if acked() != 6 {
		t.Error("a copy of the last block was not answered")
	}
}
