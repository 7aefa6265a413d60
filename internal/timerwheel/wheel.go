package timerwheel

import "math/bits"

const (
	levelBits = 6
	slots     = 1 << levelBits // per level
	levels    = 5              // 64^5 ticks: at 8 ms a tick, 99 days
	horizon   = 1<<(levelBits*levels) - 1
)

// Node is one timer, embedded in what it times. The zero value is an idle
// timer. A Node must not be copied while it is linked.
type Node[T any] struct {
	next, prev *Node[T]
	when       uint64
	// Value is what the caller finds when the timer expires.
	Value T
}

// Linked reports whether the timer is waiting in a wheel.
func (n *Node[T]) Linked() bool { return n.next != nil }

// When is the tick at which a linked timer expires.
func (n *Node[T]) When() uint64 { return n.when }

// Wheel is a set of timers. The zero value is ready at tick 0. Not safe for
// concurrent use.
type Wheel[T any] struct {
	now      uint64
	count    int
	occupied [levels]uint64 // bit s of level l: slot s may hold timers
	slot     [levels][slots]Node[T]
}

// Len is the number of linked timers.
func (w *Wheel[T]) Len() int { return w.count }

// Now is the tick up to which the wheel has advanced.
func (w *Wheel[T]) Now() uint64 { return w.now }

// Set links n to expire at tick when, moving it if it is linked already. A
// tick that has passed expires at the next one.
func (w *Wheel[T]) Set(n *Node[T], when uint64) {
	w.Stop(n)
	n.when = max(when, w.now+1)
	w.link(n)
	w.count++
}

// Stop unlinks n. Stopping an idle timer does nothing.
func (w *Wheel[T]) Stop(n *Node[T]) {
	if n.next == nil {
		return
	}
	n.prev.next, n.next.prev = n.next, n.prev
	n.next, n.prev = nil, nil
	w.count--
}

// Advance moves the wheel to tick now and calls expired for each timer that
// is due, in the order of their ticks; the timer is idle by then and may be
// set again from within the call.
func (w *Wheel[T]) Advance(now uint64, expired func(*Node[T])) {
	for w.now < now {
		if w.count == 0 {
			w.now = now
			return
		}
		// Whole stretches without an occupied slot are skipped at once.
		w.now = min(now, w.nextStop())
		w.cascade()
		w.expire(expired)
	}
}

// Next is the tick at which Advance has something to do next: the expiry of
// a timer, or an earlier tick at which far timers are sorted again. ok is
// false when no timer is linked.
func (w *Wheel[T]) Next() (tick uint64, ok bool) {
	if w.count == 0 {
		return 0, false
	}
	return w.nextStop(), true
}

// nextStop is the next tick whose slot, on any level, may hold timers.
func (w *Wheel[T]) nextStop() uint64 {
	stop := w.now + horizon
	for l := range levels {
		if w.occupied[l] == 0 {
			continue
		}
		shift := uint(l * levelBits)
		at := w.now >> shift
		// Slots are looked at from the one after the current one, once round.
		turned := bits.RotateLeft64(w.occupied[l], -int((at+1)%slots))
		s := (at + 1 + uint64(bits.TrailingZeros64(turned))) << shift
		stop = min(stop, s)
	}
	return stop
}

func (w *Wheel[T]) link(n *Node[T]) {
	at := n.when
	if at-w.now > horizon-slots {
		at = w.now + horizon - slots // sorted again when that tick comes
	}
	// The level is that of the highest bit in which the tick differs from
	// now: each level then holds only ticks of the current turn of the next.
	l := 0
	if diff := at ^ w.now; diff >= slots {
		l = min((bits.Len64(diff)-1)/levelBits, levels-1)
	}
	s := (at >> (l * levelBits)) % slots
	head := &w.slot[l][s]
	if head.next == nil {
		head.next, head.prev = head, head
	}
	n.prev, n.next = head.prev, head
	head.prev.next, head.prev = n, n
	w.occupied[l] |= 1 << s
}

// cascade sorts the timers of the higher levels whose slot begins at now.
func (w *Wheel[T]) cascade() {
	for l := levels - 1; l > 0; l-- {
		shift := uint(l * levelBits)
		if w.now&(1<<shift-1) != 0 {
			continue
		}
		for n := w.take(l, (w.now>>shift)%slots); n != nil; {
			next := n.next
			n.next, n.prev = nil, nil
			w.link(n)
			n = next
		}
	}
}

// expire hands out the timers of the current slot of the lowest level.
func (w *Wheel[T]) expire(expired func(*Node[T])) {
	head := &w.slot[0][w.now%slots]
	w.occupied[0] &^= 1 << (w.now % slots)
	if head.next == nil {
		return
	}
	// One at a time: expired may stop or set any other timer. A timer set
	// from within lands at a later tick, so the list only shrinks.
	for n := head.next; n != head; n = head.next {
		w.Stop(n)
		if n.when > w.now { // it was beyond the horizon
			w.Set(n, n.when)
			continue
		}
		expired(n)
	}
}

// take empties a slot and returns its timers as a nil-terminated list.
func (w *Wheel[T]) take(l int, s uint64) *Node[T] {
	w.occupied[l] &^= 1 << s
	head := &w.slot[l][s]
	if head.next == nil || head.next == head {
		return nil
	}
	first := head.next
	head.prev.next = nil
	head.next, head.prev = head, head
	return first
}
