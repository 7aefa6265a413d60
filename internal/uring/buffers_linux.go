package uring

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// BuffersParams describe a group of buffers.
type BuffersParams struct {
	// Group is the number that SQEs name; one ring has each number once.
	Group uint16
	// Count is how many buffers there are: a power of two, at most 32,768.
	Count uint32
	// Size of each, in bytes. 0 is a group without memory, for Lend.
	Size uint32
	// Incremental has what arrives fill a buffer bit by bit, where the kernel
	// knows how (6.12): a few large buffers then do for many small messages.
	// Not for RecvBundle.
	Incremental bool
}

// Buffers is a group of buffers of which the kernel takes one when something
// has arrived, so that a connection that waits needs none. When all are taken,
// receiving ends with ENOBUFS, for each operation that finds none; the bytes
// wait in the socket. Size the group for what arrives within one round of the
// loop, and queue those operations again after Put.
//
// The buffers are in a mapping of their own, not on the heap; [Ring.Close]
// gives it back. Like its Ring, it belongs to one goroutine at a time.
type Buffers struct {
	ring    *Ring
	p       BuffersParams
	mem     []byte         // the buffers
	entries []bufEntry     // what the kernel may take, a ring
	word    *atomic.Uint32 // the bid of the first entry, and the tail of the ring
	tail    uint16
	mask    uint16
	state   []bufState
	order   []uint16 // the buffer at each place of the ring
	maps    [][]byte
}

// bufState is what has become of one buffer.
type bufState struct {
	used  uint32 // bytes that completions have taken, incrementally
	held  uint32 // pieces that were taken and not put back
	slot  uint16 // its place in the ring
	ended bool   // the kernel has finished with it
}

// tailOffset is where in the first entry the word with the tail is. sync/atomic
// has no 16-bit stores, so the bid beside it is stored with it: ours as well,
// and the kernel reads each half by itself.
const tailOffset = 12

// NewBuffers makes a group and hands all its buffers to the kernel. Errors are of
// type [*Error]: EINVAL for a kernel before 5.19 or a Count that may not be,
// EEXIST for a Group that is taken, ENOMEM.
func (r *Ring) NewBuffers(p BuffersParams) (*Buffers, error) {
	if r.closed {
		return nil, ErrClosed
	}
	if p.Count == 0 || p.Count&(p.Count-1) != 0 || p.Count > 1<<15 || uint64(p.Count)*uint64(p.Size) > 1<<31-1 {
		return nil, &Error{Op: "make buffers", Errno: syscall.EINVAL, Hint: fmt.Sprintf("%d buffers of %d bytes: want a power of two up to 32,768, and less than 2 GiB", p.Count, p.Size)}
	}
	b := &Buffers{ring: r, p: p, mask: uint16(p.Count - 1), state: make([]bufState, p.Count), order: make([]uint16, p.Count)}
	entries, err := b.mapMemory(p.Count * sizeOf[bufEntry]())
	if err == nil && p.Size > 0 {
		b.mem, err = b.mapMemory(p.Count * p.Size)
	}
	if err == nil {
		b.entries, b.word = table[bufEntry](entries, 0, p.Count), word(entries, tailOffset)
		err = b.register(bytesAddress(entries))
	}
	if err != nil {
		b.release(true)
		return nil, wrap("make buffers", err)
	}
	r.groups = append(r.groups, b)
	if p.Size > 0 {
		for id := range p.Count {
			b.give(uint16(id), b.whole(uint16(id)))
		}
	}
	return b, nil
}

