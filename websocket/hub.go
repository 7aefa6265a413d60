package websocket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Hub sends messages to many connections: to those that have subscribed to a topic,
// or to those with certain ids.
//
//	Publish -> frame, encoded once -> connection ready: written at once
//	        -> Broker, other hubs  \-> connection slow:  its queue, at most BudgetBytes
//
// A message is encoded once, and compressed once for each set of options that the
// connections have agreed upon; connections that are behind share its memory. No
// call waits for a peer. What a peer does not read in time is up to Slow.
//
// A connection gets the messages of a topic in the order in which Publish was
// called; those of several concurrent calls in the same order as all other
// connections of this hub. No order is promised between these messages and the
// connection's own writes.
//
// The zero value is ready. The exported fields are not written after the first use.
// All methods may be called concurrently, also within a Handler's callbacks. A Hub
// need not be closed: connections leave it when they end.
type Hub struct {
	// BudgetBytes is what may wait for one connection: with what the socket below
	// has not taken yet, and 64 bytes for each message. 0 means 256 KiB; negative,
	// any number. A message that is written to a connection for which nothing waits
	// may be larger; and while another write to the connection is in progress, twice
	// as much may wait.
	BudgetBytes int
	// Slow says what happens to a connection that has used up its budget. The zero
	// value is DropOldest.
	Slow SlowPolicy
	// SlowStatus is the status that Disconnect closes with: 0 means
	// StatusPolicyViolation (1008); StatusTryAgainLater (1013) invites the peer to
	// come back.
	SlowStatus StatusCode
	// Gather has messages wait so long for others, to leave with them in one write.
	// 0 means that they leave at once. What waits for that counts against BudgetBytes.
	Gather time.Duration
	// MaxTopics is the number of topics that a connection may subscribe to. 0 means
	// 1024; negative, any number.
	MaxTopics int
	// Broker puts this hub together with others; nil: it is alone. It works while Run
	// does.
	Broker Broker
	// Logger gets what goes wrong with the Broker; nil means slog.Default().
	Logger *slog.Logger

	mu      sync.Mutex // guards the maps, and the topics of members
	members map[*Conn]*member
	topics  map[string]*topic
	ids     map[string]*member // the first of those with an id
	pump    pump
	out     outbound
	in      inbound
	count   counters
}

// SlowPolicy says what happens to a connection whose peer reads too slowly.
type SlowPolicy uint8

// The policies of a Hub.
const (
	// DropOldest drops the messages that have waited longest.
	DropOldest SlowPolicy = iota
	// LatestOnly has a message take the place of one with the same key that still
	// waits, at once: a peer that is behind gets the latest state of each key. Beyond
	// the budget it is DropOldest.
	LatestOnly
	// Disconnect closes the connection with SlowStatus, and drops what waits.
	Disconnect
)

// String returns the name of the policy.
func (p SlowPolicy) String() string {
	switch p {
	case DropOldest:
		return "drop-oldest"
	case LatestOnly:
		return "latest-only"
	case Disconnect:
		return "disconnect"
	}
	return "unknown"
}

// The defaults of a Hub.
const (
	defaultBudget    = 256 << 10
	defaultMaxTopics = 1024
)

// ErrTooManyTopics says that a connection has subscribed to MaxTopics.
var ErrTooManyTopics = errors.New("websocket: subscribe: too many topics")

// ErrJoined says that the connection has joined the hub already.
var ErrJoined = errors.New("websocket: join: the connection has joined already")

// counters are those of HubStats.
type counters struct {
	published, sent, dropped, disconnected atomic.Uint64
	encoded, received, duplicate, lost     atomic.Uint64
}

// HubStats is what a Hub has done.
type HubStats struct {
	Connections, Topics int // now

	Published    uint64 // calls of Publish and the like
	Encoded      uint64 // frames that were made for them, as they are or compressed
	Sent         uint64 // messages that were handed to a connection
	Dropped      uint64 // messages that were not, because the peer read too slowly or the connection ended
	Disconnected uint64 // connections that were closed for reading too slowly

	Received  uint64 // messages of other hubs
	Duplicate uint64 // those that came twice, and were thrown away
	Lost      uint64 // those that were published and never came
}

// Stats returns the counts.
func (h *Hub) Stats() HubStats {
	h.mu.Lock()
	s := HubStats{Connections: len(h.members), Topics: len(h.topics)}
	h.mu.Unlock()
	s.Published, s.Sent, s.Dropped = h.count.published.Load(), h.count.sent.Load(), h.count.dropped.Load()
	s.Encoded = h.count.encoded.Load()
	s.Disconnected, s.Received = h.count.disconnected.Load(), h.count.received.Load()
	s.Duplicate, s.Lost = h.count.duplicate.Load(), h.count.lost.Load()
	return s
}

