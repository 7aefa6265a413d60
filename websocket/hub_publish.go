package websocket

import (
	"context"
	"errors"
	"slices"
)

// Publication is a message, and whom it is for.
type Publication struct {
	// Topic has those get it that have subscribed.
	Topic string
	// IDs has those get it that have joined with one of them; then Topic must be "".
	IDs []string
	// Type is the type of the message; 0 means MessageText.
	Type MessageType
	// Data is the message. Text must be UTF-8, which is not looked at.
	Data []byte
	// Key is what LatestOnly goes by; "" means the Topic. Without either the message
	// replaces none.
	Key string
	// Except is the id of connections that do not get it; "" for none.
	Except string
}

// What is wrong with a Publication.
var (
	errType   = errors.New("websocket: publish: a message is text or binary")
	errTarget = errors.New("websocket: publish: a message is for a topic or for ids, not both")
)

func (p *Publication) check() error {
	switch {
	case !p.Type.valid():
		return errType
	case p.IDs != nil && p.Topic != "":
		return errTarget
	}
	return nil
}

// Send is Publish and PublishTo in general.
func (h *Hub) Send(ctx context.Context, p Publication) (n int, err error) {
	if p.Type == 0 {
		p.Type = MessageText
	}
	if err := p.check(); err != nil {
		return 0, err
	}
	h.count.published.Add(1)
	o := h.outgoing(p)
	defer o.free()
	return o.deliver(ctx, h.Broker)
}

// deliver sends a message to the connections of this hub. Before that it goes to
// the broker, unless that is nil: in the same order for all messages of a topic.
func (o *outgoing) deliver(ctx context.Context, b Broker) (n int, err error) {
	h := o.h
	if o.p.IDs != nil {
		err = h.forward(ctx, b, &o.p)
		return o.toIDs(o.p.IDs), err
	}
	h.mu.Lock()
	t := h.topics[o.p.Topic]
	h.mu.Unlock()
	if t == nil {
		return 0, h.forward(ctx, b, &o.p)
	}
	t.publish.Lock()
	defer t.publish.Unlock()
	err = h.forward(ctx, b, &o.p)
	return o.toTopic(t), err
}

// toTopic sends o to the subscribers of a topic, whose publish is held.
func (o *outgoing) toTopic(t *topic) (n int) {
	var window [windowLen]*member
	turn := t.begin()
	for at := 0; at >= 0; {
		var found int
		found, at = t.members(&window, at, turn)
		n += o.toMembers(window[:found])
	}
	return n
}

// toIDs sends o to the connections with the ids.
func (o *outgoing) toIDs(ids []string) (n int) {
	if !slices.IsSorted(ids) {
		ids = slices.Sorted(slices.Values(ids))
	}
	var window [windowLen]*member
	for i, id := range ids {
		if id == "" || i > 0 && ids[i-1] == id {
			continue
		}
		found := window[:0]
		o.h.mu.Lock()
		for m := o.h.ids[id]; m != nil; m = m.nextID {
			found = append(found, m)
		}
		o.h.mu.Unlock()
		n += o.toMembers(found)
	}
	return n
}

// toMembers sends o to each, and returns how many have got it or will.
func (o *outgoing) toMembers(list []*member) (n int) {
	sent := 0
	for _, m := range list {
		if except := o.p.Except; except != "" && m.id == except {
			continue
		}
		switch m.send(o.frame(m.c)) {
		case written:
			sent++
			n++
		case queued:
			n++
		}
	}
	o.h.count.sent.Add(uint64(sent))
	return n
}
