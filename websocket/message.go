package websocket

import (
	"errors"
	"sync"
	"unicode/utf8"

	"github.com/burrownet/burrow/internal/wsframe"
)

// What arrives is the same for every driver: bytes are fed to a Conn, which gives
// back one event at a time. This file knows no socket.
//
//	bytes -> wsframe.Reader -> frame or piece -> partial message -> event

// MessageType says whether a message is text or binary.
type MessageType uint8

// The types of messages (RFC 6455 5.6).
const (
	MessageText   MessageType = MessageType(wsframe.Text)
	MessageBinary MessageType = MessageType(wsframe.Binary)
)

// valid reports whether a message may be of that type: any other opcode would break the
// connection.
func (t MessageType) valid() bool { return t == MessageText || t == MessageBinary }

var errMessageType = errors.New("a message is text or binary")

// String returns "text" or "binary".
func (t MessageType) String() string {
	switch t {
	case MessageText:
		return "text"
	case MessageBinary:
		return "binary"
	}
	return "unknown"
}

// event is what was found in the input.
type event struct {
	kind uint8
	typ  MessageType
	// data is borrowed: from the input, or, when own is set, from the partial
	// message until settle.
	data []byte
	own  bool
}

const (
	evNone    = iota // more input is needed
	evMessage        // a whole message
	evPing
	evPong
	evClose
)

// partial is what a connection keeps of a message, or of a frame's beginning, that
// has not arrived as a whole. Partials are reused.
type partial struct {
	buf   []byte // of the message, as it came
	out   []byte // of the message, decompressed
	total int64  // the frames of the message so far, in bytes
	text  wsframe.UTF8
	// stream says that a Reader takes buf away as it comes; done, that its message
	// has ended.
	stream, done bool
	reader       *messageReader // of the message, when stream is set
	taken        int            // bytes of buf that the Reader has taken
	typ          MessageType    // of the message in progress
	begun        bool           // typ and compressed are known
	compressed   bool
	stashed      uint8
	stash        [wsframe.MaxHeader + wsframe.MaxControl]byte // an incomplete header or control frame
}

var partials = sync.Pool{New: func() any { return new(partial) }}

// keepBuffer is the largest buffer that is kept for reuse, in bytes.
const keepBuffer = 64 << 10

func (p *partial) free() {
	if cap(p.buf) > keepBuffer {
		p.buf = nil
	}
	if cap(p.out) > keepBuffer {
		p.out = nil
	}
	p.buf, p.out, p.total, p.text = p.buf[:0], p.out[:0], 0, wsframe.UTF8{}
	p.stream, p.done, p.reader, p.taken, p.begun, p.stashed = false, false, nil, 0, false, 0
	partials.Put(p)
}

// partial returns the partial message, making it when needed.
func (c *Conn) partial() *partial {
	if c.part == nil {
		c.part = partials.Get().(*partial)
	}
	return c.part
}

// settle lets go what is no longer needed once an event was worked off.
func (c *Conn) settle() {
	p := c.part
	if p == nil || p.stream || p.stashed > 0 || c.in.InMessage() {
		return
	}
	c.part = nil
	p.free()
}

// feed takes n bytes from b, always at least one when there is any, and reports
// what is complete with them. b is unmasked in place. Owned by the reading side.
func (c *Conn) feed(b []byte) (ev event, n int, err error) {
	var f wsframe.Frame
	if p := c.part; p != nil && p.stashed > 0 {
		if f, n, err = c.unstash(p, b); err != nil || p.stashed > 0 {
			return event{}, n, err
		}
	} else {
		f, n, err = c.in.Next(b)
		if n == 0 {
			if err == nil {
				p := c.partial()
				p.stashed = uint8(copy(p.stash[:], b))
			}
			return event{}, len(b), err
		}
	}
	ev, err = c.frame(&f)
	return ev, n, err
}

