package tftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRandomDatagrams throws noise, near misses and half transfers at a live
// server, from many ports; then it must serve as if nothing had been. The
// environment variable TFTP_DATAGRAMS says how many; 50,000 by default. Ten million
// take some minutes:
//
//	TFTP_DATAGRAMS=10000000 go test -run '^TestRandomDatagrams$' -timeout 1h -v ./tftp
func TestRandomDatagrams(t *testing.T) {
	t.Parallel()
	total := int64(50_000)
	if n, err := strconv.ParseInt(os.Getenv("TFTP_DATAGRAMS"), 10, 64); err == nil {
		total = n
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	data := noise(100_000)
	if err := root.WriteFile("f", data, 0o644); err != nil {
		t.Fatal(err)
	}
	r := serve(t, &Server{
		Root: root, Write: WriteOverwrite, MaxTransfersPerAddr: 500, MaxFileSize: 1 << 16,
		Silence: 300 * time.Millisecond, OnTransfer: func(Record) {},
	}, false)
	var sent atomic.Int64
	var wg sync.WaitGroup
	for seed := range uint64(2) {
		wg.Go(func() { storm(t, r, seed, total/2, &sent) })
	}
	wg.Wait()
	t.Logf("%d datagrams: %+v", sent.Load(), r.Stats())
	if st := r.Stats(); st.Requests == 0 || sent.Load() < total/2 {
		t.Errorf("the storm did not reach the server: %+v", r.Stats())
	}
	// The limit holds until the last of these transfers has fallen silent.
	eventually(t, func() bool { return r.Stats().Active == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var b bytes.Buffer
	if _, err := (&Client{Retries: 2}).Get(ctx, r.addr.String(), "f", &b); err != nil || !bytes.Equal(b.Bytes(), data) {
		t.Errorf("afterwards: %d bytes, %v", b.Len(), err)
	}
}

// storm sends n datagrams from a few ports and talks back to what answers.
func storm(t *testing.T, r *running, seed uint64, n int64, sent *atomic.Int64) {
	rng := rand.New(rand.NewPCG(seed, 9))
	var conns [8]*net.UDPConn
	open := func(i int) {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Error(err)
			return
		}
		conns[i] = c
	}
	for i := range conns {
		open(i)
	}
	request := packet{op: opRRQ, name: "f", mode: "octet", options: options{{"tsize", "0"}}}
	answer := make([]byte, maxDatagram)
	for k := range n {
		i := rng.IntN(len(conns))
		to := r.addr
		if k%512 == 0 { // now and then to the port of a transfer, as its client and as a stranger
			conns[i].WriteToUDPAddrPort(request.append(nil), to)
			conns[i].SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			for {
				_, from, err := conns[i].ReadFromUDPAddrPort(answer)
				if err != nil {
					break
				}
				to = from // the last one is that of a transfer that lives, perhaps
			}
			conns[(i+1)%len(conns)].WriteToUDPAddrPort(missile(rng), to)
		}
		if _, err := conns[i].WriteToUDPAddrPort(missile(rng), to); err == nil {
			sent.Add(1)
		}
		if k%500 == 0 {
			conns[i].Close()
			open(i)
		}
	}
	for _, c := range conns {
		c.Close()
	}
}

// missile is a datagram that is wrong in some way, or right and out of place.
func missile(rng *rand.Rand) []byte {
	b := make([]byte, rng.IntN(60))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	number := uint16(rng.IntN(4))
	var p packet
	switch rng.IntN(8) {
	case 0:
		return b
	case 1:
		return append(binary.BigEndian.AppendUint16(nil, uint16(rng.IntN(8))), b...)
	case 2:
		p = packet{op: opDATA, block: number, data: b}
	case 3:
		p = packet{op: opACK, block: number}
	case 4:
		p = packet{op: opERROR, code: ErrorCode(number), message: string(b)}
	default:
		p = packet{op: opRRQ, name: "f", mode: "octet", options: options{
			{"blksize", strconv.Itoa(rng.IntN(2000))}, {"windowsize", strconv.Itoa(rng.IntN(70))}, {"tsize", "0"},
		}}
		if rng.IntN(3) == 0 {
			p.op, p.name = opWRQ, "up"+strconv.Itoa(int(number))
		}
		if rng.IntN(4) == 0 {
			p.mode = "netascii"
		}
	}
	b = p.append(nil)
	if rng.IntN(3) == 0 && len(b) > 0 { // one byte off
		b[rng.IntN(len(b))] ^= byte(1 << rng.IntN(8))
	}
	if rng.IntN(5) == 0 {
		b = b[:rng.IntN(len(b)+1)]
	}
	return b
}
