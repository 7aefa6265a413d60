package redisbroker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/burrownet/burrow/websocket"
	"github.com/burrownet/burrow/websocket/internal/outbox"
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

	queue outbox.Queue
}

var _ websocket.Broker = (*Broker)(nil)

const (
	defaultQueue = 16 << 20
	quiet        = 20 * time.Second // silence after which the server is asked whether it is there
	attempt      = 3 * time.Second  // what one attempt to publish may take, where the client obeys contexts
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

// Publish queues the envelope; the error is websocket.ErrBacklog when too much waits.
func (b *Broker) Publish(_ context.Context, e *websocket.Envelope) error {
	limit := b.QueueBytes
	if limit == 0 {
		limit = defaultQueue
	}
	if !b.queue.Push(e.AppendTo(nil), limit) {
		return websocket.ErrBacklog
	}
	return nil
}

// publish publishes with one round trip. What fails is tried again: if it had arrived,
// the hubs see from its number that it comes twice.
func (b *Broker) publish(ctx context.Context, batch [][]byte) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	pipe := b.Client.Pipeline()
	for _, form := range batch {
		pipe.Publish(ctx, b.channel(), form)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, err
	}
	return len(batch), nil
}

// Subscribe implements websocket.Broker. It also publishes what Publish has queued.
func (b *Broker) Subscribe(ctx context.Context, receive func(e *websocket.Envelope)) error {
	ctx, cancel := context.WithCancel(ctx)
	var publishing sync.WaitGroup
	publishing.Go(func() {
		b.queue.Drain(ctx, func(batch [][]byte) (int, error) { return b.publish(ctx, batch) }, func(err error) { b.warn("publish", err) })
	})
	defer publishing.Wait()
	defer cancel()
	retry := outbox.Pause{}
	for {
		err := b.subscription(ctx, receive, &retry)
		if !retry.Wait(ctx, func() { b.warn("subscribe", err) }) {
			return ctx.Err()
		}
	}
}

// subscription receives until a connection is lost.
func (b *Broker) subscription(ctx context.Context, receive func(e *websocket.Envelope), retry *outbox.Pause) error {
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
		asked, *retry = false, outbox.Pause{}
		message, ok := m.(*redis.Message)
		if !ok {
			continue
		}
		if e, err := websocket.ParseEnvelope([]byte(message.Payload)); err == nil {
			receive(&e)
		}
	}
}
