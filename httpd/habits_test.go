package httpd

import (
	"fmt"
	"testing"
	"time"
)

func TestHabits(t *testing.T) {
	t.Parallel()
	var h habits
	at := placeOf([]byte("/reports/slow"))
	if h.blocks(at) {
		t.Fatal("an unknown path is taken to block")
	}
	h.overstayed(at)
	if !h.blocks(at) {
		t.Fatal("a path that overstayed runs on the loop")
	}
	for range proof {
		h.ran(at, time.Microsecond)
	}
	h.ran(at, 2*quickRun)
	if !h.blocks(at) {
		t.Fatal("a path that was slow again runs on the loop")
	}
	// Many are on their way when trust comes back: they must not take it away.
	for range 10 * proof {
		h.ran(at, time.Microsecond)
	}
	if h.blocks(at) {
		t.Fatal("a path that has proved quick does not run on the loop")
	}
}

// unknown is the place of a path in /user/ whose cell nobody has used.
func unknown(h *habits) place {
	for i := 0; ; i++ {
		if at := placeOf(fmt.Appendf(nil, "/user/new%d", i)); h.path(at).Load() == unknownHabit {
			return at
		}
	}
}

func TestHabitsOfAFolder(t *testing.T) {
	t.Parallel()
	var h habits
	for range suspicious {
		if h.blocks(unknown(&h)) {
			t.Fatal("fewer than the suspicious number make a folder suspect")
		}
		h.overstayed(unknown(&h))
	}
	if !h.blocks(unknown(&h)) {
		t.Fatal("an unknown path of a folder of blocking ones runs on the loop")
	}
	h.ran(unknown(&h), time.Microsecond)
	if h.blocks(unknown(&h)) {
		t.Error("a folder is suspect for ever, though its paths are quick")
	}
	h.overstayed(unknown(&h))
	if !h.blocks(unknown(&h)) {
		t.Error("a folder that blocks again is not suspect")
	}
}
