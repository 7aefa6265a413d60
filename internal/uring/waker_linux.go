package uring

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Waker ends the Wait of a ring from other goroutines: with an eventfd that the
// ring watches. Only its own goroutine, or thread, may submit to a ring, so a
// wake-up must come from outside. MsgRing would need a second ring for each
// goroutine that wakes, with a lock, or Linux 6.13, and costs the same.
type Waker struct {
	fd    int
	woken atomic.Bool // a wake-up is on its way
}

// NewWaker makes a Waker. [Waker.Watch] comes next; Close ends it.
func NewWaker() (*Waker, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, wrap("make a waker", err)
	}
	return &Waker{fd: fd}, nil
}

// Watch fills s in to report each Wake as one CQE.
func (w *Waker) Watch(s *SQE, userData uint64) {
	// The eventfd is never read: each write is an event of its own to a
	// multishot poll, whatever the count is.
	s.PollAdd(w.fd, unix.POLLIN, true)
	s.UserData = userData
}

// Wake causes a CQE, unless one that no Woken has seen is on its way. Any
// goroutine may call it, until Close is called.
func (w *Waker) Wake() {
	if w.woken.Swap(true) {
		return
	}
	writeOne(w.fd)
}

// Woken takes note of a CQE of Watch; whoever sees it must look, after this, at
// what Wake was called for. again says that Watch is needed anew: a multishot
// poll ends when completions overflow.
func (w *Waker) Woken(c CQE) (again bool) {
	w.woken.Swap(false) // a store would not be ordered after the Wake it overwrites
	return !c.More()
}

// Close closes the eventfd. The operation of Watch must have ended, or its ring
// have been closed.
func (w *Waker) Close() error {
	return wrap("close a waker", unix.Close(w.fd))
}
