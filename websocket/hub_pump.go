package websocket

import (
	"sync"
	"time"
)

// pump goes on for connections for which something waits: those that were slow, and
// all of them with a gathering window. A timer runs it, while there are any: no event
// tells that another writer is done, and an engine's tells of the end of a backlog only.
type pump struct {
	mu      sync.Mutex // guards the rest; taken last
	timer   *time.Timer
	every   time.Duration // until the timer fires
	armed   bool          // the timer runs
	running bool
	dirty   []*member // with something to send
	work    []*member // owned by who set running
}

// How often the pump looks: less and less while no connection makes progress.
const (
	pumpSoon = 2 * time.Millisecond
	pumpLate = 50 * time.Millisecond
)

// soonest is the time until a message that has to wait is looked at.
func (h *Hub) soonest() time.Duration {
	if h.Gather > 0 {
		return h.Gather
	}
	return pumpSoon
}

// mark has the pump look at m, whose lock is held.
func (h *Hub) mark(m *member) {
	p := &h.pump
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dirty = append(p.dirty, m)
	if soon := h.soonest(); !p.running && (!p.armed || p.every > soon) {
		h.armPump(soon)
	}
}

// armPump starts the timer; pump.mu is held.
func (h *Hub) armPump(d time.Duration) {
	p := &h.pump
	p.armed, p.every = true, d
	if p.timer == nil {
		p.timer = time.AfterFunc(d, h.runPump)
		return
	}
	p.timer.Reset(d)
}

// runPump is what the timer calls.
func (h *Hub) runPump() {
	p := &h.pump
	p.mu.Lock()
	if p.running {
		p.mu.Unlock()
		return
	}
	p.running, p.armed = true, false
	p.work, p.dirty = p.dirty, p.work[:0]
	p.mu.Unlock()
	progress := false
	behind := p.work[:0]
	for _, m := range p.work {
		moved, rest := m.pumped()
		progress = progress || moved
		if rest {
			behind = append(behind, m)
		}
	}
	clear(p.work[len(behind):])
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := len(p.dirty) > 0
	p.dirty = append(p.dirty, behind...)
	clear(behind)
	p.running = false
	switch {
	case len(p.dirty) == 0:
	case fresh:
		h.armPump(h.soonest())
	case progress:
		h.armPump(pumpSoon)
	default:
		h.armPump(min(max(2*p.every, pumpSoon), pumpLate))
	}
}

// pumped writes what waits. moved reports whether something left, and rest whether
// something still waits that has to be looked at again.
func (m *member) pumped() (moved, rest bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.c.io != nil {
		m.dirty = false
		if m.q.len() > 0 && !m.gone {
			m.startWriting()
		}
		return false, false
	}
	before := m.q.len()
	m.flush()
	m.dirty = m.q.len() > 0
	return m.q.len() < before, m.dirty
}
