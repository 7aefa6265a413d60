package websocket

import (
	"context"
	"slices"
	"sync"
)

// MemoryBroker is a Broker for the hubs of one process. The zero value is ready.
type MemoryBroker struct {
	// Queue is the number of envelopes that wait for a hub at most; what is more is
	// lost to it. 0 means 1024.
	Queue int

	mu   sync.Mutex
	hubs []chan *Envelope
}

var _ Broker = (*MemoryBroker)(nil)

// Publish gives a copy of the envelope to all that have subscribed. What one of them
// has no room for is lost to it, and to it alone.
func (b *MemoryBroker) Publish(_ context.Context, e *Envelope) error {
	c := *e
	c.Data = slices.Clone(e.Data)
	c.IDs = slices.Clone(e.IDs)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ch := range b.hubs {
		select {
		case ch <- &c:
		default: // the hub sees that a number is missing
		}
	}
	return nil
}

// Subscribe implements Broker.
func (b *MemoryBroker) Subscribe(ctx context.Context, receive func(e *Envelope)) error {
	n := b.Queue
	if n <= 0 {
		n = 1024
	}
	ch := make(chan *Envelope, n)
	b.mu.Lock()
	b.hubs = append(b.hubs, ch)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		i := slices.Index(b.hubs, ch)
		b.hubs = slices.Delete(b.hubs, i, i+1)
	}()
	for {
		select {
		case e := <-ch:
			receive(e)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
