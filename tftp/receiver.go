package tftp

// receiver is the half that gets the file: a client after RRQ, or a server
// answering WRQ. Like sender it holds numbers only.
//
//	opening --DATA 1--> receiving --short block--> complete --confirm--> dallying
//
// The driver feeds it (data, expire), stores what data accepts, and sends what
// is due: the opening packet or the ACK of ackNumber. Not safe for concurrent
// use.
type receiver struct {
	clock
	blockSize int
	window    uint64
	rollover  rollover

	opening bool // the opening packet (RRQ, OACK, ACK 0) waits for DATA 1
	due     bool // a packet is to be sent: the opening one, or an ACK

	got      uint64 // all blocks up to here are in
	acked    uint64 // the last block that was acknowledged
	gap      bool   // the gap after got has been reported
	complete bool   // the last block is in
	dallying bool   // and has been acknowledged

	reassuring bool    // the last ACK is to be sent once more: storing takes its time
	reassured  instant // when it was

	retries int // packets sent again
	strange int // blocks that were not the next one
}

// start begins a transfer with its opening packet.
func (r *receiver) start(p params, pc pace, now instant) {
	r.clock.start(pc, now)
	r.agree(p)
	r.opening, r.due = true, true
}

// agree takes over what was negotiated.
func (r *receiver) agree(p params) {
	r.blockSize, r.window, r.rollover = p.blockSize, uint64(p.window), p.rollover
	r.agreeTimeout(p.timeout)
}

// negotiated is a client's receipt of an OACK: its answer is ACK 0. A copy of
// the OACK means that this was lost.
func (r *receiver) negotiated(p params, now instant) {
	if r.opening {
		r.agree(p)
		r.opening = false
		r.answered(now)
		r.progress(now)
	} else if r.got == 0 {
		r.retries++
	}
	if r.got == 0 {
		r.due = true
	}
}

// ackNumber is what the ACK that is due says.
func (r *receiver) ackNumber() uint16 { return r.rollover.wire(r.got) }

// packetSent says that the packet that was due is on its way.
func (r *receiver) packetSent(now instant) {
	r.due = false
	r.acked = r.got
	if r.dallying {
		return
	}
	r.sent(now, r.backoff == 0 && !r.gap)
}

// data takes a block of n bytes in and reports whether it is the next one, to
// be stored. A block longer than agreed is an error.
func (r *receiver) data(number uint16, n int, now instant) (take bool, err error) {
	if n > r.blockSize {
		// RFC 2348: a block has at most blksize bytes.
		return false, &ProtocolError{"RFC 2348", "DATA longer than the block size"}
	}
	switch d := r.ahead(number); {
	case d <= 0:
		r.repeated(d, now)
		return false, nil
	case d > 1:
		r.jumped(d)
		return false, nil
	case r.complete:
		return false, nil
	case r.got-r.acked >= r.window:
		// RFC 7440 4: what follows a window comes after its ACK. A peer that does not
		// wait cannot have more stored than a window while the disk is behind.
		r.strange++
		return false, nil
	}
	r.opening, r.gap = false, false
	r.got++
	r.answered(now)
	r.progress(now)
	switch {
	case n < r.blockSize:
		r.complete = true // RFC 1350 6; the driver confirms when all is stored
	case r.got-r.acked >= r.window:
		r.due = true // RFC 7440 4
	default:
		r.sent(now, false) // more of the window is to come
	}
	return true, nil
}

// ahead is the distance of a block from the last one that is in: 1 is the next.
func (r *receiver) ahead(number uint16) int64 {
	if r.rollover == rolloverUnknown && r.got == lastNumber {
		switch {
		case number == 0:
			r.rollover = rolloverZero
		case number == 1 && r.window == 1:
			// In lock-step, 1 after 65535 can be nothing but the next one. In a
			// window it may be the one after a lost 0: there only 0 is taken.
			r.rollover = rolloverOne
		}
	}
	block, ok := r.rollover.nearest(number, r.got)
	if !ok {
		return 0
	}
	return int64(block) - int64(r.got)
}

// repeated is a block that is in already: the peer missed our ACK. RFC 1123
// 4.2.3.1: it is acknowledged again, and that can do no harm, as senders ignore
// a second ACK. Of a window only the last block is answered.
func (r *receiver) repeated(d int64, now instant) {
	r.strange++
	switch {
	case d != 0 || r.got == 0:
	case r.due && r.got != r.acked || r.complete && !r.dallying:
		r.reassure(now)
	case r.got == r.acked:
		r.due = true
		r.retries++
	}
}

// reassure is for a peer that asks while its block is being stored, which may not be
// acknowledged before: the ACK of the one before says that somebody is there. Not
// for each question, since there are peers that ask anew for each such ACK.
func (r *receiver) reassure(now instant) {
	if r.reassured == 0 || now-r.reassured >= r.first {
		r.reassured, r.reassuring = now, true
	}
}

// reassurance is the number of that ACK, where it is due.
func (r *receiver) reassurance() (number uint16, due bool) {
	due, r.reassuring = r.reassuring, false
	return r.rollover.wire(r.acked), due
}

// jumped is a block after one that is missing: RFC 7440 4 has the last good one
// acknowledged, once, so that the sender goes back.
func (r *receiver) jumped(d int64) {
	r.strange++
	if r.gap || r.opening || r.complete || d > int64(r.window) {
		return
	}
	r.gap, r.due = true, true
	r.retries++
}

// confirm acknowledges the last block: the file is stored. The receiver then
// dallies for as long as the driver keeps it: it answers copies of the last
// block, RFC 1350 6.
func (r *receiver) confirm() {
	r.dallying, r.due = true, true
	r.retry = 0
}

// expire is called at the deadline. An error ends the transfer.
func (r *receiver) expire(now instant) error {
	if r.dallying {
		return nil
	}
	if err := r.over(now); err != nil {
		return err
	}
	if r.retry == 0 || now < r.retry || r.complete {
		return nil
	}
	r.expired()
	r.due, r.gap = true, false
	r.retries++
	return nil
}
