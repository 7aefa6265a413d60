package engine

import (
	"runtime/debug"
	"time"
)

// A burst of connections leaves the heap at up to twice what their parked rest
// needs, and the runtime keeps it: it grows back to the same goal. For an engine
// whose many connections are quiet that is most of the process's memory. So once
// after a burst, when there is next to no traffic, the memory is given back.

const (
	// trimBurst is how many new connections make a burst.
	trimBurst = 512
	// quietCalls is how many calls within TrimAfter still are no traffic.
	quietCalls = 200
)

func (e *Engine) trimAfter() time.Duration {
	if e.TrimAfter == 0 {
		return 3 * time.Second
	}
	return e.TrimAfter
}

// born counts a new connection.
func (e *Engine) born() {
	if e.births.Add(1)%trimBurst != 0 || e.trimAfter() < 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.trimmer == nil && e.users > 0 {
		e.trimmed = e.callsLocked()
		e.trimmer = time.AfterFunc(e.trimAfter(), e.trim)
	}
}

// callsLocked is how many calls there have been. e.mu is held.
func (e *Engine) callsLocked() (n uint64) {
	if all := e.all.Load(); all != nil {
		for _, l := range *all {
			n += l.call.Load() >> 1
		}
	}
	return n
}

// trim gives memory back, or waits for another while if there is traffic.
func (e *Engine) trim() {
	e.mu.Lock()
	if e.users == 0 || e.trimmer == nil {
		e.mu.Unlock()
		return
	}
	calls := e.callsLocked()
	quiet := calls-e.trimmed < quietCalls
	e.trimmed = calls
	if !quiet {
		e.trimmer.Reset(e.trimAfter())
		e.mu.Unlock()
		return
	}
	e.trimmer = nil
	e.running.Add(1) // the last user waits for it
	e.mu.Unlock()
	defer e.running.Done()
	debug.FreeOSMemory()
}
