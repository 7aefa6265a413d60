package tftp

import "time"

// spinner decides whether to look for events for a moment before going to
// sleep. In lock-step both sides wait for each other, and being woken may cost
// more than an answer takes; but where both share a processor, spinning keeps
// the other from running, and with many clients it takes packets one by one that
// would have come together. So it is tried: spinning has to move clearly more
// packets in the same time, and is tried again now and then.
//
// The zero value begins without spinning. It belongs to one loop.
type spinner struct {
	on      bool
	waits   int           // in this round
	pauses  int           // of these, those that took too long for a lock-step
	packets int           // in this round
	spent   time.Duration // in this round, from wait to wait
	rounds  int
	last    instant

	asleep, spinning time.Duration // for a packet, in the last round of that kind; 0: not tried
}

const (
	spinFor     = 40 * time.Microsecond
	spinPause   = 4 * spinFor // from here on nobody is in lock-step with us
	spinRound   = 256         // waits
	spinWaste   = 16          // pauses that end a round of spinning
	spinExplore = 32          // rounds after which the other way is tried
)

// wait is called before each wait that may sleep, with the number of packets that
// have come since the last one, and says whether to spin.
func (s *spinner) wait(now instant, packets int) bool {
	gap := now - s.last
	s.last = now
	if gap > spinPause {
		s.pauses++
	}
	s.spent += min(gap, spinPause)
	s.packets += packets
	if s.waits++; s.waits == spinRound || s.on && s.pauses == spinWaste {
		s.choose()
	}
	return s.on
}

// choose ends a round.
func (s *spinner) choose() {
	cost := max(1, s.spent/time.Duration(max(1, s.packets)))
	if s.on {
		s.spinning = cost
	} else {
		s.asleep = cost
	}
	s.rounds++
	switch {
	case s.pauses >= spinWaste:
		s.on = false
	case s.spinning == 0 || s.rounds%spinExplore == 0:
		s.on = !s.on
	default:
		s.on = s.spinning < s.asleep-s.asleep/8
	}
	s.waits, s.pauses, s.packets, s.spent = 0, 0, 0, 0
}
