package tftp

import (
	"bytes"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The simulator moves a file from a sender to a receiver over a network that
// loses, copies, reorders and delays packets, in virtual time. Both sides are
// those that the drivers feed, and every packet passes through the codec.

// faults says what the network does, each in 0 to 1.
type faults struct {
	loss, duplicate, reorder float64
	delay                    time.Duration // at most, on top of 1 ms
}

// voyage is one transfer through the simulator.
type voyage struct {
	seed    uint64
	faults  faults
	write   bool // WRQ: the client has the file
	options options
	size    int
	start   uint64 // blocks that are taken as transferred before the start
	stingy  caps
	pace    pace
}

// flying is a packet on its way, or an alarm when b is nil.
type flying struct {
	at   instant
	turn int // keeps the order of packets due at the same time
	to   int // 0: the sender, 1: the receiver
	b    []byte
}

type sky []flying

func (s sky) Len() int { return len(s) }
func (s sky) Less(i, j int) bool {
	return s[i].at < s[j].at || s[i].at == s[j].at && s[i].turn < s[j].turn
}
func (s sky) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s *sky) Push(x any)   { *s = append(*s, x.(flying)) }
func (s *sky) Pop() any {
	old := *s
	x := old[len(old)-1]
	*s = old[:len(old)-1]
	return x
}

// world is the state of a voyage.
type world struct {
	*voyage
	rng  *rand.Rand
	now  instant
	sky  sky
	turn int

	file    []byte
	got     []byte
	s       sender
	r       receiver
	agreed  params
	granted options
	server  bool // the server has seen the request

	packets int // put on the wire
	err     error
}

// run moves the file and reports how it ended.
func (v *voyage) run() *world {
	w := &world{voyage: v, rng: rand.New(rand.NewPCG(v.seed, 7)), file: make([]byte, v.size)}
	for i := range w.file {
		w.file[i] = byte(w.rng.Uint32())
	}
	if v.write {
		w.s.start(defaultParams(), v.pace, true, 0)
	} else {
		w.r.start(defaultParams(), v.pace, 0)
	}
	w.flush()
	for w.err == nil && !(w.s.done && w.r.dallying) {
		if w.step(); w.packets > 400*(v.size/8+100) {
			w.err = fmt.Errorf("a storm: %d packets", w.packets)
		}
	}
	return w
}

// step goes to the next thing that happens.
func (w *world) step() {
	next := w.clockOf()
	if len(w.sky) > 0 && w.sky[0].at <= next {
		f := heap.Pop(&w.sky).(flying)
		w.now = max(w.now, f.at)
		w.arrive(f)
	} else {
		w.now = max(w.now, next)
		w.ring()
	}
	w.flush()
}

// clockOf is the next deadline of either side.
func (w *world) clockOf() instant {
	next := instant(1 << 62)
	if w.active(0) && !w.s.done {
		next = min(next, w.s.deadline())
	}
	if w.active(1) && !w.r.dallying {
		next = min(next, w.r.deadline())
	}
	return next
}

// active reports whether a side exists: the server's does once it was asked.
func (w *world) active(side int) bool { return w.server || (side == 0) == w.write }

func (w *world) ring() {
	if w.active(0) && w.now >= w.s.deadline() && w.err == nil {
		w.err = w.s.expire(w.now)
	}
	if w.active(1) && w.now >= w.r.deadline() && w.err == nil {
		w.err = w.r.expire(w.now)
	}
}

// send puts a packet on the wire, through the faults.
func (w *world) send(to int, p *packet) {
	b := p.append(nil)
	copies := 1
	if w.rng.Float64() < w.faults.duplicate {
		copies = 2
	}
	for range copies {
		w.packets++
		if w.rng.Float64() < w.faults.loss {
			continue
		}
		at := w.now + time.Millisecond
		if w.faults.delay > 0 {
			at += time.Duration(w.rng.Int64N(int64(w.faults.delay)))
		}
		if w.rng.Float64() < w.faults.reorder {
			at += time.Duration(w.rng.Int64N(int64(5 * time.Millisecond)))
		}
		w.turn++
		heap.Push(&w.sky, flying{at, w.turn, to, b})
	}
}

