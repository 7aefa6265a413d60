package tftp

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/fstest"
	"time"
)

// The hot paths: an ACK comes, a window of blocks goes; a block comes.

func TestHotPathsDoNotAllocate(t *testing.T) {
	ack, data := appendHeader(nil, opACK, 7), append(appendHeader(nil, opDATA, 7), noise(1468)...)
	var p packet
	var s sender
	s.start(params{blockSize: 512, window: 16}, simulated, false, 1)
	var r receiver
	r.start(params{blockSize: 512, window: 16}, simulated, 1)
	now := instant(1)
	out := make([]byte, 0, maxDatagram)
	for name, f := range map[string]func(){
		"parse ACK":  func() { p.parse(ack) },
		"parse DATA": func() { p.parse(data) },
		"window out": func() {
			block, n := s.sendable()
			out = out[:0]
			for i := range n {
				out = append(appendHeader(out, opDATA, s.rollover.wire(block+uint64(i))), data[4:516]...)
			}
			s.blocksSent(n, now)
			now += time.Millisecond
			s.ack(uint16(s.high), now)
		},
		"block in": func() {
			r.data(uint16(r.got+1), 512, now)
			if r.due {
				out = appendHeader(out[:0], opACK, r.ackNumber())
				r.packetSent(now)
			}
		},
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkParseACK(b *testing.B) {
	ack := appendHeader(nil, opACK, 7)
	var p packet
	b.ReportAllocs()
	for b.Loop() {
		p.parse(ack)
	}
}

func BenchmarkParseRequest(b *testing.B) {
	q := packet{op: opRRQ, name: "boot/image", mode: "octet", options: options{{"tsize", "0"}, {"blksize", "1468"}, {"windowsize", "16"}}}
	req := q.append(nil)
	var p packet
	b.ReportAllocs()
	for b.Loop() {
		p.parse(req)
	}
}

func BenchmarkSenderWindow(b *testing.B) {
	var s sender
	s.start(params{blockSize: 512, window: 16}, simulated, false, 1)
	now := instant(1)
	b.ReportAllocs()
	for b.Loop() {
		_, n := s.sendable()
		s.blocksSent(n, now)
		now += time.Millisecond
		s.ack(uint16(s.high), now)
	}
}

// BenchmarkGet is a whole transfer over loopback, client and server.
func BenchmarkGet(b *testing.B) {
	const size = 8 << 20
	for _, c := range []Client{{BlockSize: -1, WindowSize: -1}, {BlockSize: 1468, WindowSize: -1}, {BlockSize: 1468, WindowSize: 16}, {BlockSize: 1468, WindowSize: 64}} {
		b.Run(fmt.Sprintf("blksize=%d,windowsize=%d", max(c.BlockSize, 512), max(c.WindowSize, 1)), func(b *testing.B) {
			pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				b.Fatal(err)
			}
			s := &Server{FS: fstest.MapFS{"f": {Data: noise(size)}}, Logger: slog.New(slog.DiscardHandler), DrainTimeout: -1}
			ended := make(chan error)
			go func() { ended <- s.Serve(b.Context(), pc) }()
			b.Cleanup(func() { <-ended })
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Get(b.Context(), pc.LocalAddr().String(), "f", io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