// unstash goes on with an incomplete header or control frame.
func (c *Conn) unstash(p *partial, b []byte) (f wsframe.Frame, n int, err error) {
	for {
		have := int(p.stashed)
		f, used, err := c.in.Next(p.stash[:have])
		if used > 0 || err != nil {
			p.stashed = 0 // all of it: not more than the frame needs was gathered
			return f, n, err
		}
		m := copy(p.stash[have:c.in.Need(p.stash[:have])], b[n:])
		if m == 0 {
			return f, n, nil
		}
		p.stashed += uint8(m)
		n += m
	}
}

// frame makes an event of a frame or a piece of one.
func (c *Conn) frame(f *wsframe.Frame) (event, error) {
	switch f.Opcode {
	case wsframe.Ping:
		return event{kind: evPing, data: f.Payload}, nil
	case wsframe.Pong:
		return event{kind: evPong, data: f.Payload}, nil
	case wsframe.Close:
		return event{kind: evClose, data: f.Payload}, nil
	}
	if c.dropping() {
		return event{}, nil
	}
	if f.First && f.Last && !f.Compressed && (c.part == nil || !c.part.stream) {
		// A message in one piece stays where it is.
		if c.set.maxMessage > 0 && f.Length > c.set.maxMessage {
			return event{}, ErrMessageTooBig
		}
		if f.Opcode == wsframe.Text && !utf8.Valid(f.Payload) {
			return event{}, wsframe.ErrUTF8 // RFC 6455 8.1
		}
		return event{kind: evMessage, typ: MessageType(f.Opcode), data: f.Payload}, nil
	}
	return c.piece(f)
}

// dropping reports whether messages are of no interest any more, not even for a
// Reader: Close waits for the peer's answer.
func (c *Conn) dropping() bool {
	return c.io != nil && c.io.drop.Load() && (c.part == nil || !c.part.stream)
}

// piece adds to the message in progress.
func (c *Conn) piece(f *wsframe.Frame) (event, error) {
	p := c.partial()
	if f.First {
		p.total, p.text = 0, wsframe.UTF8{}
		p.buf, p.taken = p.buf[:0], 0
		p.typ, p.compressed, p.begun = MessageType(f.Opcode), f.Compressed, true
	}
	if f.Begin {
		p.total += f.Length
		if limit := c.receiveLimit(f.Compressed); limit > 0 && (p.total > limit || p.total < 0) {
			return event{}, ErrMessageTooBig
		}
		if !p.stream && f.Length > int64(cap(p.buf)-len(p.buf)) {
			// Room for the frame, but not much before its bytes are here.
			p.buf = append(p.buf, make([]byte, min(f.Length, keepBuffer))...)[:len(p.buf)]
		}
	}
	if f.Opcode == wsframe.Text && !f.Compressed && (!p.text.Valid(f.Payload) || f.Last && !p.text.Complete()) {
		return event{}, wsframe.ErrUTF8 // RFC 6455 8.1, as soon as it shows
	}
	p.buf = append(p.buf, f.Payload...)
	switch {
	case !f.Last:
		return event{}, nil
	case p.stream:
		p.done = true
		return event{}, nil
	case f.Compressed:
		return c.inflated(p, MessageType(f.Opcode))
	}
	return event{kind: evMessage, typ: MessageType(f.Opcode), data: p.buf, own: true}, nil
}

// receiveLimit is how much a message may be on the wire; 0: any number. What is
// compressed may be a little larger than what it stands for, with empty blocks
// where its sender has flushed.
func (c *Conn) receiveLimit(compressed bool) int64 {
	limit := c.set.maxMessage
	if compressed && limit > 0 {
		limit += limit/4 + 1<<10
	}
	return limit
}

// inflated is a compressed message, whole.
func (c *Conn) inflated(p *partial, typ MessageType) (event, error) {
	var w *window
	var dict []byte
	if c.peerTakesOver() {
		w = c.inWindow()
		dict = w.b
	}
	var err error
	p.out, err = inflate(p.out[:0], p.buf, dict, c.set.maxMessage)
	if err != nil {
		return event{}, err
	}
	if typ == MessageText && !utf8.Valid(p.out) {
		return event{}, wsframe.ErrUTF8
	}
	if w != nil {
		w.add(p.out, maxWindow)
	}
	return event{kind: evMessage, typ: typ, data: p.out, own: true}, nil
}
