package websocket

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/burrownet/burrow/internal/wsframe"
)

// frame is an encoded message that connections share. It does not change, and is
// reused when the last reference was given back.
type frame struct {
	refs       atomic.Int32
	compressed bool
	head       uint8  // bytes of the header
	b          []byte // header and payload
	key        string // for LatestOnly; "": none
	hash       uint64 // of key
}

var frames = sync.Pool{New: func() any { return new(frame) }}

func (f *frame) retain() { f.refs.Add(1) }

func (f *frame) release() {
	if f.refs.Add(-1) > 0 {
		return
	}
	if cap(f.b) > keepBuffer {
		f.b = nil
	}
	f.b, f.key, f.compressed = f.b[:0], "", false
	frames.Put(f)
}

// entryCost is what a message that waits takes of the budget beside its bytes.
const entryCost = 64

func (f *frame) cost() int { return len(f.b) + entryCost }

// outgoing is a message on its way out: encoded once, as it is and for each way of
// compressing it that a connection asks for. Owned by the call that sends it.
type outgoing struct {
	h        *Hub
	p        Publication
	key      string
	hash     uint64
	plain    *frame
	variants []variant
}

// variant is the message as connections with the same options get it.
type variant struct {
	level int   // of the compressor; 0 where bits decide
	bits  uint8 // of the window
	f     *frame
}

var outgoings = sync.Pool{New: func() any { return new(outgoing) }}

// outgoing begins a message.
func (h *Hub) outgoing(p Publication) *outgoing {
	o := outgoings.Get().(*outgoing)
	o.h, o.p, o.key = h, p, p.Key
	if o.key == "" {
		o.key = p.Topic
	}
	if h.Slow == LatestOnly && o.key != "" {
		o.hash = maphash.String(keySeed, o.key)
	}
	return o
}

// keySeed is for comparing keys quickly.
var keySeed = maphash.MakeSeed()

// free gives back the references of o.
func (o *outgoing) free() {
	if o.plain != nil {
		o.plain.release()
	}
	for i, v := range o.variants {
		v.f.release()
		o.variants[i] = variant{}
	}
	*o = outgoing{variants: o.variants[:0]}
	outgoings.Put(o)
}

// frame is what c gets; who calls owns one reference to it.
func (o *outgoing) frame(c *Conn) *frame {
	f := o.shared(c)
	if c.set.client {
		return o.masked(f) // RFC 6455 5.3: each with a key of its own
	}
	f.retain()
	return f
}

// shared is the frame of all connections like c.
func (o *outgoing) shared(c *Conn) *frame {
	if !c.pm.on || len(o.p.Data) < c.set.deflate.minBytes() {
		return o.whole()
	}
	level, bits := c.set.deflate.level(), c.ownBits()
	if bits != 0 {
		level = 0
	}
	for _, v := range o.variants {
		if v.level == level && v.bits == bits {
			return v.f
		}
	}
	f := o.compress(c)
	o.variants = append(o.variants, variant{level, bits, f})
	return f
}

// whole is the message as it is.
func (o *outgoing) whole() *frame {
	if o.plain == nil {
		o.plain = o.encode(o.p.Data, false)
	}
	return o.plain
}

// compress makes a frame that refers to no earlier message: so it fits connections
// that take over as well.
func (o *outgoing) compress(c *Conn) *frame {
	out := frameBufs.Get().(*frameBuf)
	defer out.free()
	c.compress(out, o.p.Data, nil)
	if len(out.b) >= len(o.p.Data) {
		f := o.whole()
		f.retain()
		return f
	}
	return o.encode(out.b, true)
}

// encode makes a frame with one reference.
func (o *outgoing) encode(payload []byte, compressed bool) *frame {
	o.h.count.encoded.Add(1)
	f := frames.Get().(*frame)
	f.refs.Store(1)
	f.compressed, f.key, f.hash = compressed, o.key, o.hash
	f.b = wsframe.AppendHeader(f.b, wsframe.Header{
		Opcode: wsframe.Opcode(o.p.Type), Fin: true, RSV1: compressed, Length: int64(len(payload)),
	})
	f.head = uint8(len(f.b))
	f.b = append(f.b, payload...)
	return f
}

// masked is a copy of f, as a client sends it.
func (o *outgoing) masked(f *frame) *frame {
	payload := f.b[f.head:]
	m := frames.Get().(*frame)
	m.refs.Store(1)
	m.compressed, m.key, m.hash = f.compressed, f.key, f.hash
	h := wsframe.Header{
		Opcode: wsframe.Opcode(o.p.Type), Fin: true, RSV1: f.compressed,
		Masked: true, Key: maskKey(), Length: int64(len(payload)),
	}
	m.b = wsframe.AppendHeader(m.b, h)
	m.head = uint8(len(m.b))
	m.b = append(m.b, payload...)
	wsframe.Mask(m.b[m.head:], h.Key)
	return m
}
