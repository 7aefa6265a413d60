package websocket

import (
	"context"
	"encoding/binary"
	"errors"
)

// Broker puts the hubs of several processes together: what one publishes, all get.
//
//	Hub A -- Publish --> Broker -- receive --> Hub A (its own: ignored), Hub B, Hub C
//
// A Hub numbers its envelopes. So it throws away what comes twice and counts what
// does not come at all (HubStats.Lost): a Broker may lose envelopes, but it must
// keep the order of those that one call of Publish after the other was given. Its
// methods are called concurrently.
type Broker interface {
	// Publish takes an envelope, which is valid until it returns. It must not wait
	// for the network: what there is no room for it refuses, with an error that is
	// ErrBacklog.
	Publish(ctx context.Context, e *Envelope) error
	// Subscribe calls receive for each envelope that is published from then on, one
	// at a time, until ctx ends; then it returns nil, or the context's error. It
	// connects again by itself when a connection is lost. The envelope is valid
	// until receive returns.
	Subscribe(ctx context.Context, receive func(e *Envelope)) error
}

// Envelope is a message on its way between hubs.
type Envelope struct {
	Node uint64 // the hub that published it: a number that it has drawn
	Seq  uint64 // 1 for the first envelope of Node, 2 for the second
	Publication
}

// The form of an envelope, with all numbers in network byte order:
//
//	version 1 | type 1 | node 8 | seq 8 | topic | key | except | ids + 1, or 0 | id ... | data
//
// A text is its length, as a uvarint, and its bytes; the data ends with the envelope.
const envelopeVersion = 1

// ErrEnvelope says that bytes are not an envelope.
var ErrEnvelope = errors.New("websocket: broker: not an envelope")

// AppendTo appends the envelope's form for brokers that carry bytes.
func (e *Envelope) AppendTo(dst []byte) []byte {
	dst = append(dst, envelopeVersion, byte(e.Type))
	dst = binary.BigEndian.AppendUint64(dst, e.Node)
	dst = binary.BigEndian.AppendUint64(dst, e.Seq)
	dst = appendText(appendText(appendText(dst, e.Topic), e.Key), e.Except)
	if e.IDs == nil {
		dst = append(dst, 0)
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(e.IDs))+1)
	}
	for _, id := range e.IDs {
		dst = appendText(dst, id)
	}
	return append(dst, e.Data...)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// ParseEnvelope reads what AppendTo has made. Data is borrowed from b. The error is
// ErrEnvelope.
func ParseEnvelope(b []byte) (e Envelope, err error) {
	if len(b) < 18 || b[0] != envelopeVersion {
		return e, ErrEnvelope
	}
	e.Type = MessageType(b[1])
	e.Node, e.Seq = binary.BigEndian.Uint64(b[2:]), binary.BigEndian.Uint64(b[10:])
	b = b[18:]
	ok := true
	e.Topic, b = cutText(b, &ok)
	e.Key, b = cutText(b, &ok)
	e.Except, b = cutText(b, &ok)
	n, b := cutNumber(b, &ok)
	if !ok || n > uint64(len(b))+1 { // each id takes a byte at least
		return Envelope{}, ErrEnvelope
	}
	if n > 0 {
		e.IDs = make([]string, n-1)
	}
	for i := range e.IDs {
		e.IDs[i], b = cutText(b, &ok)
	}
	e.Data = b
	if !ok || e.check() != nil {
		return Envelope{}, ErrEnvelope
	}
	return e, nil
}

// cutNumber takes a number off b; ok is made false when there is none.
func cutNumber(b []byte, ok *bool) (uint64, []byte) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		*ok = false
		return 0, nil
	}
	return n, b[size:]
}

func cutText(b []byte, ok *bool) (string, []byte) {
	n, b := cutNumber(b, ok)
	if n > uint64(len(b)) {
		*ok = false
		return "", nil
	}
	return string(b[:n]), b[n:]
}
