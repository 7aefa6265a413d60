package tftp

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/burrownet/burrow/internal/timerwheel"
)

// tick is the unit of the timing wheel.
const tick = 2 * time.Millisecond

const recordsWaiting = 1024

// loop is one Serve: all transfers of one listening socket, on one goroutine.
// What may block (opening, reading and writing files) runs on goroutines that
// post their results. Fields belong to the loop's goroutine but where it says
// otherwise.
type loop struct {
	server *Server
	sh     *shared
	driver driver
	main   socket
	caps   caps
	pace   pace

	ctx        context.Context // of hooks and file work; ends with the loop
	cancel     context.CancelFunc
	background sync.WaitGroup
	records    chan Record

	started   time.Time
	now       instant
	wheel     timerwheel.Wheel[*transfer]
	transfers map[netip.AddrPort]*transfer // by the client's TID
	running   int                          // those that have not come to an end
	dallying  list.List                    // those that have and stay, *transfer, the oldest first
	launched  bool                         // goroutines were started just now
	yielded   instant                      // when others last had this processor
	packet    packet                       // the one being looked at
	scratch   []byte                       // to build packets in

	turnedAt instant // when the second began in which
	turned   int     // so many requests were turned away

	draining bool
	drained  instant // when draining ends

	mu       sync.Mutex
	posted   []func() // guarded by mu
	closed   bool     // guarded by mu: the driver is no more
	finished bool     // guarded by mu: nothing is
}

func newLoop(s *Server, sh *shared, pc net.PacketConn) (*loop, error) {
	l := &loop{
		server: s, sh: sh, caps: s.caps(), pace: s.pace(),
		records: make(chan Record, recordsWaiting), started: time.Now(),
		transfers: map[netip.AddrPort]*transfer{}, scratch: make([]byte, 0, maxDatagram),
	}
	var err error
	if l.driver, l.main, err = newDriver(pc); err != nil {
		return nil, fmt.Errorf("tftp: serve: %w", err)
	}
	l.ctx, l.cancel = context.WithCancel(sh.ctx)
	return l, nil
}

// clock reads the time. It is never 0, which means never.
func (l *loop) clock() { l.now = max(1, time.Since(l.started)) }

// post has f run on the loop, after whose end it runs where it is. Any goroutine
// may call it.
func (l *loop) post(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished {
		f() // one at a time, as on the loop
		return
	}
	l.posted = append(l.posted, f)
	if !l.closed && len(l.posted) == 1 {
		l.driver.wake()
	}
}

func (l *loop) runPosted() {
	for {
		l.mu.Lock()
		posted := l.posted
		l.posted = nil
		l.mu.Unlock()
		if len(posted) == 0 {
			return
		}
		for _, f := range posted {
			f()
		}
	}
}

const (
	// mostHeld is after how many turns timers run though more waits to be read.
	mostHeld = 16
	// yieldAfter is for how long a busy loop keeps its processor from goroutines
	// that wait for one: the scheduler would take it away after ten times as long.
	yieldAfter = time.Millisecond
)

// run is the loop.
func (l *loop) run() error {
	var err error
	var more bool
	held := 0
	deliver, expired := l.deliver, l.expired
	for err == nil && !(l.draining && (l.running == 0 || l.now >= l.drained)) {
		more, err = l.driver.wait(l.patience(), deliver)
		l.clock()
		l.runPosted()
		// What has arrived goes before what is late: it may be the answer.
		if held++; !more || held == mostHeld {
			held = 0
			l.wheel.Advance(uint64(l.now/tick), expired)
		}
		if l.launched || l.now-l.yielded > yieldAfter {
			l.launched, l.yielded = false, l.now
			runtime.Gosched()
		}
	}
	if endErr := l.end(); err == nil {
		err = endErr
	}
	if err != nil {
		return fmt.Errorf("tftp: serve: %w", err)
	}
	return nil
}

// patience is how long the loop may wait.
func (l *loop) patience() time.Duration {
	at := instant(-1)
	if next, ok := l.wheel.Next(); ok {
		at = instant(next) * tick
	}
	if l.draining && (at < 0 || l.drained < at) {
		at = l.drained
	}
	if at < 0 {
		return -1
	}
	l.clock()
	return max(0, at-l.now)
}

// drain refuses new requests from now on.
func (l *loop) drain() {
	d := l.server.DrainTimeout
	if d == 0 {
		d = DefaultDrainTimeout
	}
	l.draining, l.drained = true, l.now+max(0, d)
}

// stuckAfter is how long the end of Serve waits for file systems and origins, once
// they have been told.
const stuckAfter = 3 * time.Second

// errStuck is what Serve returns when it has left goroutines behind, which wait
// for the system: nobody can end them.
var errStuck = errors.New("a file system does not answer")

// waitFor waits for goroutines, for a while.
func waitFor(wg *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	late := time.NewTimer(stuckAfter)
	defer late.Stop()
	select {
	case <-done:
		return nil
	case <-late.C:
		return errStuck
	}
}

// end breaks off what is left and waits for the background work.
func (l *loop) end() (err error) {
	stop := func(t *transfer) { t.fail(&Error{CodeUndefined, "server stops"}, ResultFailed) }
	for _, t := range l.transfers {
		if !t.writing.ending {
			stop(t)
		}
	}
	l.cancel()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	// Results that nobody wants: files to be closed, which is work again.
	for more := true; more; {
		err = waitFor(&l.background)
		l.mu.Lock()
		more = len(l.posted) > 0 && err == nil
		l.finished = !more
		l.mu.Unlock()
		l.runPosted()
	}
	l.mu.Lock() // what is posted from now on runs where it is
	defer l.mu.Unlock()
	for _, t := range l.transfers { // uploads that were committed, or that nobody can end
		stop(t)
	}
	return err
}

