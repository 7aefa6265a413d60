package tftp

import (
	"context"
	"net/netip"
	"time"

	"github.com/burrownet/burrow/internal/timerwheel"
)

// maxStrangers is how many packets of foreigners a transfer answers.
const maxStrangers = 8

// transfer is one transfer of a server. It belongs to its loop.
//
//	looking --found--> sending or receiving --ended--> (dallying) --> gone
type transfer struct {
	loop    *loop
	peer    netip.AddrPort
	local   netip.Addr
	sock    socket // nil while looking; the loop's main one with SinglePort
	timer   timerwheel.Node[*transfer]
	request string // as it came, to know its copies
	asked   options
	write   bool
	ascii   bool
	began   instant
	rec     Record
	opening []byte // OACK or ACK 0

	stopLooking context.CancelFunc // for the file: nobody wants it any more

	blockSize int
	sender    sender
	reading   reading
	receiver  receiver
	writing   writing

	pending  int  // pieces of work that goroutines have not posted the results of
	heard    bool // something came from the peer
	recorded bool // it has ended; what follows is dallying
	ended    instant
	gone     bool
}

// supersededBy reports whether a request from the address of this transfer is a
// new one. A copy of the request that began it is not, unless the client has
// been heard and then was silent: it starts again. After the end of an upload one is
// new as soon as a copy from before would have come, which takes a round trip.
func (t *transfer) supersededBy(request []byte) bool {
	switch {
	case t.writing.ending:
		return false
	case t.request != string(request):
		return true
	case t.recorded:
		return t.loop.now-t.ended > t.receiver.srtt
	}
	return t.heard && t.loop.now-t.progressed() > t.loop.pace.first
}

// progressed is when something last came from the client.
func (t *transfer) progressed() instant {
	c := &t.sender.clock
	if t.write {
		c = &t.receiver.clock
	}
	return c.silentAt - c.silence
}

// found is called when the file was looked for.
func (t *transfer) found(o *opened) {
	if t.recorded {
		t.reading.file, t.writing.upload = o.file, o.upload
		t.letGo()
		return
	}
	t.rec.Path, t.rec.MAC, t.rec.Quirk = o.path, o.mac, o.quirk
	t.reading.file, t.writing.upload = o.file, o.upload
	if o.err != nil {
		t.fail(o.err, ResultRefused)
		return
	}
	var err error
	if t.sock, err = t.loop.open(t); err != nil {
		t.fail(&portError{err}, ResultFailed)
		return
	}
	size := int64(-1)
	if !t.write && !t.ascii {
		size = o.file.id.size
	}
	p, granted := grant(t.asked, t.write, size, o.caps)
	t.start(p, granted)
}

// start begins with what was agreed upon.
func (t *transfer) start(p params, granted options) {
	t.rec.Granted, t.rec.Size = granted.String(), p.size
	t.blockSize = p.blockSize
	if t.ascii && !t.write {
		p.window = t.reading.boundWindow(p, granted)
		t.rec.Granted = granted.String()
	}
	t.rec.BlockSize, t.rec.WindowSize = p.blockSize, p.window
	pc := t.loop.pace
	if t.write {
		t.opening = appendHeader(nil, opACK, 0)
	}
	if granted != nil {
		oack := packet{op: opOACK, options: granted}
		t.opening = oack.append(nil)
	}
	if t.write {
		t.receiver.start(p, pc, t.loop.now)
	} else {
		t.sender.start(p, pc, granted != nil, t.loop.now)
	}
	t.advance()
}

// receive takes a datagram in.
func (t *transfer) receive(d *datagram) {
	if t.gone || t.sock == nil {
		return
	}
	if d.from != t.peer {
		t.stranger(d)
		return
	}
	p := &t.loop.packet
	if p.parse(d.b) != nil {
		// It may be forged: it does not end a transfer.
		t.loop.server.counters.malformed.Add(1)
		return
	}
	t.heard = true
	switch {
	case p.op == opERROR:
		t.aborted(p)
		return
	case t.write && p.op == opDATA:
		t.data(p)
	case !t.write && p.op == opACK:
		if !t.sender.ack(p.block, t.loop.now) {
			return
		}
		if t.sender.done {
			t.finish(ResultOK, nil)
			return
		}
	default:
		return
	}
	t.advance()
}

// stranger answers a packet from another address. RFC 1350 4: an error goes
// there, and the transfer is not disturbed.
func (t *transfer) stranger(d *datagram) {
	t.rec.Strangers++
	t.loop.server.counters.strangers.Add(1)
	// An ERROR is never answered, RFC 1350 2.
	if t.rec.Strangers > maxStrangers || len(d.b) < 2 || opcode(d.b[1]) == opERROR {
		return
	}
	b := appendErrorPacket(t.loop.scratch[:0], &Error{CodeUnknownTransfer, "unknown transfer ID"})
	t.sock.send(b, len(b), d.from, t.local)
}

// probes reports whether a client that leaves now has only asked: before the first
// block, with options answered, it has learnt what it wanted to know.
func (t *transfer) probes() bool {
	return !t.write && t.sock != nil && t.sender.opening
}

