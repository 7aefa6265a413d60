package uring

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// seeds are inputs that go on for long enough to wrap every index.
func seeds(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{1, 0, 2, 9, 3}, 100))
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, 1500)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
}

// FuzzRing drives a ring against the fake kernel: every SQE arrives once, in
// order and as it was filled in, and so does every CQE.
func FuzzRing(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		c := &choices{input}
		// Most begin shortly before the indices wrap.
		start := ^uint32(0) - uint32(c.below(40))
		r, k := newFake(uint(c.below(5)), uint(c.below(5)), start, c.below(2) == 0, c)
		d := &ringDriver{t: t, r: r, k: k, start: start}
		for len(c.b) > 0 {
			d.step(c)
		}
		for i := 0; r.Queued() > 0 || len(k.inFlight) > 0 || r.Overflowed(); i++ {
			if i > 10_000+10*len(k.taken) {
				t.Fatalf("no end: queued %d, in flight %d, overflowed %v", r.Queued(), len(k.inFlight), r.Overflowed())
			}
			d.enter(1, true)
			d.pop(1 << 20)
		}
		d.pop(1 << 20)
		if uint64(len(k.taken)) != d.filled || d.popped != len(k.posted) {
			t.Fatalf("taken %d of %d, popped %d of %d", len(k.taken), d.filled, d.popped, len(k.posted))
		}
	})
}

type ringDriver struct {
	t      *testing.T
	r      *Ring
	k      *fakeKernel
	start  uint32 // of the indices
	filled uint64
	popped int
}

func (d *ringDriver) step(c *choices) {
	switch c.below(4) {
	case 0:
		d.fill(1 + c.below(20))
	case 1:
		d.enter(c.below(10), false)
	case 2:
		d.enter(c.below(10), true)
	case 3:
		d.pop(c.below(20))
	}
}

// fill queues up to n SQEs, each of which is different.
func (d *ringDriver) fill(n int) {
	for range n {
		space := d.r.Space()
		s := d.r.Next()
		if (s == nil) != (space == 0) {
			d.t.Fatalf("Next with space for %d: %v", space, s)
		}
		if s == nil {
			return
		}
		fillIn(s, d.filled)
		d.filled++
	}
}

// fillIn makes the n-th SQE.
func fillIn(s *SQE, n uint64) {
	if n%2 == 0 {
		s.CancelFD(int(n))
	} else {
		s.Splice(int(n), n, int(n), n, uint32(n), uint32(n))
		s.BufGroup = uint16(n)
	}
	s.UserData = n
}

func (d *ringDriver) enter(arg int, wait bool) {
	queued, taken := d.r.Queued(), len(d.k.taken)
	var n int
	var err error
	limit := queued
	if wait {
		n, err = d.r.Wait(arg, -1)
	} else {
		n, err = d.r.Submit(arg)
		if arg > 0 {
			limit = min(limit, arg)
		}
	}
	if n != len(d.k.taken)-taken || n > limit || err != nil && n > 0 || d.r.Queued() != queued-n {
		d.t.Fatalf("entered with %d of %d queued: %d, %v, the kernel took %d, queued %d", limit, queued, n, err, len(d.k.taken)-taken, d.r.Queued())
	}
	if free := d.k.cqHead.Load() - d.start; int(free) != d.popped {
		d.t.Fatalf("the kernel knows of %d completions that were taken, want %d", free, d.popped)
	}
	for i := taken; i < len(d.k.taken); i++ {
		var want SQE
		fillIn(&want, uint64(i))
		if d.k.taken[i] != want {
			d.t.Fatalf("SQE %d arrived as %+v, want %+v", i, d.k.taken[i], want)
		}
	}
	if d.r.Overflowed() != (len(d.k.overflow) > 0) {
		d.t.Fatalf("overflowed %v with %d", d.r.Overflowed(), len(d.k.overflow))
	}
}

