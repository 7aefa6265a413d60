//go:build linux

package main

import (
	"time"

	"github.com/burrownet/burrow/bench/tftp/internal/mmsg"
)

// parcel is one datagram under way.
type parcel struct {
	due time.Duration
	fd  int // the socket to send it from
	to  mmsg.Addr
	n   int
	b   [mostBytes]byte
}

// queue holds parcels in the order of their coming, which is that of their
// delivery as all are delayed alike.
type queue struct {
	ring []parcel
	head int // counts up; the place is what is left of it
	tail int
	lost int // for which there was no room
}

// newQueue makes a queue for a power of two of parcels.
func newQueue(size int) queue { return queue{ring: make([]parcel, size)} }

func (q *queue) len() int { return q.tail - q.head }

// at is the parcel that comes after i others.
func (q *queue) at(i int) *parcel { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// push adds a parcel with a copy of b.
func (q *queue) push(due time.Duration, fd int, to mmsg.Addr, b []byte) {
	if q.len() == len(q.ring) {
		q.lost++
		return
	}
	p := &q.ring[q.tail&(len(q.ring)-1)]
	p.due, p.fd, p.to = due, fd, to
	p.n = copy(p.b[:], b)
	q.tail++
}

// drop takes the first n parcels out.
func (q *queue) drop(n int) { q.head += n }

// patience is how long until the first parcel is due; negative: there is none.
func (q *queue) patience(now time.Duration) time.Duration {
	if q.len() == 0 {
		return -1
	}
	return max(0, q.at(0).due-now)
}