// aborted is an ERROR of the client. That its disk is full or that the options do
// not suit it is no way to say that it has learnt enough.
func (t *transfer) aborted(p *packet) {
	if t.writing.ending {
		t.writing.left = &Error{p.code, p.message}
		return
	}
	result := ResultAborted
	if t.probes() && p.code != CodeDiskFull && p.code != CodeOptions {
		result = ResultProbe
	}
	t.finish(result, &Error{p.code, p.message})
}

// advance sends what is due and sets the timer.
func (t *transfer) advance() {
	if t.write {
		t.advanceWriting()
	} else {
		t.advanceReading()
	}
	if !t.gone {
		t.schedule(t.deadline())
	}
}

func (t *transfer) deadline() instant {
	switch {
	case t.recorded:
		return t.writing.dallied
	case t.writing.ending:
		return t.loop.now + t.receiver.silence // until the goroutine is done
	case t.write:
		return t.receiver.deadline()
	case t.reading.blocked:
		return t.loop.now + tick
	}
	return t.sender.deadline()
}

// schedule has expire called at that time at the latest. A timer that is set
// already, for an earlier time, stays: setting it anew for every packet is what
// a timing wheel is there to spare.
func (t *transfer) schedule(at instant) {
	when := uint64((at + tick - 1) / tick)
	if !t.timer.Linked() || t.timer.When() > when {
		t.loop.wheel.Set(&t.timer, when)
	}
}

// expire is called at the deadline, or before.
func (t *transfer) expire() {
	if t.gone {
		return
	}
	now := t.loop.now
	if t.recorded {
		if now >= t.writing.dallied {
			t.leave()
			return
		}
	} else if t.sock != nil {
		var err error
		switch {
		case t.writing.ending:
			// Whatever the client was told now could turn out to be wrong.
		case t.write:
			if t.writing.busy {
				t.receiver.progress(now) // it is the disk that is slow, not the client
			}
			err = t.receiver.expire(now)
		default:
			if t.reading.wanted != 0 {
				t.sender.progress(now) // it is the file that is slow, not the client
			}
			err = t.sender.expire(now)
		}
		if err != nil {
			t.fail(err, ResultTimeout)
			return
		}
	}
	t.advance()
}

// fail ends the transfer and tells the client why, unless err is nil.
func (t *transfer) fail(err error, result Result) {
	if err != nil && !t.recorded {
		s := t.sock
		if s == nil {
			s = t.loop.main
		}
		b := appendErrorPacket(t.loop.scratch[:0], wireError(err))
		s.send(b, len(b), t.peer, t.local)
	}
	t.finish(result, err)
}

// finish records the end, unless it came before, and leaves.
func (t *transfer) finish(result Result, err error) {
	if !t.recorded {
		t.record(result, err)
	}
	t.leave()
}

// record writes the record; the transfer counts no longer.
func (t *transfer) record(result Result, err error) {
	l := t.loop
	t.recorded, t.ended = true, l.now
	l.running--
	if t.pending == 0 {
		l.sh.dismiss(t.peer.Addr())
	}
	r := &t.rec
	r.Result = result
	if err != nil {
		r.Error = err.Error()
		if e, ok := err.(*Error); ok && result != ResultAborted && result != ResultProbe {
			r.Error = e.Message // ours, not the peer's
		}
	}
	c := &t.sender.clock
	if t.write {
		c = &t.receiver.clock
		r.Blocks, r.Bytes, r.Retransmits = int64(t.receiver.got), t.writing.bytes, t.receiver.retries
	} else {
		r.Blocks, r.Bytes, r.Retransmits = int64(t.sender.base), t.bytesRead(), t.sender.retries
	}
	r.Milliseconds = milliseconds(l.now - t.began)
	r.RoundTrip = milliseconds(c.srtt)
	l.hand(r)
}

// work notes that a goroutine works for the transfer.
func (t *transfer) work() {
	t.pending++
	t.loop.launched = true
}

// settled is called when a goroutine's work is done. A transfer counts against
// the limits until it has ended and the last of its goroutines has: who starts
// transfers and abandons them cannot pile up work.
func (t *transfer) settled() {
	if t.pending--; t.pending == 0 && t.recorded {
		t.loop.sh.dismiss(t.peer.Addr())
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// leave gives everything back.
func (t *transfer) leave() {
	if t.gone {
		return
	}
	t.gone = true
	t.stopLooking()
	l := t.loop
	l.wheel.Stop(&t.timer)
	if t.writing.place != nil {
		l.dallying.Remove(t.writing.place)
	}
	if l.transfers[t.peer] == t {
		delete(l.transfers, t.peer)
	}
	if t.sock != nil && t.sock != l.main {
		t.sock.close()
	}
	t.letGo()
}

// letGo gives back the files.
func (t *transfer) letGo() {
	t.reading.hold(0, -1)
	if t.reading.file != nil {
		t.reading.file.release()
		t.reading.file = nil
	}
	t.abandon()
}