// pop takes up to n completions.
func (d *ringDriver) pop(n int) {
	for range n {
		there := len(d.k.posted) - len(d.k.overflow) - d.popped
		if d.r.Ready() != there {
			d.t.Fatalf("ready %d, want %d", d.r.Ready(), there)
		}
		c, ok := d.r.Pop()
		if ok != (there > 0) {
			d.t.Fatalf("Pop with %d ready: %v", there, ok)
		}
		if !ok {
			return
		}
		if want := d.k.posted[d.popped]; c != want {
			d.t.Fatalf("completion %d is %+v, want %+v", d.popped, c, want)
		}
		d.popped++
	}
}

// FuzzBuffers lends buffers to the fake kernel, holds what has come for a while,
// and sees that nothing is written to meanwhile.
func FuzzBuffers(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		c := &choices{input}
		r, _ := newFake(2, 2, 0, true, c)
		b, err := r.NewBuffers(BuffersParams{Count: 1 << c.below(4), Size: 1 + uint32(c.below(40)), Incremental: c.below(2) == 0})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		d := &buffersDriver{t: t, b: b, k: fakeReceiver{b: b, at: make([]uint32, b.p.Count)}}
		for len(c.b) > 0 {
			if c.below(2) == 0 {
				d.arrive(c)
			} else if len(d.held) > 0 {
				d.put(c.below(len(d.held)))
			}
		}
		for len(d.held) > 0 {
			d.put(0)
		}
		// All that is not filled in part is the kernel's again.
		if free := b.tail - d.k.head; int(free) != len(b.state) {
			t.Fatalf("%d of %d buffers have come back", free, len(b.state))
		}
	})
}

// fakeReceiver does what the kernel does with a group of buffers.
type fakeReceiver struct {
	b    *Buffers
	head uint16
	at   []uint32 // how much of each place of the ring is used
}

// fill takes room for up to n bytes, for which it calls write.
func (k *fakeReceiver) fill(n int, bundle bool, write func([]byte)) (c CQE, ok bool) {
	b := k.b
	for n > 0 && k.head != uint16(b.word.Load()>>16) {
		slot := k.head & b.mask
		e := b.entries[slot]
		if !ok {
			c.Flags = CQEBuffer | uint32(e.bid)<<16
		}
		ok = true
		offset := uint32(e.addr-bytesAddress(b.mem)) + k.at[slot]
		m := min(uint32(n), e.len-k.at[slot])
		write(b.mem[offset : offset+m])
		c.Res += int32(m)
		n -= int(m)
		k.at[slot] += m
		if b.p.Incremental && k.at[slot] < e.len {
			c.Flags |= CQEBufMore
			return c, true
		}
		k.at[slot] = 0
		k.head++
		if !bundle {
			return c, true
		}
	}
	return c, ok
}

type buffersDriver struct {
	t    *testing.T
	b    *Buffers
	k    fakeReceiver
	next byte // of the stream that arrives
	seen byte // of the stream that was taken
	held []piece
}

// piece is what Take gave, and what it said then.
type piece struct {
	data, want []byte
	id         uint16
}

func (d *buffersDriver) arrive(c *choices) {
	n := 1 + c.below(100)
	got := 0
	cqe, ok := d.k.fill(n, !d.b.p.Incremental && c.below(2) == 0, func(b []byte) {
		for i := range b {
			b[i] = d.next
			d.next++
		}
		got += len(b)
	})
	if !ok {
		return // ENOBUFS
	}
	for cqe.HasBuffer() {
		data, id := d.b.Take(&cqe)
		for _, v := range data {
			if v != d.seen {
				d.t.Fatalf("took %d, want %d", v, d.seen)
			}
			d.seen++
		}
		got -= len(data)
		d.held = append(d.held, piece{data, bytes.Clone(data), id})
	}
	if got != 0 || cqe.Res != 0 {
		d.t.Fatalf("%d bytes were not taken, Res %d", got, cqe.Res)
	}
}

func (d *buffersDriver) put(i int) {
	p := d.held[i]
	if !bytes.Equal(p.data, p.want) {
		d.t.Fatalf("buffer %d changed while it was held", p.id)
	}
	d.b.Put(p.id)
	d.held = append(d.held[:i], d.held[i+1:]...)
}
