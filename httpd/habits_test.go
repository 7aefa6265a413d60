package httpd

import (
	"testing"
	"time"
)

func TestHabits(t *testing.T) {
	t.Parallel()
	var h habits
	path := []byte("/reports/slow")
	k, f := cell(path), folder(path)
	if h.blocks(path, k) {
		t.Fatal("an unknown path is taken to block")
	}
	h.overstayed(k, f)
	if !h.blocks(path, k) {
		t.Fatal("a path that overstayed runs on the loop")
	}
	for range proof {
		h.ran(k, time.Microsecond)
	}
	h.ran(k, 2*quickRun)
	if !h.blocks(path, k) {
		t.Fatal("a path that was slow again runs on the loop")
	}
	// Many are on their way when trust comes back: they must not take it away.
	for range 10 * proof {
		h.ran(k, time.Microsecond)
	}
	if h.blocks(path, k) {
		t.Fatal("a path that has proved quick does not run on the loop")
	}
}

func TestHabitsOfAFolder(t *testing.T) {
	t.Parallel()
	var h habits
	for _, p := range []string{"/user/1", "/user/2", "/user/3"} {
		h.overstayed(cell([]byte(p)), folder([]byte(p)))
	}
	fresh := []byte("/user/4")
	if h.paths[cell(fresh)].Load() != unknownHabit {
		return // the seed of this run puts /user/4 into the cell of another
	}
	if !h.blocks(fresh, cell(fresh)) {
		t.Error("an unknown path of a folder of blocking ones runs on the loop")
	}
}
