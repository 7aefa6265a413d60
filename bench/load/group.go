package main

import (
	"sync"
	"time"

	"github.com/burrownet/burrow/bench/internal/report"
)

// group is a set of connections that send the same request and are counted
// together. mu guards everything in it and in its clients.
type group struct {
	request []byte // the bytes of depth requests; immutable
	depth   int    // requests in one write; immutable
	paced   bool   // client.due decides when to send, not the last answer; immutable

	mu       sync.Mutex
	shape    shape
	latency  histogram
	requests int64
	errors   int64
	first    error
	stopped  bool
}

func newGroup(req []byte, depth int) *group {
	g := &group{depth: depth}
	for range depth {
		g.request = append(g.request, req...)
	}
	return g
}

// reset begins the measured window: what was counted so far is forgotten,
// errors excepted.
func (g *group) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.latency, g.requests = histogram{}, 0
}

// stop ends the window: nothing is sent or counted from here on.
func (g *group) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
}

// failLocked counts an error. mu is held.
func (g *group) failLocked(err error) {
	if g.stopped {
		return
	}
	g.errors++
	if g.first == nil {
		g.first = err
	}
}

// countLocked counts n answers to requests sent at the moment sent. mu is held.
func (g *group) countLocked(n int, now, sent time.Duration) {
	if g.stopped {
		return
	}
	g.requests += int64(n)
	g.latency.add(now-sent, n)
}

// addTo writes the outcome into r.
func (g *group) addTo(r *report.Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r.Errors += g.errors
	if g.first != nil && r.FirstError == "" {
		r.FirstError = g.first.Error()
	}
}
