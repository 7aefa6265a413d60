package uring

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// choices are the decisions of a fuzz input, one byte each; 0 when they run out.
type choices struct{ b []byte }

// below is a number from 0 to n-1.
func (c *choices) below(n int) int {
	if len(c.b) == 0 || n <= 0 {
		return 0
	}
	v := int(c.b[0])
	c.b = c.b[1:]
	return v % n
}

// fakeKernel works off queues in ordinary memory, as its choices say: how many
// SQEs it takes, when it completes which, and what errors there are.
type fakeKernel struct {
	choices *choices
	p       *params

	sqHead, sqTail, sqFlags *atomic.Uint32
	cqHead, cqTail          *atomic.Uint32
	array                   []uint32
	sqes                    []SQE
	cqes                    []CQE

	taken    []SQE // in the order in which they were taken
	inFlight []flight
	overflow []CQE
	posted   []CQE  // every completion, in its order
	cleared  uint32 // up to where places of the CQ were made unreadable
}

// flight is an operation that is going on.
type flight struct {
	userData uint64
	left     int // how many completions are to come
}

const garbage = 0xdbdbdbdbdbdbdbdb

// newFake is a Ring with 2^sq and 2^cq places whose indices begin at start.
func newFake(sq, cq uint, start uint32, array bool, c *choices) (*Ring, *fakeKernel) {
	p := &params{sqEntries: 1 << sq, cqEntries: 1 << cq, features: featNeeded}
	p.sq = offsets{head: 0, tail: 4, mask: 8, entries: 12, word4: 16, word5: 20}
	p.cq = offsets{head: 24, tail: 28, mask: 32, entries: 36, word4: 40, word5: 64}
	p.sq.word6 = 64 + p.cqEntries*16
	if !array {
		p.flags = SetupNoSQArray
	}
	rings := asBytes(make([]uint64, 8+p.cqEntries*2+p.sqEntries))
	sqes := asBytes(make([]uint64, p.sqEntries*8))
	k := &fakeKernel{
		choices: c, p: p, cleared: start,
		sqHead: word(rings, p.sq.head), sqTail: word(rings, p.sq.tail), sqFlags: word(rings, p.sq.word4),
		cqHead: word(rings, p.cq.head), cqTail: word(rings, p.cq.tail),
		sqes: table[SQE](sqes, 0, p.sqEntries), cqes: table[CQE](rings, p.cq.word5, p.cqEntries),
	}
	for _, w := range []*atomic.Uint32{k.sqHead, k.sqTail, k.cqHead, k.cqTail} {
		w.Store(start)
	}
	for i := range k.sqes {
		k.sqes[i] = garbageSQE()
	}
	if array {
		k.array = table[uint32](rings, p.sq.word6, p.sqEntries)
	}
	return newRing(k, p, rings, sqes), k
}

func asBytes(m []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(m))), len(m)*8)
}

func garbageSQE() SQE {
	return SQE{Opcode: 0xdb, Flags: 0xdb, IOPrio: 0xdbdb, FD: -1, Off: garbage, Addr: garbage, Len: 0xdbdbdbdb, OpFlags: 0xdbdbdbdb, UserData: garbage, BufGroup: 0xdbdb, SpliceFD: -1}
}

// register knows one thing: a probe finds every operation that is even.
func (k *fakeKernel) register(op uint32, arg unsafe.Pointer, n uint32) syscall.Errno {
	if op == registerProbe {
		answer := (*probeOps)(arg)
		answer.n = uint8(min(n, 50))
		for i := range answer.n {
			answer.ops[i].op = i
			answer.ops[i].flags = uint16(1 - i%2)
		}
	}
	return 0
}

func (k *fakeKernel) close() error { return nil }

func (k *fakeKernel) enter(block bool, submit, minComplete, flags uint32, arg *waitArg) (int, syscall.Errno) {
	if k.choices.below(8) == 7 {
		return 0, []syscall.Errno{syscall.EAGAIN, syscall.EBUSY, syscall.EINTR}[k.choices.below(3)]
	}
	n := min(submit, k.sqTail.Load()-k.sqHead.Load())
	if n > 0 && k.choices.below(4) == 3 {
		n -= uint32(k.choices.below(int(n)))
	}
	for range n {
		k.take()
	}
	if n == submit && flags&enterGetEvents != 0 {
		k.flush()
		k.complete(block, minComplete)
	}
	return int(n), 0
}

// take takes an SQE, and makes its place unreadable.
func (k *fakeKernel) take() {
	head := k.sqHead.Load()
	at := head & (k.p.sqEntries - 1)
	if k.array != nil {
		at = k.array[at]
	}
	s := k.sqes[at]
	k.sqes[at] = garbageSQE()
	k.sqHead.Store(head + 1)
	k.taken = append(k.taken, s)
	k.inFlight = append(k.inFlight, flight{s.UserData, 1 + k.choices.below(4)})
}

// complete posts some completions, in any order; when asked to wait, as many
// as are asked for, unless a signal comes.
func (k *fakeKernel) complete(block bool, atLeast uint32) {
	n := k.choices.below(2 * len(k.cqes))
	if block && k.choices.below(4) < 3 {
		n = max(n, int(atLeast))
	}
	for ; n > 0 && len(k.inFlight) > 0; n-- {
		i := k.choices.below(len(k.inFlight))
		f := &k.inFlight[i]
		f.left--
		c := CQE{UserData: f.userData, Res: int32(len(k.posted))}
		if f.left > 0 {
			c.Flags = CQEMore
		} else {
			k.inFlight = append(k.inFlight[:i], k.inFlight[i+1:]...)
		}
		k.posted = append(k.posted, c)
		if len(k.overflow) > 0 || !k.post(c) {
			k.overflow = append(k.overflow, c)
			k.sqFlags.Store(sqCQOverflow)
		}
	}
}

// flush posts what has overflowed, as far as there is room.
func (k *fakeKernel) flush() {
	for len(k.overflow) > 0 && k.post(k.overflow[0]) {
		k.overflow = k.overflow[1:]
	}
	if len(k.overflow) == 0 {
		k.sqFlags.Store(0)
	}
}

// post writes a CQE; false when there is no room. What has been taken is made
// unreadable first.
func (k *fakeKernel) post(c CQE) bool {
	mask := k.p.cqEntries - 1
	head, tail := k.cqHead.Load(), k.cqTail.Load()
	for ; k.cleared != head; k.cleared++ {
		k.cqes[k.cleared&mask] = CQE{garbage, -1, 0xdbdbdbdb}
	}
	if tail-head == k.p.cqEntries {
		return false
	}
	k.cqes[tail&mask] = c
	k.cqTail.Store(tail + 1)
	return true
}