// ConnStats is what a Hub has done for one connection.
type ConnStats struct {
	Sent, Dropped uint64 // messages
	Queued        int    // messages that wait
	QueuedBytes   int    // what they take of the budget
}

// ConnStats returns the counts of a connection; false when it is not in the hub.
func (h *Hub) ConnStats(c *Conn) (s ConnStats, ok bool) {
	m := h.member(c)
	if m == nil {
		return s, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return ConnStats{m.sent, m.dropped, m.q.len(), m.q.bytes + m.inFlight}, true
}

// Len is the number of connections.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.members)
}

// Join adds a connection, which PublishTo then finds by its id: any text, which
// several connections may share; "" for none. It leaves when it ends, or by Leave.
// The error is ErrJoined, or a net.ErrClosed when it has ended. It may be called
// from Handler.Open.
func (h *Hub) Join(c *Conn, id string) error {
	h.mu.Lock()
	if h.members[c] != nil {
		h.mu.Unlock()
		return ErrJoined
	}
	_, err := h.joinLocked(c, id)
	h.mu.Unlock()
	return err
}

// joinLocked is Join with h.mu held.
func (h *Hub) joinLocked(c *Conn, id string) (*member, error) {
	m := &member{h: h, c: c, id: id}
	if c.io != nil {
		m.write = m.writeBlocking
	}
	if !c.joined(m) {
		return nil, fmt.Errorf("websocket: join: the connection has ended: %w", net.ErrClosed)
	}
	if h.members == nil {
		h.members, h.topics, h.ids = map[*Conn]*member{}, map[string]*topic{}, map[string]*member{}
	}
	h.members[c] = m
	if id != "" {
		m.nextID = h.ids[id]
		h.ids[id] = m
	}
	return m, nil
}

// Leave takes a connection out of the hub and of all topics, and drops what waits
// for it. It reports whether the connection was in the hub.
func (h *Hub) Leave(c *Conn) bool {
	m := h.member(c)
	if m == nil {
		return false
	}
	c.left(m)
	return h.remove(m)
}

func (h *Hub) member(c *Conn) *member {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.members[c]
}

// remove undoes Join.
func (h *Hub) remove(m *member) bool {
	h.mu.Lock()
	if h.members[m.c] != m {
		h.mu.Unlock()
		return false
	}
	delete(h.members, m.c)
	for _, s := range m.topics {
		h.unlink(s)
	}
	m.topics = nil
	h.forgetID(m)
	h.mu.Unlock()
	m.discard()
	return true
}

// forgetID takes m out of those with its id; h.mu is held.
func (h *Hub) forgetID(m *member) {
	first := h.ids[m.id]
	switch {
	case m.id == "":
	case first == m && m.nextID == nil:
		delete(h.ids, m.id)
	case first == m:
		h.ids[m.id] = m.nextID
	default:
		for p := first; p != nil; p = p.nextID {
			if p.nextID == m {
				p.nextID = m.nextID
				return
			}
		}
	}
}

// joined notes that c is in a hub; false when it has ended.
func (c *Conn) joined(m *member) bool {
	x := c.extra()
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.cause != nil {
		return false
	}
	m.next = x.member
	x.member = m
	return true
}

// left undoes joined.
func (c *Conn) left(m *member) {
	x := c.extra()
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := &x.member; *at != nil; at = &(*at).next {
		if *at == m {
			*at = m.next
			return
		}
	}
}

// leaveHubs is for a connection that has ended.
func (c *Conn) leaveHubs(m *member) {
	for m != nil {
		next := m.next
		m.h.remove(m)
		m = next
	}
}

// Publish sends a message to all connections that have subscribed to a topic, here
// and at the hubs of the Broker. n is the number of connections here that it was
// written to or waits for. data is the caller's again when Publish returns. Text
// must be UTF-8, which is not looked at. An error is that of the Broker, for which
// ctx is, or says that t is no type: connections here are served nevertheless in
// the first case.
func (h *Hub) Publish(ctx context.Context, topic string, t MessageType, data []byte) (n int, err error) {
	return h.Send(ctx, Publication{Topic: topic, Type: t, Data: data})
}

// PublishTo is Publish to all connections with one of the ids.
func (h *Hub) PublishTo(ctx context.Context, ids []string, t MessageType, data []byte) (n int, err error) {
	if ids == nil {
		ids = []string{} // nobody, and not a topic
	}
	return h.Send(ctx, Publication{IDs: ids, Type: t, Data: data})
}
