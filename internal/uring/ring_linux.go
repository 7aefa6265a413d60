package uring

import (
	"sync/atomic"
	"syscall"
	"time"
)

// Ring is a pair of queues between one goroutine and the kernel; the package
// comment says who may use it and when. [Setup] makes one; the zero value is
// of no use.
type Ring struct {
	kernel   kernel
	fd       int
	flags    SetupFlags
	features Features
	sq       submission
	cq       completion
	arg      waitArg // for the kernel: a Ring is on the heap, where nothing moves
	maps     [][]byte
	groups   []*Buffers
	closed   bool
	race     raceSync
}

// submission is the submission queue. Indices count without bound and wrap at
// 2^32; masked, they are places in the queue.
type submission struct {
	head  *atomic.Uint32 // the kernel's: up to where it has taken
	tail  *atomic.Uint32 // ours: up to where it may take
	flags *atomic.Uint32 // the kernel's
	sqes  []SQE
	mask  uint32
	taken uint32 // head, as last seen: it moves while we are in the kernel only
	next  uint32 // where the next SQE goes
}

// completion is the completion queue.
type completion struct {
	head     *atomic.Uint32 // ours: up to where we have taken
	tail     *atomic.Uint32 // the kernel's: up to where it has written
	overflow *atomic.Uint32 // the kernel's: how many it lost
	cqes     []CQE
	mask     uint32
	next     uint32 // the next CQE to take
	written  uint32 // tail, as last seen
}

// newRing lays a Ring over memory that is shared with k.
func newRing(k kernel, p *params, rings, sqes []byte) *Ring {
	r := &Ring{kernel: k, fd: -1, flags: p.flags, features: p.features}
	r.sq = submission{
		head: word(rings, p.sq.head), tail: word(rings, p.sq.tail), flags: word(rings, p.sq.word4),
		sqes: table[SQE](sqes, 0, p.sqEntries), mask: p.sqEntries - 1,
	}
	r.cq = completion{
		head: word(rings, p.cq.head), tail: word(rings, p.cq.tail), overflow: word(rings, p.cq.word4),
		cqes: table[CQE](rings, p.cq.word5, p.cqEntries), mask: p.cqEntries - 1,
	}
	r.sq.taken, r.sq.next = r.sq.head.Load(), r.sq.tail.Load()
	r.cq.next, r.cq.written = r.cq.head.Load(), r.cq.head.Load()
	if p.flags&SetupNoSQArray == 0 {
		// The array maps places to SQEs, in case they were filled out of order.
		for i, array := uint32(0), table[uint32](rings, p.sq.word6, p.sqEntries); i < p.sqEntries; i++ {
			array[i] = i
		}
	}
	return r
}

// FD is the ring's descriptor, for [SQE.MsgRing] of another ring.
func (r *Ring) FD() int { return r.fd }

// Flags are the flags that the ring was set up with.
func (r *Ring) Flags() SetupFlags { return r.flags }

// Features are what the kernel says it does.
func (r *Ring) Features() Features { return r.features }

// Next is an empty SQE to fill in; nil when the queue is full: Submit first.
// One that is left empty is a Nop.
func (r *Ring) Next() *SQE {
	q := &r.sq
	if q.next-q.taken >= uint32(len(q.sqes)) {
		return nil
	}
	s := &q.sqes[q.next&q.mask]
	q.next++
	*s = SQE{}
	return s
}

// Queued is how many SQEs the kernel has not taken yet.
func (r *Ring) Queued() int { return int(r.sq.next - r.sq.taken) }

// Space is how many SQEs Next can give before it gives nil.
func (r *Ring) Space() int { return len(r.sq.sqes) - r.Queued() }

// Pending reports whether Submit would do something: SQEs are queued,
// completions have overflowed, or, with [SetupTaskrunFlag], operations wait for
// being finished. With [SetupDeferTaskrun] but not that flag it does not see
// the latter.
func (r *Ring) Pending() bool {
	return r.Queued() > 0 || !r.closed && r.sq.flags.Load()&(sqCQOverflow|sqTaskrun) != 0
}

