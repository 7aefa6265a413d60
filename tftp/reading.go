package tftp

import (
	"errors"
	"strconv"
)

// reading is the file of an RRQ.
type reading struct {
	file     *file
	pieces   []*chunk // pinned: those that have bytes of the block being built
	first    int64    // the chunk that this block begins in
	last     int64    // and the one that it ends in
	wanted   int64    // the chunk that is being read, plus 1; 0: none
	err      error
	blocked  bool // the socket was full
	lastSize int  // of the final block

	ascii asciiReader
}

// errNotYet says that a piece of the file has to be read first.
var errNotYet = errors.New("tftp: read: not there yet")

// chunkRead implements chunkWaiter: it brings the chunk to the loop.
func (t *transfer) chunkRead(index int64, ch *chunk, err error) {
	t.loop.post(func() {
		r := &t.reading
		if r.wanted == index+1 {
			r.wanted = 0
		}
		defer t.settled()
		switch {
		case err != nil:
			r.err = err
		case t.gone || index < r.first || index > r.last: // the sender has gone back meanwhile
			ch.unpin()
		default:
			r.pieces = append(r.pieces, ch)
		}
		if !t.gone {
			t.advance()
		}
	})
}

// hold is called before a block is built from the chunks first to last. Those of
// them that are there stay until it is: were one given back when the next comes,
// it could be dropped before that does, and with many transfers in a small cache
// no block that lies in two chunks would ever be complete.
func (r *reading) hold(first, last int64) {
	r.first, r.last = first, last
	n := 0
	for _, ch := range r.pieces {
		if ch.index < first || ch.index > last {
			ch.unpin()
			continue
		}
		r.pieces[n] = ch
		n++
	}
	r.pieces = r.pieces[:n]
}

// piece is a chunk that is held; nil: it is not.
func (r *reading) piece(i int64) *chunk {
	for _, ch := range r.pieces {
		if ch.index == i {
			return ch
		}
	}
	return nil
}

// view returns what the file has at off, up to the end of a chunk; at the end of
// the file it is empty. The chunk is one of those to be held.
func (t *transfer) view(off int64) ([]byte, error) {
	r := &t.reading
	i := off / chunkSize
	switch {
	case r.err != nil:
		return nil, r.err
	case r.file.id.size >= 0 && off >= r.file.id.size:
		return nil, nil
	}
	ch := r.piece(i)
	if ch == nil {
		if r.wanted == i+1 {
			return nil, errNotYet
		}
		if ch = r.file.chunk(i, t); ch == nil {
			r.wanted = i + 1
			t.work()
			return nil, errNotYet
		}
		r.pieces = append(r.pieces, ch)
	}
	data := ch.data
	return data[min(off%chunkSize, int64(len(data))):], nil
}

// fill puts the bytes of a block into dst and returns how many there are: less
// than len(dst) at the end of the file.
func (t *transfer) fill(dst []byte, block uint64) (int, error) {
	if t.ascii {
		return t.fillASCII(dst, block)
	}
	start := int64(block-1) * int64(t.blockSize)
	t.reading.hold(start/chunkSize, (start+int64(t.blockSize)-1)/chunkSize)
	n := 0
	for n < len(dst) {
		b, err := t.view(start + int64(n))
		if err != nil {
			return 0, err
		}
		if len(b) == 0 {
			break
		}
		n += copy(dst[n:], b)
	}
	return n, nil
}

// advanceReading sends the opening packet or blocks, as many as may be sent.
func (t *transfer) advanceReading() {
	if t.sock == nil || t.recorded {
		return
	}
	s := &t.sender
	if s.openingDue {
		t.sock.send(t.opening, len(t.opening), t.peer, t.local)
		s.openingSent(t.loop.now)
	}
	t.reading.blocked = false
	for !t.reading.blocked {
		block, n := s.sendable()
		if n == 0 {
			return
		}
		sent, err := t.sendBlocks(block, n)
		if sent > 0 {
			s.blocksSent(sent, t.loop.now)
		}
		if errors.Is(err, errNotYet) {
			return
		}
		if err != nil {
			t.fail(err, ResultFailed)
			return
		}
	}
}

// sendBlocks sends up to n blocks from block on, in one train, and returns how
// many.
func (t *transfer) sendBlocks(block uint64, n int) (sent int, err error) {
	size := headerSize + t.blockSize
	n = min(n, maxSegments, max(1, maxDatagram/size))
	b := t.loop.scratch[:0]
	for i := range n {
		number := block + uint64(i)
		b = appendHeader(b, opDATA, t.sender.rollover.wire(number))
		start := len(b)
		var m int
		if m, err = t.fill(b[start:start+t.blockSize], number); err != nil {
			b = b[:start-headerSize]
			break
		}
		b = b[:start+m]
		if m < t.blockSize { // RFC 1350 6: the last one
			t.sender.last, t.reading.lastSize = number, m
			break
		}
	}
	if len(b) == 0 {
		return 0, err
	}
	count := (len(b) + size - 1) / size
	sent, sendErr := t.sock.send(b, size, t.peer, t.local)
	if sendErr == errSocketFull {
		t.reading.blocked = true
		return sent, nil
	}
	// Any other failure is the network's: as if the packets had been lost.
	return count, err
}

// bytesRead is how much the client has acknowledged.
func (t *transfer) bytesRead() int64 {
	n := int64(t.sender.base) * int64(t.blockSize)
	if t.sender.done {
		n += int64(t.reading.lastSize - t.blockSize)
	}
	return n
}

// asciiReader translates a file to netascii. As an offset in the translation
// says nothing about one in the file, it goes forward only and keeps what is
// not acknowledged yet.
type asciiReader struct {
	encoder asciiEncoder
	off     int64  // in the file: what is translated
	ended   bool   // all is
	first   uint64 // the block that kept begins with
	kept    []byte
}

// maxASCIIKept bounds what a transfer keeps, in bytes.
const maxASCIIKept = 32 << 10

// boundWindow makes the window small enough to be kept, in granted too.
func (r *reading) boundWindow(p params, granted options) int {
	window := min(p.window, max(1, maxASCIIKept/p.blockSize))
	for i := range granted {
		if granted[i].name == optWindowSize {
			granted[i].value = strconv.Itoa(window)
		}
	}
	return window
}

func (t *transfer) fillASCII(dst []byte, block uint64) (int, error) {
	a := &t.reading.ascii
	a.first = max(a.first, 1)
	if done := t.sender.base + 1 - min(t.sender.base+1, a.first); done > 0 {
		a.kept = append(a.kept[:0], a.kept[min(len(a.kept), int(done)*t.blockSize):]...)
		a.first += done
	}
	start := int(block-a.first) * t.blockSize
	for !a.ended && len(a.kept) < start+t.blockSize {
		t.reading.hold(a.off/chunkSize, a.off/chunkSize)
		src, err := t.view(a.off)
		if err != nil {
			return 0, err
		}
		at := len(a.kept)
		a.kept = append(a.kept, make([]byte, start+t.blockSize-at)...)
		wrote, used := a.encoder.encode(a.kept[at:], src)
		a.kept = a.kept[:at+wrote]
		a.off += int64(used)
		a.ended = len(src) == 0 && !a.encoder.have
	}
	return copy(dst, a.kept[min(start, len(a.kept)):]), nil
}
