package tftp

import "time"

// spinner decides whether to look for events for a moment before going to
// sleep. In lock-step both sides wait for each other, and being woken may cost
// more than an answer takes; but where both share a processor, spinning keeps
// the other from running. So it is tried: of the two ways the one is taken that
// moves more packets, and the other one is tried again now and then.
//
// The zero value begins without spinning. It belongs to one loop.
type spinner struct {
	on     bool
	waits  int           // in this round
	spent  time.Duration // in this round, from wait to wait
	cost   [2]time.Duration
	rounds int
	last   instant
}

const (
	spinFor     = 40 * time.Microsecond
	spinRound   = 256 // waits
	spinExplore = 32  // rounds after which the other way is tried
)

// wait is called before each wait that may sleep, and says whether to spin.
func (s *spinner) wait(now instant) bool {
	gap := now - s.last
	s.last = now
	if gap > 4*spinFor { // a pause: nobody is in lock-step with us
		s.waits, s.spent, s.on = 0, 0, false
		return false
	}
	s.spent += gap
	if s.waits++; s.waits == spinRound {
		s.choose()
	}
	return s.on
}

// choose ends a round.
func (s *spinner) choose() {
	this, other := 0, 1
	if s.on {
		this, other = 1, 0
	}
	s.cost[this] = s.spent / spinRound
	s.waits, s.spent = 0, 0
	s.rounds++
	switch {
	case s.cost[other] == 0 || s.rounds%spinExplore == 0:
		s.on = !s.on
	case s.cost[other] < s.cost[this]:
		s.on = !s.on
	}
}
