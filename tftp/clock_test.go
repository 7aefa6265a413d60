package tftp

import (
	"slices"
	"testing"
	"time"
)

// machine is what both halves of a transfer have in common for a driver.
type machine interface {
	deadline() instant
	expire(now instant) error
}

// sendings follows a machine that is never answered: when it sends, and when it
// gives up. due sends what is due and reports whether something was.
func sendings(m machine, due func(instant) bool) (at []time.Duration, end time.Duration) {
	const began = instant(1)
	due(began)
	for now := m.deadline(); ; now = m.deadline() {
		if m.expire(now) != nil {
			return at, now - began
		}
		if due(now) {
			at = append(at, now-began)
		}
	}
}

// unanswered are all the ways in which a side waits: as a server and as a client,
// with the file or for it, for the first answer and later.
func unanswered(timeout time.Duration) map[string]func() ([]time.Duration, time.Duration) {
	p, pc := defaultParams(), pace{first: time.Second, least: 50 * time.Millisecond, silence: 30 * time.Second}
	p.timeout = timeout
	sending := func(opening bool, prepare func(*sender)) ([]time.Duration, time.Duration) {
		s := &sender{}
		if prepare != nil {
			s.start(defaultParams(), pc, opening, 1)
			prepare(s)
		} else {
			s.start(p, pc, opening, 1)
		}
		return sendings(s, func(now instant) bool {
			if s.openingDue {
				s.openingSent(now)
				return true
			}
			_, n := s.sendable()
			if n > 0 {
				s.blocksSent(n, now)
			}
			return n > 0
		})
	}
	receiving := func(prepare func(*receiver)) ([]time.Duration, time.Duration) {
		r := &receiver{}
		if prepare != nil {
			r.start(defaultParams(), pc, 1)
			prepare(r)
		} else {
			r.start(p, pc, 1)
		}
		return sendings(r, func(now instant) bool {
			was := r.due
			if was {
				r.packetSent(now)
			}
			return was
		})
	}
	return map[string]func() ([]time.Duration, time.Duration){
		"OACK to RRQ": func() ([]time.Duration, time.Duration) { return sending(true, nil) },
		"DATA":        func() ([]time.Duration, time.Duration) { return sending(false, nil) },
		"OACK to WRQ": func() ([]time.Duration, time.Duration) { return receiving(nil) },
		"DATA after the OACK to WRQ": func() ([]time.Duration, time.Duration) {
			return sending(true, func(s *sender) { s.agree(p); s.opened(1) })
		},
		"ACK 0 after the OACK to RRQ": func() ([]time.Duration, time.Duration) {
			return receiving(func(r *receiver) { r.negotiated(p, 1) })
		},
	}
}

// TestNegotiatedTimeout: RFC 2349. What is not answered is sent again after the
// timeout that was negotiated, by either side, and silence does not come before.
func TestNegotiatedTimeout(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, tc := range []struct {
		timeout time.Duration // 0: none is negotiated
		want    []time.Duration
		end     time.Duration
	}{
		{0, []time.Duration{1 * s, 3 * s, 7 * s, 15 * s, 23 * s}, 30 * s},
		{3 * s, []time.Duration{3 * s, 9 * s, 17 * s, 25 * s}, 30 * s},
		{s / 2, []time.Duration{s / 2, 3 * s / 2, 7 * s / 2, 15 * s / 2, 31 * s / 2, 47 * s / 2}, 30 * s},
		{30 * s, []time.Duration{30 * s, 60 * s}, 90 * s},
		{255 * s, []time.Duration{255 * s, 510 * s}, 765 * s},
	} {
		for what, run := range unanswered(tc.timeout) {
			if got, end := run(); !slices.Equal(got, tc.want) || end != tc.end {
				t.Errorf("timeout %v, %s: sent again at %v, given up after %v; want %v and %v", tc.timeout, what, got, end, tc.want, tc.end)
			}
		}
	}
}

// TestLongTimeout: one that a program sets without negotiating it leaves time for
// its packets too, unless that is set as well.
func TestLongTimeout(t *testing.T) {
	t.Parallel()
	if got := (&Server{Timeout: time.Minute}).pace().silence; got != 3*time.Minute {
		t.Errorf("server: silence %v", got)
	}
	if got := (&Client{Timeout: time.Minute}).pace().silence; got != 3*time.Minute {
		t.Errorf("client: silence %v", got)
	}
	if got := (&Client{Timeout: time.Minute, Silence: time.Second}).pace().silence; got != time.Second {
		t.Errorf("client with a silence of its own: %v", got)
	}
}
