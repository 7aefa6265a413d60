package tftp

import (
	"errors"
	"math/rand/v2"
	"syscall"
)

// open makes the socket of a transfer. Where all ports are in use it gets one whose
// transfer only dallies.
func (l *loop) open(t *transfer) (socket, error) {
	if l.server.SinglePort {
		return l.main, nil
	}
	s, err := l.openAny(t)
	if errors.Is(err, ErrBusy) && l.leaveOldest() {
		s, err = l.openAny(t)
	}
	return s, err
}

// openAny makes a socket on one of the ports for transfers.
func (l *loop) openAny(t *transfer) (socket, error) {
	local := t.local
	low, n := l.server.PortMin, l.server.PortMax-l.server.PortMin+1
	if low == 0 {
		return l.driver.open(local, 0, t, t.write)
	}
	at := rand.IntN(n)
	for range n {
		s, err := l.driver.open(local, low+at, t, t.write)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return s, err
		}
		at = (at + 1) % n
	}
	return nil, ErrBusy
}

// dallyingMost is how many uploads dally: they count against no limit on transfers,
// and have a socket each.
const dallyingMost = 256

// dally has a transfer stay that has come to an end, for some time.
func (l *loop) dally(t *transfer) {
	if l.dallying.Len() >= dallyingMost {
		l.leaveOldest()
	}
	t.writing.dallied = l.now + dallyTime
	t.writing.place = l.dallying.PushBack(t)
}

// leaveOldest ends the dallying of one that has had more time than others. It
// reports whether there was one.
func (l *loop) leaveOldest() bool {
	oldest := l.dallying.Front()
	if oldest == nil {
		return false
	}
	oldest.Value.(*transfer).leave()
	return true
}