// expired is called by the wheel.
func (l *loop) expired(n *timerwheel.Node[*transfer]) { n.Value.expire() }

// deliver takes a datagram in.
func (l *loop) deliver(owner *transfer, d *datagram) {
	l.clock()
	if owner != nil {
		owner.receive(d)
		return
	}
	if d.many {
		// RFC 1123 4.2.3.5: one that was sent to everybody should be ignored.
		l.server.counters.strays.Add(1)
		return
	}
	if len(d.b) >= 2 && d.b[0] == 0 && (opcode(d.b[1]) == opRRQ || opcode(d.b[1]) == opWRQ) {
		l.request(d)
		return
	}
	if t := l.transfers[d.from]; t != nil && l.server.SinglePort {
		t.receive(d)
		return
	}
	// Nothing is answered: it may be the last packet of a transfer that has ended,
	// and its source may be forged.
	l.server.counters.strays.Add(1)
}

// request takes an RRQ or WRQ in.
func (l *loop) request(d *datagram) {
	if l.draining {
		return
	}
	old := l.transfers[d.from]
	p := &l.packet
	err := p.parse(d.b)
	if err == nil && p.mode != "octet" && p.mode != "netascii" {
		// RFC 1350 1: mail is obsolete.
		err = &ProtocolError{"RFC 1350 5", "mode is neither octet nor netascii"}
	}
	if err != nil {
		l.server.counters.malformed.Add(1)
		// It may be forged: it does not end a transfer, and whoever has one is not
		// told, as that could end it, too.
		if old == nil {
			said := wireError(err)
			l.scratch = appendErrorPacket(l.scratch[:0], said)
			l.main.send(l.scratch, len(l.scratch), d.from, d.to)
			l.turnedAway(d, p, said.Message)
		}
		return
	}
	if old != nil {
		if !old.supersededBy(d.b) {
			l.server.counters.repeated.Add(1)
			return
		}
		result := ResultAborted
		if old.probes() { // this is what the client wanted to know the size for
			result = ResultProbe
		}
		old.fail(nil, result)
	}
	if !l.admit(d.from.Addr()) {
		l.server.counters.refusedBusy.Add(1)
		l.turnedAway(d, p, ErrBusy.Error())
		return
	}
	l.server.counters.requests.Add(1)
	l.begin(d, p)
}

// turnedAwayMost is how many requests that begin no transfer are recorded in a
// second; all are counted.
const turnedAwayMost = 10

// turnedAway records a request that begins no transfer.
func (l *loop) turnedAway(d *datagram, p *packet, why string) {
	if l.now-l.turnedAt > time.Second {
		l.turnedAt, l.turned = l.now, 0
	}
	if l.turned++; l.turned > turnedAwayMost {
		return
	}
	r := newRecord(d, p)
	r.Result, r.Error = ResultRefused, why
	l.hand(&r)
}

// hand gives a record to who hands them out. It does not wait.
func (l *loop) hand(r *Record) {
	l.server.counters.count(r)
	select {
	case l.records <- *r:
	default:
		l.server.counters.dropped.Add(1)
	}
}

func (l *loop) admit(client netip.Addr) bool {
	s := l.server
	return l.sh.admit(client, limit(int64(s.MaxTransfers), defaultMaxTransfers), limit(int64(s.MaxTransfersPerAddr), defaultMaxPerAddr))
}

// begin starts a transfer: its file is looked for elsewhere.
func (l *loop) begin(d *datagram, p *packet) {
	t := &transfer{
		loop: l, peer: d.from, local: d.to, request: string(d.b), asked: p.options,
		write: p.op == opWRQ, ascii: p.mode == "netascii", began: l.now,
	}
	t.timer.Value = t
	t.rec = newRecord(d, p)
	l.transfers[t.peer] = t
	l.running++
	r := Request{Write: t.write, Name: p.name, ASCII: t.ascii, Client: t.peer, Local: t.local, Size: -1}
	if v, ok := t.asked.get(optSize); ok && t.write {
		if n, ok := number(v); ok {
			r.Size = n
		}
	}
	t.work()
	ctx, cancel := context.WithTimeout(l.ctx, l.pace.silence)
	t.stopLooking = cancel
	l.background.Go(func() {
		defer cancel()
		o := l.server.look(ctx, l.sh, r)
		l.post(func() { t.found(&o); t.settled() })
	})
}

// recorder hands records out, on a goroutine of its own.
func (l *loop) recorder() {
	for r := range l.records {
		l.server.log(&r)
		if l.server.OnTransfer != nil {
			l.server.OnTransfer(r)
		}
	}
}

// log writes the line of one transfer.
func (s *Server) log(r *Record) {
	args := []any{"peer", r.Client, "proto", "tftp", "op", r.Op, "transfer", r}
	if r.Error != "" {
		args = append(args, "err", r.Error)
	}
	switch r.Result {
	case ResultOK, ResultProbe:
		s.logger().Info("tftp: transfer", args...)
	default:
		s.logger().Warn("tftp: transfer", args...)
	}
}
