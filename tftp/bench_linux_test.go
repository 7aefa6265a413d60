package tftp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	crowdBlock  = 1468
	crowdWindow = 64 // a power of 2: see lastOfWindow
)

// lastOfWindow is a filter of the kernel that drops DATA but the last of a window
// and of the file: its client does next to nothing, and the server decides how
// fast it goes.
func lastOfWindow(b *testing.B) []unix.SockFilter {
	const udp = 8 // bytes of its header
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: udp, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(opDATA), SkipTrue: 5},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: udp + headerSize + crowdBlock, SkipTrue: 3},
		bpf.LoadAbsolute{Off: udp + 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: crowdWindow - 1, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: maxDatagram},
	})
	if err != nil {
		b.Fatal(err)
	}
	filter := make([]unix.SockFilter, len(program))
	for i, p := range program {
		filter[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	return filter
}

// fetchLast gets a file and acknowledges what it sees of it.
func fetchLast(to netip.AddrPort, filter []unix.SockFilter) error {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		ctlErr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
		})
		return errors.Join(ctlErr, err)
	}}
	pc, err := lc.ListenPacket(context.Background(), "udp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer pc.Close()
	conn := pc.(*net.UDPConn)
	conn.SetDeadline(time.Now().Add(patience))
	q := packet{op: opRRQ, name: "f", mode: "octet", options: options{{"blksize", fmt.Sprint(crowdBlock)}, {"windowsize", fmt.Sprint(crowdWindow)}}}
	out, in := q.append(nil), make([]byte, headerSize+crowdBlock)
	for n := 0; ; {
		if _, err := conn.WriteToUDPAddrPort(out, to); err != nil {
			return err
		}
		if n > 0 && in[1] == byte(opDATA) && n < len(in) {
			return nil
		}
		if n, to, err = conn.ReadFromUDPAddrPort(in); err != nil {
			return err
		}
		out = appendHeader(out[:0], opACK, 0)
		if in[1] == byte(opDATA) {
			out = appendHeader(out[:0], opACK, binary.BigEndian.Uint16(in[2:]))
		}
	}
}

// BenchmarkLoops: many clients that cost little, and one, two and four loops. With
// -cpu twice the processors the clients do not wait for the loops.
func BenchmarkLoops(b *testing.B) {
	const clients, size = 48, 8 << 20
	filter := lastOfWindow(b)
	for _, single := range []bool{false, true} {
		for _, loops := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("loops=%d,single-port=%v", loops, single), func(b *testing.B) {
				conns, err := ListenShared(b.Context(), "127.0.0.1:0", loops)
				if err != nil {
					b.Fatal(err)
				}
				s := &Server{FS: fstest.MapFS{"f": {Data: noise(size)}}, SinglePort: single, MaxTransfersPerAddr: -1, Logger: slog.New(slog.DiscardHandler), DrainTimeout: -1}
				var serves sync.WaitGroup
				for _, pc := range conns {
					serves.Go(func() { s.Serve(b.Context(), pc) })
				}
				b.Cleanup(serves.Wait)
				b.SetBytes(clients * size)
				for b.Loop() {
					var wg sync.WaitGroup
					for range clients {
						wg.Go(func() {
							if err := fetchLast(conns[0].LocalAddr().(*net.UDPAddr).AddrPort(), filter); err != nil {
								b.Error(err)
							}
						})
					}
					wg.Wait()
				}
			})
		}
	}
}
