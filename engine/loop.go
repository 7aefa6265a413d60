package engine

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/burrownet/burrow/internal/timerwheel"
)

// epoch is the zero of the engine's clock.
var epoch = time.Now()

// clock is the time in nanoseconds since epoch.
func clock() int64 { return int64(time.Since(epoch)) }

// tick is the resolution of deadlines.
const tick = 8 * time.Millisecond

func ticks(ns int64) uint64 { return uint64((ns + int64(tick) - 1) / int64(tick)) }

// loop is one event loop. Its fields belong to the goroutine that is the loop
// at the moment; handover.go tells how that role moves.
type loop struct {
	e         *Engine
	poll      poller
	completes bool   // poll does; immutable
	claim     uint32 // the flags that a call sets to own its connection; immutable
	brief     bool   // no call holds the loop for longer than a tick; immutable

	conns  []*Conn             // by descriptor
	gen    uint32              // the generation given to the newest connection
	accept map[int32]*acceptor // by the listener's number
	wheel  timerwheel.Wheel[*Conn]
	timers timerwheel.Wheel[posted]
	// What is due is queued here and taken one by one, so that a handover in
	// the middle leaves the rest to the next goroutine.
	due     []*Conn
	calls   []posted
	seq     uint64
	current *Conn // of the call in progress; nil for a posted function
	turns   uint
	stopped bool
	failing bool // the poller's last wait has failed, and the log says so

	call   atomic.Uint64 // the ticket of the call in progress; its low bit: running
	parked atomic.Bool   // the loop is about to wait, or waits
	open   atomic.Int32  // connections of this loop

	inbox struct {
		sync.Mutex
		calls  []posted
		closed bool
	}
}

// posted is a function for a loop to run. Like all that may run a call, it reports
// false when the goroutine is no longer the loop.
type posted func(w *worker) bool

// worker is what a goroutine needs to run calls: the loop's own while it is the
// loop, afterwards its own.
type worker struct {
	conn     *Conn // of the call in progress, or the last one
	loop     *loop
	onLoop   bool   // the goroutine has been the loop since the call began
	ticket   uint64 // of the call in progress
	now      int64  // when the loop woke
	view     []byte // the current input of the call in progress
	detached bool   // the goroutine no longer counts among the engine's
	buf      []byte // what reads go to
}

// bufSize is the size of a loop's shared read buffer, in bytes.
const bufSize = 64 << 10

var workers = sync.Pool{New: func() any { return &worker{buf: make([]byte, bufSize)} }}

func (w *worker) free() {
	w.loop, w.conn, w.view, w.onLoop = nil, nil, nil, false
	workers.Put(w)
}

// run is the loop; docs/loop.md numbers its stages. It returns when the loop
// has stopped or has been handed over.
func (l *loop) run() {
	w := workers.Get().(*worker)
	w.loop, w.onLoop, w.detached = l, true, false
	returned := false
	defer func() {
		if !returned {
			l.died(w)
		}
		if !w.detached {
			l.e.running.Done()
		}
		w.free()
	}()
	l.turnAround(w)
	returned = true
}

// died goes on after a call that has ended its goroutine.
func (l *loop) died(w *worker) {
	if c := w.conn; c != nil {
		c.died(w)
	}
	if w.onLoop && (w.ticket&1 == 0 || l.call.CompareAndSwap(w.ticket, w.ticket&^1)) {
		l.handOver()
	}
}

// turnAround is the loop proper.
func (l *loop) turnAround(w *worker) {
	l.e.monitor.wake(l.e)
	l.poll.resume()
	for !l.stopped {
		w.now = clock()
		if !l.reap(w) || !l.expire(w) || !l.runCalls(w) {
			return
		}
		err := l.wait()
		if err != nil {
			if !l.failing {
				l.e.logger().Error("engine: wait for events", "err", err)
			}
			time.Sleep(tick) // never a busy loop on a broken poller
		}
		l.failing = err != nil
	}
	l.poll.close()
}

