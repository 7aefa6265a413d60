package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/burrownet/burrow/websocket"
	"github.com/burrownet/burrow/websocket/internal/outbox"
	"github.com/nats-io/nats.go"
)

// Broker is a websocket.Broker over NATS. Conn must be set. The exported fields are
// not written after the first use. Each hub has a Broker of its own; they may share a
// connection.
type Broker struct {
	// Conn is the connection to the server. With nats.NoEcho it does not get back
	// what it has published, which its hub would throw away.
	Conn *nats.Conn
	// Subject is the name that the hubs meet at; "" means "burrow.hub".
	Subject string
	// QueueMessages and QueueBytes are what may wait for the hub: what is more is
	// lost to it. 0 means 65,536 and 16 MiB; negative, any number.
	QueueMessages, QueueBytes int
	// PublishBytes is what may wait to be published. 0 means 16 MiB; negative, any
	// number.
	PublishBytes int
	// Logger gets what cannot be published; nil means slog.Default().
	Logger *slog.Logger

	queue outbox.Queue
}

var _ websocket.Broker = (*Broker)(nil)

// The defaults of what may wait.
const (
	defaultMessages = 64 << 10
	defaultBytes    = 16 << 20
)

func (b *Broker) subject() string {
	if b.Subject == "" {
		return "burrow.hub"
	}
	return b.Subject
}

// Publish queues the envelope; the error is websocket.ErrBacklog when too much waits.
func (b *Broker) Publish(_ context.Context, e *websocket.Envelope) error {
	if !b.queue.Push(e.AppendTo(nil), orDefault(b.PublishBytes, defaultBytes)) {
		return websocket.ErrBacklog
	}
	return nil
}

// publish gives envelopes to the connection, which may wait for the server. One that
// the connection refuses is dropped: the other hubs see that it is missing.
func (b *Broker) publish(batch [][]byte) (n int, err error) {
	for i, form := range batch {
		switch err := b.Conn.Publish(b.subject(), form); {
		case err == nil:
		case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionClosed):
			return i, err
		default:
			b.warn(err)
		}
	}
	return len(batch), nil
}

func (b *Broker) warn(err error) {
	log := b.Logger
	if log == nil {
		log = slog.Default()
	}
	log.Warn("natsbroker: cannot publish", "proto", "nats", "op", "publish", "err", err)
}

// Subscribe implements websocket.Broker. It ends early when the connection is closed
// for good. It also publishes what Publish has queued.
func (b *Broker) Subscribe(ctx context.Context, receive func(e *websocket.Envelope)) error {
	ctx, cancel := context.WithCancel(ctx)
	var publishing sync.WaitGroup
	publishing.Go(func() { b.queue.Drain(ctx, b.publish, b.warn) })
	defer publishing.Wait()
	defer cancel()
	sub, err := b.Conn.SubscribeSync(b.subject())
	if err != nil {
		return fmt.Errorf("natsbroker: subscribe: %w", err)
	}
	defer sub.Unsubscribe()
	messages, bytes := orDefault(b.QueueMessages, defaultMessages), orDefault(b.QueueBytes, defaultBytes)
	if err := sub.SetPendingLimits(messages, bytes); err != nil {
		return fmt.Errorf("natsbroker: subscribe: %w", err)
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, nats.ErrSlowConsumer):
			continue // some are lost, and the hub sees which
		case err != nil:
			return fmt.Errorf("natsbroker: receive: %w", err)
		}
		if e, err := websocket.ParseEnvelope(m.Data); err == nil {
			receive(&e)
		}
	}
}

// orDefault is the meaning of a limit: 0 is its default, negative none, which is
// negative for the connection too.
func orDefault(v, def int) int {
	if v == 0 {
		return def
	}
	return max(v, -1)
}
