package engine

import (
	"sync/atomic"
	"time"
)

// A call runs on the loop's own goroutine, which costs nothing, but must not
// hold the loop up. So the role of being the loop moves:
//
//	loop goroutine      begin: call = ticket (odd: running)
//	                    ... the protocol's code ...
//	                    end:   call: ticket -> even       still the loop
//	monitor             sees the same odd ticket twice: call: ticket -> even,
//	                    and starts another goroutine as the loop
//	loop goroutine      end:   that fails: no longer the loop. It finishes this
//	                    one connection and ends.
//
// A call that is about to wait (More, Flush) hands the role over itself. What
// the loop owns is touched only between end and begin, or by who has won the
// ticket; what a call owns travels with its goroutine.

// begin marks that a call runs.
func (l *loop) begin(w *worker) {
	l.seq++
	w.ticket = l.seq<<1 | 1
	l.call.Store(w.ticket)
}

// end marks that the call is over. It reports whether the goroutine still is
// the loop.
func (l *loop) end(w *worker) bool {
	return w.isLoop()
}

// leave hands the loop to another goroutine, before a call waits. Any goroutine
// that works for the call may say so.
func (c *Conn) leave() {
	w := c.w
	if w == nil || w.ticket&1 == 0 {
		return
	}
	if w.loop.call.CompareAndSwap(w.ticket, w.ticket&^1) {
		w.loop.handOver()
	}
}

// handOver starts another goroutine as the loop. The caller has won the ticket.
func (l *loop) handOver() {
	l.e.handovers.Add(1)
	l.e.running.Add(1)
	go l.run()
}

// Overstayer is a Protocol that wants to know, at once, that the call in progress
// has lost its loop because it took too long. Overstayed is called from another
// goroutine, while the call goes on.
type Overstayer interface{ Overstayed(c *Conn) }

func (c *Conn) overstayed() {
	c.mu.Lock()
	c.uncorkLocked()
	p := c.proto
	c.mu.Unlock()
	if o, ok := p.(Overstayer); ok {
		o.Overstayed(c)
	}
}

// monitor looks, while there is traffic, whether calls overstay.
type monitor struct {
	awake atomic.Bool
}

// idleTicks is after how many looks without any traffic the monitor ends.
const idleTicks = 16

// wake starts the monitor if it has ended.
func (m *monitor) wake(e *Engine) {
	if e.Patience < 0 {
		return
	}
	if m.awake.Load() || m.awake.Swap(true) {
		return
	}
	e.running.Add(1)
	go m.run(e)
}

func (m *monitor) run(e *Engine) {
	defer e.running.Done()
	all := e.all.Load()
	if all == nil {
		return // the loops are ending
	}
	last := make([]uint64, len(*all))
	t := time.NewTicker(e.patience())
	defer t.Stop()
	for idle := 0; idle < idleTicks; {
		<-t.C
		if e.stopping.Load() {
			return
		}
		idle++
		for i, l := range *all {
			if !l.parked.Load() {
				idle = 0
			}
			ticket := l.call.Load()
			if ticket != last[i] {
				last[i] = ticket
				continue
			}
			if ticket&1 == 0 {
				continue
			}
			if l.call.CompareAndSwap(ticket, ticket&^1) {
				c := l.current
				l.handOver()
				if c != nil {
					c.overstayed()
				}
			}
		}
	}
	m.awake.Store(false)
	// A loop that woke between the last look and here found the monitor awake.
	for _, l := range *all {
		if !l.parked.Load() {
			m.wake(e)
			return
		}
	}
}