// reap works off the events that have been fetched.
func (l *loop) reap(w *worker) bool {
	for {
		ev, ok := l.poll.next()
		if !ok {
			return true
		}
		if !l.deliver(w, ev) {
			return false
		}
	}
}

// expire calls what the deadlines ask for.
func (l *loop) expire(w *worker) bool {
	now := uint64(w.now / int64(tick))
	if l.wheel.Len() > 0 {
		l.wheel.Advance(now, func(n *timerwheel.Node[*Conn]) { l.due = append(l.due, n.Value) })
	}
	if l.timers.Len() > 0 {
		l.timers.Advance(now, func(n *timerwheel.Node[posted]) { l.calls = append(l.calls, n.Value) })
	}
	for len(l.due) > 0 {
		c := l.due[0]
		l.due[0], l.due = nil, l.due[1:]
		if !l.checkDeadline(w, c) {
			return false
		}
	}
	l.due = nil
	return true
}

// runCalls runs what was posted.
func (l *loop) runCalls(w *worker) bool {
	l.inbox.Lock()
	if len(l.inbox.calls) > 0 {
		l.calls, l.inbox.calls = append(l.calls, l.inbox.calls...), nil
	}
	l.inbox.Unlock()
	for len(l.calls) > 0 {
		f := l.calls[0]
		l.calls[0], l.calls = nil, l.calls[1:]
		if !f(w) {
			return false
		}
	}
	l.calls = nil
	return true
}

// asCall makes a call of a stranger's function: it may overstay.
func (l *loop) asCall(f func()) posted {
	return func(w *worker) bool {
		l.current, w.conn = nil, nil
		l.begin(w)
		f()
		return l.end(w)
	}
}

// wait fetches the next events, blocking when there is nothing else to do.
func (l *loop) wait() error {
	l.turns++
	if l.e.away.Load() > 0 || l.turns%16 == 0 {
		// Others may want the processor, and a loop that never blocks would
		// keep it until it is preempted.
		runtime.Gosched()
	}
	if n, err := l.poll.wait(0); n > 0 || err != nil {
		return err
	}
	l.parked.Store(true)
	l.inbox.Lock()
	posted := len(l.inbox.calls) > 0
	l.inbox.Unlock()
	var err error
	if !posted && !l.stopped {
		_, err = l.poll.wait(l.sleep())
	}
	l.parked.Store(false)
	l.e.monitor.wake(l.e)
	return err
}

// sleep is how long the loop may wait: until the next deadline.
func (l *loop) sleep() time.Duration {
	next := uint64(1 << 62)
	if t, ok := l.wheel.Next(); ok {
		next = t
	}
	if t, ok := l.timers.Next(); ok {
		next = min(next, t)
	}
	if next == 1<<62 {
		return -1
	}
	return max(time.Duration(next)*tick-time.Duration(clock()), 1)
}

// post queues f for the loop and wakes it.
func (l *loop) post(f posted) error {
	l.inbox.Lock()
	if l.inbox.closed {
		l.inbox.Unlock()
		return net.ErrClosed
	}
	l.inbox.calls = append(l.inbox.calls, f)
	l.inbox.Unlock()
	if l.parked.Load() {
		l.poll.wake()
	}
	return nil
}

// do has the loop run a function of the engine's own, which never blocks.
func (l *loop) do(f func()) error {
	return l.post(func(*worker) bool {
		f()
		return true
	})
}

func (l *loop) afterFunc(d time.Duration, f posted) (stop func() bool) {
	n := &timerwheel.Node[posted]{}
	var done atomic.Bool
	n.Value = func(w *worker) bool { return done.Swap(true) || f(w) }
	at := ticks(clock() + int64(min(max(d, 0), farOff)))
	l.do(func() {
		if !done.Load() {
			l.timers.Set(n, at)
		}
	})
	return func() bool {
		if done.Swap(true) {
			return false
		}
		l.do(func() { l.timers.Stop(n) })
		return true
	}
}
