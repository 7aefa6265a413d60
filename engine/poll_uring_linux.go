package engine

import (
	"cmp"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/uring"
)

// ring is the poller that completes: receives, sends, accepts and closes are
// operations of io_uring, handed over with one system call for a whole turn of
// the loop.
//
//	poll_uring_linux.go         the ring, its waits, and what others ask of it
//	poll_uring_steer_linux.go   what is in flight for a connection, and what should be
//	poll_uring_done_linux.go    what has finished
//	poll_uring_aside_linux.go   what calls that read their sockets themselves wait for
//	poll_uring_listen_linux.go  listeners
//
// Only the loop touches the ring. Whoever wants something of it changes the
// Conn, under its mu, and enters it in the list of changes; before the loop
// submits it compares what each of them wants with what is in flight (steer).
//
// A descriptor is closed only after the last completion of its operations, so a
// completion never meets another connection than its own.
type ring struct {
	r       *uring.Ring
	waker   *uring.Waker
	bufs    *uring.Buffers
	slots   []slot               // by descriptor
	listens map[int32]*listening // by the number of the listener
	queue   []*Conn              // to be steered before the next wait; those that send, for the most part
	ready   []*Conn              // have input, or its end, that was not reported when it came
	sizes   ringSizes
	limit   uint32 // bytes after which the kernel ends a receive; 0: it does not know how
	// limitRecv is uring.SQE.LimitRecv; tests have it fail as before Linux 6.17.
	limitRecv func(*uring.SQE, uint32)
	left      int    // events until the turn ends
	watches   uint32 // how often the waker was watched
	aside     aside
	busy      int // operations in flight for connections and listeners
	parked    *atomic.Bool
	home      uint8        // counts the goroutines that were the loop
	settled   bool         // this one has been for a while
	moved     int64        // since when
	starved   atomic.Int64 // when a connection found no buffer last
	seen      struct{ starved, overflows, shortSends uint64 }

	mu      sync.Mutex
	changes []change                // by others than the loop, for the most part; guarded by mu
	spare   []change                // the memory of the list before; the loop's
	leaving map[*Conn]chan struct{} // who waits in detach; guarded by mu
}

// change is a connection that wants something else than before.
type change struct {
	c  *Conn
	fd int32
}

const (
	// ringEntries is the room for operations, and ringCompletions that for their
	// results: many connections may have something at the same moment.
	ringEntries, ringCompletions = 256, 4096
	// ringSends is how many connections may wait with something to send before
	// the turn goes on: it bounds how long an answer waits for its neighbours',
	// and a raw system call cannot be preempted.
	ringSends = 64
)

// The kinds of operations: the highest bits of user data. The descriptor and
// the generation follow.
const (
	opReceive = 1 + iota
	opSend
	opAside
	opAccept
	opWake
	opOther // its result does not matter
)

func userData(op uint64, fd int32, gen uint32) uint64 {
	return op<<60 | uint64(fd)<<32 | uint64(gen)
}

// ringSizes are the sizes of a ring, for tests of what happens when it is too small;
// 0 is the default of each.
type ringSizes struct{ entries, completions, buffers, bufferSize uint32 }

func newRing(parked *atomic.Bool, sizes ringSizes) (*ring, error) {
	r, err := uring.Setup(cmp.Or(sizes.entries, ringEntries), uring.Params{
		Flags:     uring.SetupSubmitAll | uring.SetupCoopTaskrun | uring.SetupTaskrunFlag,
		Optional:  uring.SetupNoSQArray,
		CQEntries: cmp.Or(sizes.completions, ringCompletions),
	})
	if err != nil {
		return nil, err
	}
	p := &ring{
		r: r, parked: parked, sizes: ringSizes{
			buffers:    cmp.Or(sizes.buffers, bufferCount),
			bufferSize: cmp.Or(sizes.bufferSize, bufferSize),
		},
		limit: receiveLimit, limitRecv: (*uring.SQE).LimitRecv,
		listens: map[int32]*listening{}, leaving: map[*Conn]chan struct{}{},
	}
	p.starved.Store(-starvedTime)
	if err := p.open(); err != nil {
		r.Close()
		if p.waker != nil {
			p.waker.Close()
		}
		return nil, err
	}
	return p, nil
}

