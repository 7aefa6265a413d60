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
// not known yet are taken to block too.
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
	// suspicious is how many paths of a folder must have overstayed.
	suspicious = 3
	// quickRun is what a quick handler takes at most: the patience of a loop.
	quickRun = time.Millisecond
)

var seed = maphash.MakeSeed()

// cell is where a path's habit is kept.
func cell(path []byte) uint32 { return uint32(maphash.Bytes(seed, path)) % cells }

func folder(path []byte) uint32 {
	return cell(path[:bytes.LastIndexByte(path, '/')+1]) % (cells / 4)
}

// blocks reports whether the handler of a path is to run on a goroutine.
func (h *habits) blocks(path []byte, cell uint32) bool {
	if !h.any.Load() {
		return false
	}
	switch h.paths[cell].Load() {
	case quickHabit:
		return false
	case unknownHabit:
		return h.folders[folder(path)].Load() >= suspicious
	}
	return true
}

// overstayed notes that a handler has lost its loop.
func (h *habits) overstayed(cell, folder uint32) {
	h.any.Store(true)
	if h.paths[cell].Swap(blocksHabit) < blocksHabit {
		h.folders[folder].Add(1)
	}
}

// ran notes how long a handler took on a goroutine.
func (h *habits) ran(cell uint32, took time.Duration) {
	c := &h.paths[cell]
	v := c.Load()
	switch {
	case took > quickRun:
		c.Store(blocksHabit)
	case v == quickHabit: // others that were on their way have proved it already
	case v == unknownHabit:
		c.Store(blocksHabit + 1)
	case v-blocksHabit >= proof:
		c.Store(quickHabit)
	default:
		c.Store(v + 1)
	}
}