func (b *Buffers) mapMemory(size uint32) ([]byte, error) {
	page := uint32(os.Getpagesize())
	m, err := unix.Mmap(-1, 0, int((size+page-1)&^(page-1)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err == nil {
		b.maps = append(b.maps, m)
	}
	return m, err
}

func (b *Buffers) register(ring uint64) error {
	reg := &bufReg{ringAddr: ring, ringEntries: b.p.Count, bgid: b.p.Group}
	if b.p.Incremental {
		reg.flags = pbufRingInc
		err := register(b.ring.kernel, registerPbufRing, reg, 1)
		if err != syscall.EINVAL {
			return err
		}
		b.p.Incremental, reg.flags = false, 0
	}
	return register(b.ring.kernel, registerPbufRing, reg, 1)
}

// Incremental reports whether the kernel fills buffers bit by bit.
func (b *Buffers) Incremental() bool { return b.p.Incremental }

// whole is the memory of a buffer.
func (b *Buffers) whole(id uint16) []byte {
	at := uint32(id) * b.p.Size
	return b.mem[at : at+b.p.Size : at+b.p.Size]
}

// Take gives what c has brought: its bytes, in the buffer id, and takes them
// out of c. They are the caller's until [Buffers.Put] of id, once for each Take.
// A bundle brings several pieces:
//
//	for c.HasBuffer() {
//		data, id := b.Take(&c)
//		use(data)
//		b.Put(id)
//	}
func (b *Buffers) Take(c *CQE) (data []byte, id uint16) {
	id = c.Buffer() & b.mask
	s := &b.state[id]
	n := min(uint32(max(c.Res, 0)), b.p.Size-s.used)
	at := uint32(id)*b.p.Size + s.used
	data = b.mem[at : at+n : at+n]
	c.Res -= int32(n)
	s.held++
	switch {
	case c.Flags&CQEBufMore != 0 && b.p.Incremental:
		s.used += n
		c.Flags &^= CQEBuffer
	case c.Res > 0 && !b.p.Incremental && n > 0:
		// A bundle goes on with the buffer behind this one in the ring.
		s.ended = true
		c.Flags = uint32(b.order[(s.slot+1)&b.mask])<<16 | c.Flags&0xffff
	default:
		s.ended = true
		c.Flags &^= CQEBuffer
	}
	return data, id
}

// Put gives a piece back. When it was the last one of its buffer and the kernel
// has finished with that, the buffer can be filled again. Put without Take
// panics: two arrivals would share memory.
func (b *Buffers) Put(id uint16) {
	s := &b.state[id]
	if s.held == 0 {
		panic(fmt.Sprintf("uring: Put of buffer %d, which is not taken", id))
	}
	s.held--
	if s.held == 0 && s.ended && b.ring != nil {
		s.used, s.ended = 0, false
		b.give(id, b.whole(id))
	}
}

// Lend adds memory of the caller's, as buffer id, to a group made without Size:
// for [SQE.SendBundle]. There are at most Count of them at a time, and the
// rule of the package comment holds until a completion has used mem up.
func (b *Buffers) Lend(id uint16, mem []byte) {
	if b.p.Size == 0 && b.ring != nil {
		b.give(id, mem)
	}
}

// give adds a buffer to the ring.
func (b *Buffers) give(id uint16, mem []byte) {
	slot := b.tail & b.mask
	b.order[slot] = id
	b.state[id&b.mask].slot = slot
	e := &b.entries[slot]
	// Not the whole entry: in the first one the kernel may be reading the tail.
	e.addr, e.len, e.bid = bytesAddress(mem), uint32(len(mem)), id
	b.tail++
	b.word.Store(halves(b.entries[0].bid, b.tail))
}

// Close takes the group from the kernel and gives its memory back; Take is not
// to be called any more, nor what it gave to be looked at. Operations on the
// group must have ended. [Ring.Close] does it for all groups.
func (b *Buffers) Close() error {
	r := b.ring
	if r == nil {
		return nil
	}
	err := register(r.kernel, unregisterPbufRing, &bufReg{bgid: b.p.Group}, 1)
	for i, g := range r.groups {
		if g == b {
			r.groups = append(r.groups[:i], r.groups[i+1:]...)
			break
		}
	}
	b.release(err == nil)
	return wrap("close buffers", err)
}

// release unmaps the memory; unless nothing can be writing to it, only the
// group is forgotten.
func (b *Buffers) release(unmap bool) {
	if unmap {
		for _, m := range b.maps {
			unix.Munmap(m)
		}
	}
	b.ring, b.maps, b.mem, b.entries, b.word = nil, nil, nil, nil, nil
}