// errOldKernel says that the kernel's io_uring lacks something. Without the last of
// what it had to learn a buffer of 16 KiB holds one message, however small that is.
var errOldKernel = errors.New("the kernel's io_uring does not let several messages share a buffer: Linux 6.12 or later is needed")

func (p *ring) open() error {
	probe, err := p.r.Probe()
	if err != nil {
		return err
	}
	if !probe.Supports(uring.OpSendZC) { // which came with multishot recv, in Linux 6.0
		return errOldKernel
	}
	p.bufs, err = p.r.NewBuffers(uring.BuffersParams{Count: p.sizes.buffers, Size: p.sizes.bufferSize, Incremental: true})
	if err != nil {
		return err
	}
	if !p.bufs.Incremental() {
		return errOldKernel
	}
	if err := p.try(); err != nil {
		return err
	}
	if p.waker, err = uring.NewWaker(); err != nil {
		return err
	}
	return p.aside.open()
}

// try has the ring do nothing, once: a system may permit to make a ring, and refuse
// to use it.
func (p *ring) try() error {
	p.r.Next().Nop()
	if _, err := p.r.Wait(1, tryTime); err != nil {
		return err
	}
	if _, ok := p.r.Pop(); !ok {
		return errors.New("the ring does not finish what it is given")
	}
	return nil
}

// tryTime bounds how long the first operation may take.
const tryTime = 5 * time.Second

// watch has the waker report to the thread that is the loop: whoever submits an
// operation has to finish it, and computes or sleeps as a former loop.
func (p *ring) watch() {
	if p.watches > 0 {
		sqe := p.sqe()
		sqe.Cancel(userData(opWake, 0, p.watches), 0)
		sqe.UserData = userData(opOther, 0, 0)
	}
	p.watches++
	p.waker.Watch(p.sqe(), userData(opWake, 0, p.watches))
}

// sqeTries is how often the kernel is asked to take operations, about a millisecond
// each, before one is lost.
const sqeTries = 1000

// sqe is room for an operation. The kernel takes those before it, unless it has come
// to refuse the ring: then nothing reaches it any more, and wait returns an error.
func (p *ring) sqe() *uring.SQE {
	for range sqeTries {
		if s := p.r.Next(); s != nil {
			return s
		}
		// Whatever fails here, for the lack of memory say, fails again in wait.
		n, err := p.r.Submit(0)
		if again(err) != nil {
			break
		}
		if n == 0 {
			p.r.Wait(0, time.Millisecond)
		}
	}
	return new(uring.SQE)
}

func (p *ring) completes() bool { return true }

// change enters c in the list of changes, once. c.mu is held.
func (p *ring) change(c *Conn, fd int32) {
	if c.flags&flagChanged != 0 {
		return
	}
	c.flags |= flagChanged
	p.mu.Lock()
	p.changes = append(p.changes, change{c, fd})
	p.mu.Unlock()
	if p.parked.Load() {
		p.wake()
	}
}

func (p *ring) add(c *Conn) error {
	p.change(c, c.fd)
	return nil
}

func (p *ring) arm(c *Conn, _, _ bool) error {
	if c.flags&flagBusy == 0 || c.out != nil && c.out.flight == nil && c.flags&(flagCorked|flagGather) == 0 {
		p.change(c, c.fd)
		return nil
	}
	return p.aside.watch(c)
}

// forget has nothing to do: what there is to report has been reported.
func (p *ring) forget(*Conn) {}

func (p *ring) end(c *Conn, fd int32) { p.change(c, fd) }

// later is change for the loop itself.
func (p *ring) later(c *Conn) { p.queue = append(p.queue, c) }

func (p *ring) detach(c *Conn) {
	c.mu.Lock()
	if c.fd < 0 {
		c.mu.Unlock()
		return
	}
	gone := make(chan struct{})
	p.mu.Lock()
	p.leaving[c] = gone
	p.mu.Unlock()
	c.flags |= flagLeaving
	p.change(c, c.fd)
	c.mu.Unlock()
	<-gone
}