// Overflowed reports whether completions wait in the kernel because the queue
// is full. Nothing is lost: Pop what is there, then Submit or Wait fetches
// them. Multishot operations end when it happens, and must be queued again.
func (r *Ring) Overflowed() bool { return !r.closed && r.sq.flags.Load()&sqCQOverflow != 0 }

// Lost is how many completions are lost for good, since the kernel had no
// memory to keep them while the queue was full. Submit and Wait fail with EBADR
// once for that. What is in flight is unknown then: close the ring.
func (r *Ring) Lost() uint32 {
	if r.closed {
		return 0
	}
	return r.cq.overflow.Load()
}

// Submit hands over what is queued, at most limit SQEs (0: all), and finishes
// what has become ready. It does not wait and it is a raw system call, during
// which the goroutine cannot be preempted: a limit of 64 to 128 keeps the
// garbage collector from waiting for long. A limit may cut a chain of
// [SQELink] in two. With [SetupDeferTaskrun] one Submit finishes 20 to 40
// operations at most; Pending, with [SetupTaskrunFlag], tells of more.
//
// n is how many the kernel has taken, fewer than asked for without an error
// when one was refused at once (without [SetupSubmitAll]; its CQE tells) or
// memory is short: go on. Errors are of type [*Error]: EAGAIN and EBUSY are to
// be tried again after Pop; EEXIST is the wrong thread with [SetupSingleIssuer].
func (r *Ring) Submit(limit int) (n int, err error) {
	queued := r.Queued()
	if limit > 0 {
		queued = min(queued, limit)
	}
	n, errno := r.enter(false, uint32(queued), 0)
	return n, submitError(errno)
}

// Wait hands over all that is queued, and waits until there are atLeast
// completions for Pop, or until limit has passed; a negative one never does. n
// is how many SQEs the kernel has taken. It may return early (a signal, a short
// submission); neither that nor the limit is an error: see what Pop has. The
// scheduler knows that the goroutine waits.
func (r *Ring) Wait(atLeast int, limit time.Duration) (n int, err error) {
	r.arg.ts = 0
	if limit >= 0 {
		r.arg.limit = Timespec{Sec: int64(limit / time.Second), Nsec: int64(limit % time.Second)}
		r.arg.ts = timespecAddress(&r.arg.limit)
	}
	n, errno := r.enter(true, uint32(r.Queued()), uint32(max(atLeast, 0)))
	if errno == syscall.ETIME || errno == syscall.EINTR {
		errno = 0
	}
	return n, submitError(errno)
}

// enter publishes both queues, enters the kernel, and looks at what it took.
func (r *Ring) enter(block bool, submit, atLeast uint32) (int, syscall.Errno) {
	if r.closed {
		return 0, syscall.EBADF
	}
	r.release()
	r.sq.tail.Store(r.sq.next)
	flags := enterGetEvents // also moves what has overflowed back to the queue
	if r.features.Has(FeatNoIowait) {
		flags |= enterNoIowait
	}
	r.race.submitting()
	n, errno := r.kernel.enter(block, submit, atLeast, flags, &r.arg)
	r.sq.taken = r.sq.head.Load()
	return n, errno
}

// submitError makes an error of what enter returned.
func submitError(errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case syscall.EBADF:
		return ErrClosed
	case syscall.EPERM, syscall.EACCES:
		return &Error{Op: "enter", Errno: errno, Hint: refusedHint}
	}
	return &Error{Op: "enter", Errno: errno}
}

// Ready is how many completions Pop can give without entering the kernel.
func (r *Ring) Ready() int {
	if r.closed {
		return 0
	}
	if tail := r.cq.tail.Load(); tail != r.cq.written {
		r.cq.written = tail
		r.race.completed()
	}
	return int(r.cq.written - r.cq.next)
}

// Pop takes the next completion. It never enters the kernel.
func (r *Ring) Pop() (c CQE, ok bool) {
	q := &r.cq
	if q.next == q.written {
		if r.release(); r.Ready() == 0 {
			return CQE{}, false
		}
	}
	c = q.cqes[q.next&q.mask]
	q.next++
	return c, true
}

// release gives the places of what Pop took back to the kernel: once per batch,
// as an atomic store costs more than the rest of Pop.
func (r *Ring) release() {
	if !r.closed && r.cq.head.Load() != r.cq.next {
		r.cq.head.Store(r.cq.next)
	}
}
