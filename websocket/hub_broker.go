package websocket

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
)

// outbound numbers what a hub publishes.
type outbound struct {
	mu   sync.Mutex // held while an envelope is given to the Broker: their order is that of the numbers
	node uint64     // 0: not drawn yet
	e    Envelope   // for the next call
}

// inbound is what a hub knows of the others.
type inbound struct {
	running atomic.Bool // Run does
	mu      sync.Mutex  // guards the rest
	nodes   map[uint64]*origin
	clock   uint64 // envelopes so far
}

// origin is another hub.
type origin struct {
	last uint64 // the number of its last envelope
	used uint64 // when that came, on inbound's clock
}

// maxOrigins bounds the hubs that are remembered: with each restart of a process
// comes a new one. The one that was silent for longest is forgotten.
const maxOrigins = 4096

// self is the number of this hub, drawn at random; out.mu is held.
func (o *outbound) self() uint64 {
	for o.node == 0 {
		var b [8]byte
		rand.Read(b[:]) // never fails
		o.node = binary.BigEndian.Uint64(b[:])
	}
	return o.node
}

// Run gets what other hubs publish, from the Broker, until ctx ends, and then
// returns nil. Without it, and without a Broker, only what this hub publishes
// reaches its connections. What a Broker loses is counted in HubStats.Lost, and
// logged. Only one Run may run at a time.
func (h *Hub) Run(ctx context.Context) error {
	if h.in.running.Swap(true) {
		return errRunning
	}
	defer h.in.running.Store(false)
	if h.Broker == nil {
		<-ctx.Done()
		return nil
	}
	err := h.Broker.Subscribe(ctx, h.receive)
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
		return nil
	}
	if err == nil {
		err = errSubscription
	}
	return fmt.Errorf("websocket: hub: the broker: %w", err)
}

var (
	errSubscription = errors.New("the subscription has ended")
	errRunning      = errors.New("websocket: hub: it runs already")
)

// forward gives a message to a Broker; nil: to none.
func (h *Hub) forward(ctx context.Context, b Broker, p *Publication) error {
	if b == nil {
		return nil
	}
	o := &h.out
	o.mu.Lock()
	defer o.mu.Unlock()
	// A number that the Broker refuses is not used again: others see that it is missing.
	o.e = Envelope{Node: o.self(), Seq: o.e.Seq + 1, Publication: *p}
	err := b.Publish(ctx, &o.e)
	o.e.Publication = Publication{}
	if err != nil {
		return fmt.Errorf("websocket: publish: the broker: %w", err)
	}
	return nil
}

// receive is for what comes from the Broker.
func (h *Hub) receive(e *Envelope) {
	h.out.mu.Lock()
	own := e.Node == h.out.self()
	h.out.mu.Unlock()
	if own || e.check() != nil || !h.fresh(e.Node, e.Seq) {
		return
	}
	h.count.received.Add(1)
	out := h.outgoing(e.Publication)
	defer out.free()
	out.deliver(context.Background(), nil)
}

// fresh notes an envelope, and reports whether it is a new one.
func (h *Hub) fresh(node, seq uint64) bool {
	in := &h.in
	in.mu.Lock()
	defer in.mu.Unlock()
	in.clock++
	o := in.nodes[node]
	if o == nil {
		// What came before is not known to be lost: this hub may have begun later.
		in.add(node, &origin{last: seq, used: in.clock})
		return true
	}
	o.used = in.clock
	switch {
	case seq <= o.last:
		h.count.duplicate.Add(1)
		return false
	case seq > o.last+1:
		lost := seq - o.last - 1
		h.count.lost.Add(lost)
		h.logger().Warn("websocket: messages of another hub were lost", "proto", "websocket", "op", "broker", "lost", lost)
	}
	o.last = seq
	return true
}

func (in *inbound) add(node uint64, o *origin) {
	if in.nodes == nil {
		in.nodes = map[uint64]*origin{}
	}
	if len(in.nodes) >= maxOrigins {
		oldest := node
		age := in.clock
		for id, o := range in.nodes {
			if o.used < age {
				oldest, age = id, o.used
			}
		}
		delete(in.nodes, oldest)
	}
	in.nodes[node] = o
}

func (h *Hub) logger() *slog.Logger {
	if h.Logger == nil {
		return slog.Default()
	}
	return h.Logger
}
