package tftp

// sender is the half that has the file: a server answering RRQ, or a client
// after WRQ. It holds numbers only: the driver has the bytes, builds the
// packets, and is told which.
//
//	opening --ACK 0 or OACK--> sending --ACK of the last block--> done
//
// The driver feeds it (ack, expire) and afterwards looks at what is due:
// opening packet (openingDue), blocks (sendable), and the next deadline. Not
// safe for concurrent use.
type sender struct {
	clock
	window   uint64
	rollover rollover

	opening    bool // the opening packet waits for its answer
	openingDue bool // and is to be sent

	base uint64 // acknowledged: all blocks up to here
	next uint64 // the block to be sent next
	high uint64 // the highest block ever sent
	last uint64 // the final block; 0: not known yet
	done bool

	flight  instant // when the first block after base was sent
	resent  int     // how often blocks after base were sent again
	ignore  int     // answers still to come to what was sent twice
	retries int     // blocks and opening packets sent again
}

// start begins a transfer. With an opening packet (OACK, WRQ) data has to wait
// for its answer; without one the first window is due.
func (s *sender) start(p params, pc pace, opening bool, now instant) {
	s.clock.start(pc, now)
	s.agree(p)
	s.next = 1
	s.opening, s.openingDue = opening, opening
}

// agree takes over what was negotiated.
func (s *sender) agree(p params) {
	s.window, s.rollover = uint64(p.window), p.rollover
	s.agreeTimeout(p.timeout)
}

// openingSent says that the opening packet is on its way.
func (s *sender) openingSent(now instant) {
	s.openingDue = false
	s.sent(now, s.backoff == 0)
}

// opened ends the opening phase: the peer has answered.
func (s *sender) opened(now instant) {
	if !s.opening {
		return
	}
	s.opening, s.openingDue = false, false
	s.answered(now)
	s.progress(now)
}

// edge is the last block that may be sent.
func (s *sender) edge() uint64 {
	e := s.base + s.window
	if s.last != 0 {
		e = min(e, s.last)
	}
	return e
}

// sendable are the blocks that are due: n of them from block on.
func (s *sender) sendable() (block uint64, n int) {
	if edge := s.edge(); !s.opening && !s.done && s.next <= edge {
		return s.next, int(edge - s.next + 1)
	}
	return 0, 0
}

// blocksSent says that the next n blocks are on their way.
func (s *sender) blocksSent(n int, now instant) {
	if s.next == s.base+1 {
		s.flight = now
	}
	again := min(uint64(n), s.high-min(s.high, s.next-1))
	s.retries += int(again)
	s.next += uint64(n)
	s.high = max(s.high, s.next-1)
	if s.next > s.edge() { // until then the peer has no reason to answer
		s.sent(now, s.resent == 0 && again == 0)
	}
}

// ack takes an ACK in. It reports whether that brought anything new.
func (s *sender) ack(number uint16, now instant) bool {
	if s.opening {
		if number == 0 {
			s.opened(now)
		}
		return number == 0
	}
	block, ok := s.rollover.nearest(number, s.base)
	switch {
	case !ok || block < s.base || block > s.high || s.done:
		return false // late, or about something never sent
	case block == s.base:
		return s.repeated(now)
	}
	s.ignore = 0
	if block >= s.high {
		s.ignore = s.resent // each copy of it may be answered
	}
	s.base, s.resent = block, 0
	s.answered(now)
	s.progress(now)
	switch {
	case s.last != 0 && block >= s.last:
		s.done, s.retry = true, 0
	case block < s.next-1:
		s.rollback() // RFC 7440 4: the window is sent again from the gap
	default:
		s.next = max(s.next, block+1)
	}
	return true
}

// repeated is an ACK of what was acknowledged already. In lock-step it must not
// cause anything (RFC 1123 4.2.3.1, the Sorcerer's Apprentice). Within a window
// it says that the first block was lost (RFC 7440 4), unless it is a copy: one
// that came sooner than an answer can, or the answer to blocks sent twice.
func (s *sender) repeated(now instant) bool {
	s.progress(now) // none, but the peer is there: it may be busy storing
	if s.window == 1 || s.next == s.base+1 || s.resent > 0 {
		return false
	}
	if s.ignore > 0 {
		s.ignore--
		return false
	}
	if s.fastest == 0 || now-s.flight < s.fastest {
		return false
	}
	s.rollback()
	return true
}

// rollback sends again what follows base.
func (s *sender) rollback() {
	s.next = s.base + 1
	s.resent++
	s.retry, s.measuring = 0, 0
}

// expire is called at the deadline. An error ends the transfer.
func (s *sender) expire(now instant) error {
	if s.done {
		return nil
	}
	if err := s.over(now); err != nil {
		return err
	}
	if s.retry == 0 || now < s.retry {
		return nil
	}
	s.expired()
	if s.opening {
		s.openingDue = true
		s.retries++
		return nil
	}
	s.rollback()
	return nil
}
