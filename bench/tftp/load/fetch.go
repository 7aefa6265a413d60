//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/burrownet/burrow/bench/tftp/internal/mmsg"
)

// The opcodes, RFC 1350 5 and RFC 2347.
const (
	opRRQ   = 1
	opDATA  = 3
	opACK   = 4
	opERROR = 5
	opOACK  = 6
)

const headerSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fetch is one transfer of one client.
type fetch struct {
	fd       int
	request  []byte
	to       mmsg.Addr // where requests go
	blksize  int       // as granted
	window   int       // as granted
	granted  string
	verify   bool
	answered bool // the server's port is known, and the socket connected to it

	got      uint64 // blocks taken, in order
	bytes    int64
	unacked  int // blocks since the last ACK
	sum      uint32
	complete bool // the last block is here
	done     bool // and acknowledged
	gapAt    uint64

	heard   time.Time // when something last happened
	silent  int       // resends since
	resent  int       // by this side
	behind  int       // blocks that came again or out of order
	failure error
	ack     [headerSize]byte
}

// newRequest builds the RRQ. A value of 0 is not asked for.
func newRequest(file string, blksize, window int) []byte {
	b := binary.BigEndian.AppendUint16(nil, opRRQ)
	add := func(texts ...string) {
		for _, s := range texts {
			b = append(append(b, s...), 0)
		}
	}
	add(file, "octet")
	if blksize > 0 {
		add("blksize", strconv.Itoa(blksize))
	}
	if window > 1 {
		add("windowsize", strconv.Itoa(window))
	}
	return b
}

// ask sends the request.
func (f *fetch) ask(out *mmsg.Batch, now time.Time) error {
	out.Put(0, f.request, f.to)
	f.heard = now
	_, err := out.Send(f.fd, 1)
	return err
}

// acknowledge sends an ACK of the last block that is here.
func (f *fetch) acknowledge() {
	binary.BigEndian.PutUint32(f.ack[:], opACK<<16|uint32(uint16(f.got)))
	mmsg.Write(f.fd, f.ack[:])
	f.unacked = 0
}

// take takes a datagram in, of which b is the beginning and size all.
func (f *fetch) take(b []byte, size int) {
	if len(b) < headerSize || f.failure != nil {
		return
	}
	switch word := binary.BigEndian.Uint32(b); word >> 16 {
	case opDATA:
		f.data(uint16(word), b[headerSize:], size-headerSize)
	case opOACK:
		f.oack(b[2:])
	case opERROR:
		f.failure = fmt.Errorf("error %d: %s", uint16(word), bytes.TrimRight(b[headerSize:], "\x00"))
	}
}

// oack reads what was granted, of the two options there are, and acknowledges it
// (RFC 2347: as block 0).
func (f *fetch) oack(b []byte) {
	if f.got > 0 {
		return
	}
	f.granted = ""
	fields := bytes.Split(bytes.TrimSuffix(b, []byte{0}), []byte{0})
	for i := 0; i+1 < len(fields); i += 2 {
		n, err := strconv.Atoi(string(fields[i+1]))
		if err != nil || n < 1 {
			f.failure = fmt.Errorf("OACK with %q", b)
			return
		}
		switch string(bytes.ToLower(fields[i])) {
		case "blksize":
			f.blksize = n
		case "windowsize":
			f.window = n
		}
		f.granted += fmt.Sprintf(" %s=%d", bytes.ToLower(fields[i]), n)
	}
	f.acknowledge()
}

// data takes a block in. b holds its bytes, or only some when they are not to be
// verified; n is how many there are.
func (f *fetch) data(number uint16, b []byte, n int) {
	if number != uint16(f.got+1) || f.complete {
		f.outOfOrder()
		return
	}
	if n > f.blksize {
		f.failure = fmt.Errorf("a block of %d bytes, with blksize %d", n, f.blksize)
		return
	}
	f.got++
	f.bytes += int64(n)
	f.unacked++
	f.silent = 0
	if f.verify {
		f.sum = crc32.Update(f.sum, castagnoli, b)
	}
	switch {
	case n < f.blksize: // RFC 1350 6: the last one
		f.complete = true
	case f.unacked >= f.window:
		f.acknowledge()
	}
}

// outOfOrder answers a block that was not expected, once for each gap (RFC 7440
// 4): the blocks after it come out of order too.
func (f *fetch) outOfOrder() {
	f.behind++
	if f.done || f.window == 1 || f.gapAt != f.got+1 {
		f.gapAt = f.got + 1
		if !f.complete || f.done {
			f.acknowledge()
		}
	}
}

// finish acknowledges the last block.
func (f *fetch) finish() {
	f.done = true
	f.acknowledge()
}

// The patience of a client.
const (
	resendAfter = time.Second
	giveUpAfter = 15 // resends
)

// nudge sends again what was not answered.
func (f *fetch) nudge(out *mmsg.Batch, now time.Time) {
	if now.Sub(f.heard) < resendAfter {
		return
	}
	f.silent++
	f.resent++
	f.heard = now
	if f.silent > giveUpAfter {
		f.failure = fmt.Errorf("silence after %d bytes", f.bytes)
		return
	}
	if !f.answered {
		if err := f.ask(out, now); err != nil {
			f.failure = err
		}
		return
	}
	f.gapAt = 0
	f.acknowledge()
}
