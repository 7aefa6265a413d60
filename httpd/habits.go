package httpd

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
	"time"
)

// habits remembers which paths have handlers that block, so that these run on
// goroutines from the start. Until the first handler has overstayed it costs two
// hashes per request.
//
// Paths share cells by hash; a stranger in a blocking cell costs a goroutine per
// request and nothing else. Paths that differ each time (/user/1, /user/2) are
// known by their folder: when several of a folder have overstayed, those that are
// not known yet are taken to block too, until enough of them have been quick.
type habits struct {
	any     atomic.Bool // a handler has overstayed
	paths   [cells]atomic.Uint32
	folders [cells / 4]atomic.Uint32
}

const (
	cells = 1024
	// The states of a path's cell: unknown, quick, or blocks plus how many runs
	// in a row were quick.
	unknownHabit = 0
	quickHabit   = 1
	blocksHabit  = 2
	// proof is how many quick runs in a row it takes to be trusted again, at the
	// next one.
	proof = 16
	// suspicious is how many paths of a folder must have overstayed; proof quick
	// runs of paths that were not known take back one of them.
	suspicious = 3
	// quickRun is what a quick handler takes at most: the patience of a loop.
	quickRun = time.Millisecond
)

var seed = maphash.MakeSeed()

// place is where the habits of a path, and of its folder, are kept.
type place uint32

func placeOf(path []byte) place {
	i := bytes.LastIndexByte(path, '/') + 1
	f := uint32(maphash.Bytes(seed, path[:i]))
	p := f
	if i < len(path) {
		p = f*31 + uint32(maphash.Bytes(seed, path[i:]))
	}
	return place(p%cells<<16 | f%(cells/4))
}

func (h *habits) path(at place) *atomic.Uint32   { return &h.paths[at>>16] }
func (h *habits) folder(at place) *atomic.Uint32 { return &h.folders[at&0xffff] }

// blocks reports whether the handler of a path is to run on a goroutine.
func (h *habits) blocks(at place) bool {
	if !h.any.Load() {
		return false
	}
	switch h.path(at).Load() {
	case quickHabit:
		return false
	case unknownHabit:
		return h.folder(at).Load() >= suspicious*proof
	}
	return true
}

// overstayed notes that a handler has lost its loop.
func (h *habits) overstayed(at place) {
	h.any.Store(true)
	if h.path(at).Swap(blocksHabit) < blocksHabit {
		h.suspect(at, proof)
	}
}

// suspect adds to the suspicion against a folder, within 0 and twice what it takes.
func (h *habits) suspect(at place, by int) {
	for f := h.folder(at); ; {
		v := f.Load()
		if f.CompareAndSwap(v, uint32(min(max(int(v)+by, 0), 2*suspicious*proof))) {
			return
		}
	}
}

// ran notes how long a handler took on a goroutine.
func (h *habits) ran(at place, took time.Duration) {
	c := h.path(at)
	v := c.Load()
	switch {
	case took > quickRun:
		c.Store(blocksHabit)
	case v == quickHabit: // others that were on their way have proved it already
	case v == unknownHabit:
		c.Store(blocksHabit + 1)
		h.suspect(at, -1)
	case v-blocksHabit >= proof:
		c.Store(quickHabit)
	default:
		c.Store(v + 1)
	}
}
