package redisbroker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/burrownet/burrow/websocket"
	"github.com/redis/go-redis/v9"
)

// Broker is a websocket.Broker over Redis. Client must be set. The exported fields
// are not written after the first use. Each hub has a Broker of its own; they may
// share a client.
type Broker struct {
	// Client talks to the server, or the servers of a cluster.
	Client redis.UniversalClient
	// Channel is the name that the hubs meet at; "" means "burrow.hub".
	Channel string
	// QueueBytes is what may wait to be published. 0 means 16 MiB; negative, any
	// number.
	QueueBytes int
	// Logger gets the faults of the connection; nil means slog.Default().
	Logger *slog.Logger

	mu    sync.Mutex
	queue [][]byte // waits to be published
	bytes int      // of queue
	wake  chan struct{}
}

var _ websocket.Broker = (*Broker)(nil)

const (
	defaultQueue = 16 << 20
	maxBatch     = 256              // envelopes that are published with one round trip
	quiet        = 20 * time.Second // silence after which the server is asked whether it is there
	firstPause   = 20 * time.Millisecond
	lastPause    = time.Second
)

func (b *Broker) channel() string {
	if b.Channel == "" {
		return "burrow.hub"
	}
	return b.Channel
}

func (b *Broker) warn(op string, err error) {
	log := b.Logger
	if log == nil {
		log = slog.Default()
	}
	log.Warn("redisbroker: the server is away", "proto", "redis", "op", op, "err", err)
}

// awake is the channel that says that there is something to publish.
func (b *Broker) awake() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wake == nil {
		b.wake = make(chan struct{}, 1)
	}
	return b.wake
}

// Publish queues the envelope; the error is websocket.ErrBacklog when too much waits.
func (b *Broker) Publish(_ context.Context, e *websocket.Envelope) error {
	wake := b.awake()
	form := e.AppendTo(nil)
	limit := b.QueueBytes
	if limit == 0 {
		limit = defaultQueue
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit > 0 && b.bytes+len(form) > limit {
		return websocket.ErrBacklog
	}
	b.queue = append(b.queue, form)
	b.bytes += len(form)
	select {
	case wake <- struct{}{}:
	default:
	}
	return nil
}

// next returns what is to be published next, which stays in the queue.
func (b *Broker) next() [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.queue[:min(len(b.queue), maxBatch)]
}

// sent takes n envelopes out of the queue.
func (b *Broker) sent(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range n {
		b.bytes -= len(b.queue[i])
		b.queue[i] = nil
	}
	if b.queue = b.queue[n:]; len(b.queue) == 0 {
		b.queue = nil
	}
}

// publish publishes until ctx ends. What fails is tried again: if it had arrived,
// the hubs see from its number that it comes twice.
func (b *Broker) publish(ctx context.Context) {
	wake := b.awake()
	retry := pause{}
	for {
		batch := b.next()
		if len(batch) == 0 {
			select {
			case <-wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		pipe := b.Client.Pipeline()
		for _, form := range batch {
			pipe.Publish(ctx, b.channel(), form)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			if !retry.wait(ctx, func() { b.warn("publish", err) }) {
				return
			}
			continue
		}
		retry = pause{}
		b.sent(len(batch))
	}
}

// Subscribe implements websocket.Broker. It also publishes what Publish has queued.
func (b *Broker) Subscribe(ctx context.Context, receive func(e *websocket.Envelope)) error {
	ctx, cancel := context.WithCancel(ctx)
	var publishing sync.WaitGroup
	publishing.Go(func() { b.publish(ctx) })
	defer publishing.Wait()
	defer cancel()
	retry := pause{}
	for {
		err := b.subscription(ctx, receive, &retry)
		if !retry.wait(ctx, func() { b.warn("subscribe", err) }) {
			return ctx.Err()
		}
	}
}

// subscription receives until a connection is lost.
func (b *Broker) subscription(ctx context.Context, receive func(e *websocket.Envelope), retry *pause) error {
	sub := b.Client.Subscribe(ctx, b.channel())
	defer sub.Close()
	stop := context.AfterFunc(ctx, func() { sub.Close() }) // the client does not watch ctx
	defer stop()
	asked := false
	for {
		m, err := sub.ReceiveTimeout(ctx, quiet)
		if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() && !asked && ctx.Err() == nil {
			asked = true
			err = sub.Ping(ctx)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		asked, *retry = false, pause{}
		message, ok := m.(*redis.Message)
		if !ok {
			continue
		}
		if e, err := websocket.ParseEnvelope([]byte(message.Payload)); err == nil {
			receive(&e)
		}
	}
}

// pause is the time between two attempts.
type pause struct{ d time.Duration }

// wait waits, longer each time; first is called before the first time. It reports
// false when ctx has ended.
func (p *pause) wait(ctx context.Context, first func()) bool {
	if ctx.Err() != nil {
		return false
	}
	if p.d == 0 {
		first()
	}
	p.d = min(max(2*p.d, firstPause), lastPause)
	t := time.NewTimer(p.d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