// applyAll steers the connections that have changed.
func (p *ring) applyAll() {
	p.mu.Lock()
	changes := p.changes
	p.changes = p.spare
	p.mu.Unlock()
	for i, ch := range changes {
		ch.c.mu.Lock()
		ch.c.flags &^= flagChanged
		p.steer(ch.c, ch.fd)
		ch.c.mu.Unlock()
		changes[i] = change{}
	}
	p.spare = changes[:0]
	for i, c := range p.queue {
		c.mu.Lock()
		if c.fd >= 0 {
			p.steer(c, c.fd)
		}
		c.mu.Unlock()
		p.queue[i] = nil
	}
	p.queue = p.queue[:0]
}

// flush hands over what is to be done.
func (p *ring) flush() error {
	p.applyAll()
	if !p.r.Pending() {
		return nil
	}
	for {
		if n, err := p.r.Submit(ringSends); err != nil || n == 0 || p.r.Queued() == 0 {
			return again(err)
		}
	}
}

// again lets pass what is to be tried again after completions were taken.
func again(err error) error {
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EBUSY) {
		return nil
	}
	return err
}

func (p *ring) resume() {
	p.home++
	p.settled, p.moved = false, clock()
	p.watch()
	p.watchAside()
	p.flush()
}

// settleTime is how long a loop must have stayed with a goroutine until what was
// submitted by others is submitted anew.
const settleTime = int64(20 * time.Millisecond)

func (p *ring) wait(d time.Duration) (int, error) {
	p.aside.begin(p.left == 0)
	p.left = maxEvents
	if !p.settled {
		p.settled = clock()-p.moved > settleTime
	}
	if d == 0 {
		err := p.flush()
		return p.fetched(), err
	}
	p.applyAll()
	if n := p.fetched(); n > 0 {
		return n, nil
	}
	_, err := p.r.Wait(1, d)
	return p.fetched(), again(err)
}

// fetched is how many completions and connections there are to look at, and more
// when the set has something.
func (p *ring) fetched() int {
	if p.r.Overflowed() {
		p.seen.overflows++ // nothing is lost: the next system call fetches them
	}
	n := p.r.Ready() + len(p.ready)
	if p.aside.ready {
		n++
	}
	return n
}

func (p *ring) next() (event, bool) {
	if len(p.queue) >= ringSends {
		p.flush()
	}
	for p.left > 0 {
		if ev, ok := p.nextAside(); ok {
			p.left--
			return ev, true
		}
		if p.aside.first && p.aside.fetch() {
			continue
		}
		if len(p.ready) > 0 {
			c := p.ready[0]
			p.ready[0], p.ready = nil, p.ready[1:]
			if ev, ok := p.readyNow(c); ok {
				p.left--
				return ev, true
			}
			continue
		}
		cqe, ok := p.r.Pop()
		if !ok {
			if p.aside.ready && p.aside.fetch() {
				continue
			}
			break
		}
		if ev, ok := p.done(cqe); ok {
			p.left--
			return ev, true
		}
	}
	return event{}, false
}

// receive takes what has come; when the ring does not receive for c now, it
// takes it from the socket.
func (p *ring) receive(c *Conn, buf []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.got != nil || c.flags&flagReceiving != 0 || c.fd < 0 {
		return c.takeLocked(buf)
	}
	n, err := sysRead(int(c.fd), buf)
	if c.flags&flagFresh != 0 && n < bulkSize && c.in == nil && clock()-p.starved.Load() > starvedTime {
		c.flags &^= flagBulk
	}
	c.flags &^= flagFresh
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

func (p *ring) wake() { p.waker.Wake() }

// closeRounds bounds how long close waits for what is in flight, in milliseconds.
const closeRounds = 1000

// close ends what is in flight. All connections have ended before.
func (p *ring) close() {
	for range closeRounds {
		p.applyAll()
		if p.busy == 0 && p.r.Queued() == 0 {
			break
		}
		p.r.Wait(min(p.busy, 1), time.Millisecond)
		for cqe, ok := p.r.Pop(); ok; cqe, ok = p.r.Pop() {
			if ev, ok := p.done(cqe); ok && ev.what == eventAccepted && ev.res >= 0 {
				unix.Close(int(ev.res))
			}
		}
	}
	p.r.Close()
	p.waker.Close()
	p.aside.close()
}
