package websocket

import "sync"

// member is a connection in a hub: its queue, and what it is found by.
type member struct {
	h      *Hub
	c      *Conn
	id     string
	next   *member // of the same connection, in another hub; guarded by Conn.mu
	nextID *member // with the same id; guarded by Hub.mu
	topics []place // guarded by Hub.mu
	write  func()  // blocking style: writeBlocking

	mu            sync.Mutex // guards the rest; taken before the locks of the connection
	q             queue
	inFlight      int // blocking style: bytes of the queue that are being written
	sent, dropped uint64
	gone          bool // has left, nothing may be sent
	dirty         bool // is in the pump's list
	writing       bool // blocking style: writeBlocking runs
	held          bool // event style: the last offer found somebody writing
}

// verdict is what became of a message for one connection.
type verdict uint8

const (
	refused verdict = iota // it was dropped
	queued                 // it waits
	written                // it was handed to the connection
)

// send gives f to the connection or its queue. It takes over a reference.
func (m *member) send(f *frame) verdict {
	m.mu.Lock()
	v, out := m.sendLocked(f)
	m.mu.Unlock()
	if out {
		m.disconnect()
	}
	return v
}

// sendLocked reports also whether the connection must be closed.
func (m *member) sendLocked(f *frame) (v verdict, out bool) {
	if m.gone {
		f.release()
		return refused, false
	}
	if m.c.io == nil && m.h.Gather <= 0 {
		if m.q.len() > 0 {
			m.flush()
		}
		if m.q.len() == 0 {
			switch m.offer(f.b, f.compressed) {
			case offerTaken:
				f.release()
				m.sent++
				return written, false
			case offerOver:
				f.release()
				m.drop(1)
				return refused, false
			}
		}
	}
	v, out = m.enqueue(f)
	if m.q.len() == 0 {
		return v, out
	}
	if m.c.io != nil && m.h.Gather <= 0 {
		m.startWriting()
	} else if !m.dirty {
		m.dirty = true
		m.h.mark(m)
	}
	return v, out
}

// offer is Conn.offer.
func (m *member) offer(b []byte, compressed bool) offered {
	took := m.c.offer(b, compressed)
	m.held = took == offerHeld
	return took
}

// drop counts n messages that were dropped.
func (m *member) drop(n int) {
	m.dropped += uint64(n)
	m.h.count.dropped.Add(uint64(n))
}

// enqueue has f wait, as the policy allows.
func (m *member) enqueue(f *frame) (v verdict, out bool) {
	v = queued
	if m.h.Slow == LatestOnly && m.q.replace(f) {
		m.drop(1)
	} else {
		m.q.push(f)
	}
	if m.h.Gather > 0 && m.c.ev != nil && m.excess() > 0 {
		m.flush() // a window with much in it is no slow reader
	}
	for m.excess() > 0 {
		if m.h.Slow == Disconnect {
			m.gone = true
			m.drop(m.q.clear())
			return refused, true
		}
		if m.q.len() == 1 {
			v = refused // f itself
		}
		m.q.pop().release()
		m.drop(1)
	}
	return v, false
}

// excess is how many bytes of the queue must not wait.
func (m *member) excess() int {
	limit := orDefault(m.h.BudgetBytes, defaultBudget)
	if limit == 0 || m.q.len() == 0 {
		return 0
	}
	unsent := m.inFlight
	if m.c.ev != nil {
		unsent += m.c.ev.Backlog()
	}
	if unsent == 0 && m.q.len() == 1 {
		return 0 // alone it may be as large as it likes
	}
	if m.held {
		limit *= 2 // who has the processor taken away while writing is no slow reader
	}
	return m.q.bytes + unsent - limit
}

// disconnect closes the connection, for reading too slowly.
func (m *member) disconnect() {
	m.h.count.disconnected.Add(1)
	m.c.left(m)
	m.h.remove(m)
	status := m.h.SlowStatus
	if !status.OnWire() {
		status = StatusPolicyViolation
	}
	go m.c.Close(status, "too slow") // waits for the peer, but not for long
}

// discard is for a member that has left.
func (m *member) discard() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = true
	m.drop(m.q.clear())
}

// batch is what is written at once at most of what waits, in bytes, unless a single
// message is larger.
const batch = 32 << 10

// flush writes what waits, as much as the connection takes: event style. m.mu is held.
func (m *member) flush() {
	for m.q.len() > 0 && !m.gone {
		buf := frameBufs.Get().(*frameBuf)
		b, n, compressed := m.q.peek(buf)
		took := m.offer(b, compressed)
		buf.free()
		switch took {
		case offerBusy, offerHeld:
			return
		case offerOver:
			m.drop(m.q.clear())
			return
		}
		for range n {
			m.q.pop().release()
		}
		m.sent += uint64(n)
		m.h.count.sent.Add(uint64(n))
	}
}

// startWriting sees to it that what waits is written: blocking style. m.mu is held.
func (m *member) startWriting() {
	if !m.writing {
		m.writing = true
		go m.write()
	}
}

// writeBlocking writes until nothing waits. Only one runs for a member.
func (m *member) writeBlocking() {
	buf := frameBufs.Get().(*frameBuf)
	defer buf.free()
	for {
		m.mu.Lock()
		if m.q.len() == 0 || m.gone {
			m.writing = false
			m.mu.Unlock()
			return
		}
		buf.b = buf.b[:0]
		b, n, compressed := m.q.peek(buf)
		first := m.q.pop() // b may be its memory
		m.inFlight = len(b) + n*entryCost
		for range n - 1 {
			m.q.pop().release()
		}
		m.mu.Unlock()
		err := m.c.writeShared(b, compressed)
		first.release()
		m.mu.Lock()
		m.inFlight = 0
		if err == nil {
			m.sent += uint64(n)
			m.h.count.sent.Add(uint64(n))
		} else {
			m.drop(n)
		}
		m.mu.Unlock()
	}
}
