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
	gap    time.Duration // between the last two waits
	waits  int           // in this round
	pauses int           // of these, those that took too long for a lock-step
	spent  time.Duration // in this round, from wait to wait
	cost   [2]time.Duration
	rounds int
	last   instant
}

const (
	spinFor     = 40 * time.Microsecond
	spinPause   = 4 * spinFor // from here on nobody is in lock-step with us
	spinRound   = 256         // waits
	spinWaste   = 16          // pauses that end a round of spinning
	spinExplore = 32          // rounds after which the other way is tried
	spinLively  = 5 * time.Millisecond
)

// wait is called before each wait that may sleep, and says whether to spin.
func (s *spinner) wait(now instant) bool {
	s.gap = now - s.last
	s.last = now
	if s.gap > spinPause {
		s.pauses++
	}
	s.spent += min(s.gap, spinPause)
	if s.waits++; s.waits == spinRound || s.on && s.pauses == spinWaste {
		s.choose()
	}
	return s.on
}

// lively reports whether packets come and go.
func (s *spinner) lively() bool { return s.gap < spinLively }

// choose ends a round.
func (s *spinner) choose() {
	this, other := 0, 1
	if s.on {
		this, other = 1, 0
	}
	s.cost[this] = s.spent / time.Duration(s.waits)
	pauses := s.pauses
	s.waits, s.pauses, s.spent = 0, 0, 0
	s.rounds++
	switch {
	case pauses >= spinWaste:
		s.on = false
	case s.cost[other] == 0 || s.rounds%spinExplore == 0:
		s.on = !s.on
	case s.cost[other] < s.cost[this]:
		s.on = !s.on
	}
}