func (w *world) arrive(f flying) {
	var p packet
	if err := p.parse(f.b); err != nil {
		w.err = fmt.Errorf("a packet of ours: %w", err)
		return
	}
	switch p.op {
	case opRRQ, opWRQ:
		w.request(&p)
	case opOACK:
		w.oack(&p)
	case opACK:
		w.s.ack(p.block, w.now)
	case opDATA:
		w.data(&p)
	}
}

// request is the server's start; a copy of the request starts nothing.
func (w *world) request(p *packet) {
	if w.server {
		return
	}
	w.server = true
	w.agreed, w.granted = grant(p.options, w.write, int64(w.size), w.stingy)
	if w.write {
		w.r.start(w.agreed, w.pace, w.now)
	} else {
		w.s.start(w.agreed, w.pace, w.granted != nil, w.now)
	}
}

// leap skips the blocks that the voyage takes as transferred, once the sender
// may send: a test of the rollover need not send 65,535 blocks. What is still
// on its way is as old as these blocks, and gone.
func (w *world) leap() {
	if w.start > 0 && !w.s.opening && w.s.base == 0 {
		w.s.base, w.s.next, w.s.high = w.start, w.start+1, w.start
		w.r.got, w.r.acked = w.start, w.start
		w.sky = nil
	}
}

func (w *world) oack(p *packet) {
	agreed, err := accept(w.options, p.options)
	if err != nil {
		w.err = err
		return
	}
	if w.write {
		if w.s.opening {
			w.s.agree(agreed)
			w.s.opened(w.now)
		}
		return
	}
	w.r.negotiated(agreed, w.now)
}

func (w *world) data(p *packet) {
	take, err := w.r.data(p.block, len(p.data), w.now)
	if err != nil {
		w.err = err
		return
	}
	if take {
		w.got = append(w.got, p.data...)
	}
	if w.r.complete && !w.r.dallying {
		w.r.confirm()
	}
}

// flush sends whatever either side has to say.
func (w *world) flush() {
	if w.active(0) {
		w.flushSender()
	}
	if w.active(1) && w.r.due {
		w.send(0, w.reply())
		w.r.packetSent(w.now)
	}
}

func (w *world) flushSender() {
	if w.s.openingDue {
		if w.write {
			w.send(1, &packet{op: opWRQ, name: "f", mode: "octet", options: w.options})
		} else {
			w.send(1, &packet{op: opOACK, options: w.granted})
		}
		w.s.openingSent(w.now)
	}
	w.leap()
	block, n := w.s.sendable()
	size := w.blockSize()
	for i := range n {
		from := (int(block-w.start) + i - 1) * size
		to := min(from+size, len(w.file))
		if to-from < size {
			w.s.last = block + uint64(i)
			n = i + 1
		}
		w.send(1, &packet{op: opDATA, block: w.s.rollover.wire(block + uint64(i)), data: w.file[from:to]})
		if w.s.last == block+uint64(i) {
			break
		}
	}
	if n > 0 {
		w.s.blocksSent(n, w.now)
	}
}

// blockSize is what the server granted: by the time data flows both know it.
func (w *world) blockSize() int { return w.agreed.blockSize }

// reply is the packet that the receiver owes.
func (w *world) reply() *packet {
	switch {
	case !w.r.opening:
		return &packet{op: opACK, block: w.r.ackNumber()}
	case !w.write:
		return &packet{op: opRRQ, name: "f", mode: "octet", options: w.options}
	case w.granted != nil:
		return &packet{op: opOACK, options: w.granted}
	}
	return &packet{op: opACK}
}

// check fails the test unless the file is whole and the time was kept.
func (w *world) check(t *testing.T, what string) {
	t.Helper()
	if w.err != nil {
		t.Fatalf("%s: after %v and %d packets: %v", what, w.now, w.packets, w.err)
	}
	if !bytes.Equal(w.got, w.file) {
		t.Fatalf("%s: %d bytes arrived, differing from the %d sent", what, len(w.got), len(w.file))
	}
	if w.now > w.pace.total {
		t.Fatalf("%s: it took %v, the limit is %v", what, w.now, w.pace.total)
	}
}
