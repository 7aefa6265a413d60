package natsbroker

import (
	"context"
	"errors"
	"fmt"

	"github.com/burrownet/burrow/websocket"
	"github.com/nats-io/nats.go"
)

// Broker is a websocket.Broker over NATS. Conn must be set. The exported fields are
// not written after the first use. Hubs may share a Broker.
type Broker struct {
	// Conn is the connection to the server. With nats.NoEcho it does not get back
	// what it has published, which its hub would throw away.
	Conn *nats.Conn
	// Subject is the name that the hubs meet at; "" means "burrow.hub".
	Subject string
	// QueueMessages and QueueBytes are what may wait for the hub: what is more is
	// lost to it. 0 means 65,536 and 16 MiB; negative, any number.
	QueueMessages, QueueBytes int
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

// Publish gives the envelope to the connection; the error is websocket.ErrBacklog
// when the server is away and too much waits for it.
func (b *Broker) Publish(_ context.Context, e *websocket.Envelope) error {
	err := b.Conn.Publish(b.subject(), e.AppendTo(nil))
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return websocket.ErrBacklog
	}
	if err != nil {
		return fmt.Errorf("natsbroker: publish: %w", err)
	}
	return nil
}

// Subscribe implements websocket.Broker. It ends early when the connection is closed
// for good.
func (b *Broker) Subscribe(ctx context.Context, receive func(e *websocket.Envelope)) error {
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
