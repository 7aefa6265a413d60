package websocket

import "sync"

// topic is one topic of a hub, and who has subscribed. It is in Hub.topics while
// somebody has.
type topic struct {
	name string
	// publish is held while a message goes out: so all subscribers get the messages
	// in one order. Who joins or leaves does not wait for it.
	publish sync.Mutex

	mu   sync.Mutex // guards the rest; never held while something is sent
	subs []subscription
	free []int32 // the places in subs that are empty
	turn uint64  // messages so far
}

// subscription is a place in topic.subs; without a member it is empty.
type subscription struct {
	m    *member
	from uint64 // the turn that it was made in: it gets later messages
}

// place is where a subscription of a member is.
type place struct {
	t  *topic
	at int32
}

// Subscribe has a connection get the messages of a topic, which may be any text,
// from those whose Publish is called afterwards. It joins the hub if it has not. To
// subscribe twice is to subscribe. The error is ErrTooManyTopics, or a
// net.ErrClosed when the connection has ended.
func (h *Hub) Subscribe(c *Conn, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.members[c]
	if m == nil {
		var err error
		if m, err = h.joinLocked(c, ""); err != nil {
			return err
		}
	}
	for _, p := range m.topics {
		if p.t.name == name {
			return nil
		}
	}
	if limit := orDefault(h.MaxTopics, defaultMaxTopics); limit > 0 && len(m.topics) >= limit {
		return ErrTooManyTopics
	}
	t := h.topics[name]
	if t == nil {
		t = &topic{name: name}
		h.topics[name] = t
	}
	m.topics = append(m.topics, place{t, t.add(m)})
	return nil
}

// Unsubscribe takes Subscribe back; it reports whether there was something to take
// back. Messages that wait for the connection are still sent.
func (h *Hub) Unsubscribe(c *Conn, name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.members[c]
	if m == nil {
		return false
	}
	for i, p := range m.topics {
		if p.t.name == name {
			last := len(m.topics) - 1
			m.topics[i], m.topics[last] = m.topics[last], place{}
			m.topics = m.topics[:last]
			h.unlink(p)
			return true
		}
	}
	return false
}

// Subscribers is the number of connections here that have subscribed to a topic.
func (h *Hub) Subscribers(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.subs) - len(t.free)
}

// unlink takes a subscription out of its topic, and the topic out of the hub with
// its last one. h.mu is held.
func (h *Hub) unlink(p place) {
	if p.t.drop(p.at) {
		delete(h.topics, p.t.name)
	}
}

func (t *topic) add(m *member) int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := subscription{m, t.turn}
	if n := len(t.free); n > 0 {
		at := t.free[n-1]
		t.free = t.free[:n-1]
		t.subs[at] = s
		return at
	}
	t.subs = append(t.subs, s)
	return int32(len(t.subs) - 1)
}

// drop empties a place, and reports whether all are empty now.
func (t *topic) drop(at int32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs[at] = subscription{}
	t.free = append(t.free, at)
	return len(t.free) == len(t.subs)
}

// windowLen is how many subscribers are looked up at a time, with the lock of the
// topic: what a join waits for at most.
const windowLen = 128

// begin starts a message, and returns its turn.
func (t *topic) begin() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn++
	return t.turn
}

// members copies to dst those subscribers from the place at on that get the message
// of a turn. It returns how many, and the place to go on from; -1 at the end.
func (t *topic) members(dst *[windowLen]*member, at int, turn uint64) (n, next int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ; at < len(t.subs); at++ {
		if n == len(dst) {
			return n, at
		}
		if s := t.subs[at]; s.m != nil && s.from < turn {
			dst[n] = s.m
			n++
		}
	}
	return n, -1
}
