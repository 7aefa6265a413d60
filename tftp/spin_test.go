package tftp

import (
	"testing"
	"time"
)

// TestSpinner: it settles on the way that is quicker, and lets be when nobody
// answers quickly.
func TestSpinner(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sleeping, spinning time.Duration // from wait to wait
		together           int           // packets for which one sleep is enough
		hiccup             int           // every so many waits something takes 10 ms; 0: never
		want               bool
	}{
		"spinning pays":            {30 * time.Microsecond, 12 * time.Microsecond, 1, 0, true},
		"it does on a busy system": {30 * time.Microsecond, 12 * time.Microsecond, 1, 50, true},
		"spinning costs":           {15 * time.Microsecond, 30 * time.Microsecond, 1, 0, false},
		"no difference":            {100 * time.Microsecond, 100 * time.Microsecond, 1, 0, false},
		"it splits what is many":   {60 * time.Microsecond, 12 * time.Microsecond, 10, 0, false},
		"slow peers":               {300 * time.Microsecond, 300 * time.Microsecond, 1, 0, false},
		"nobody is there":          {time.Second, time.Second, 1, 0, false},
	} {
		var s spinner
		now := instant(time.Second)
		spun, packets := 0, 1
		const waits = 100 * spinRound
		for i := range waits {
			if tc.hiccup > 0 && i%tc.hiccup == 0 {
				now += 10 * time.Millisecond
			}
			if s.wait(now, packets) {
				spun++
				now, packets = now+tc.spinning, 1
			} else {
				now, packets = now+tc.sleeping, tc.together
			}
		}
		if share := float64(spun) / waits; (share > 0.9) != tc.want || !tc.want && share > 0.1 {
			t.Errorf("%s: spun in %.0f %% of the waits", name, 100*share)
		}
	}
}
