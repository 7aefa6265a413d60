package websocket

import (
	"context"
	"encoding/binary"
	"sync/atomic"

	"github.com/burrownet/burrow/internal/wsframe"
)

// pingWait is a Ping that waits for its pong.
type pingWait struct {
	id       uint64
	older    *pingWait // guarded by Conn.mu
	answered atomic.Bool
}

// maxPings bounds the pings of a connection that wait for their pongs.
const maxPings = 1024

// Ping sends a ping and waits until it is answered (RFC 6455 5.5.2). While it
// waits it reads what arrives; messages are kept for Read or the Handler, up to
// MaxMessageBytes, and then it is ErrUnread. It may be called from within a callback.
func (c *Conn) Ping(ctx context.Context) error {
	w := &pingWait{}
	x := c.extra()
	c.mu.Lock()
	n := 0
	for p := x.pings; p != nil; p = p.older {
		n++
	}
	if n < maxPings {
		x.pinged++
		w.id, w.older = x.pinged, x.pings
		x.pings = w
	}
	c.mu.Unlock()
	if n >= maxPings {
		return wrap("ping", ErrBacklog)
	}
	defer c.forget(w)
	payload := binary.BigEndian.AppendUint64(nil, w.id)
	if err := c.writeControl(ctx, wsframe.Ping, payload); err != nil {
		return wrap("ping", err)
	}
	return wrap("ping", c.wait(ctx, w.answered.Load))
}

func (c *Conn) forget(w *pingWait) {
	x := c.extra()
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := &x.pings; *at != nil; at = &(*at).older {
		if *at == w {
			*at = w.older
			return
		}
	}
}

// pong works off a pong. One that answers a ping answers those before it too
// (RFC 6455 5.5.3); one that nobody asked for means nothing.
func (c *Conn) pong(payload []byte) {
	x := c.more.Load()
	if x == nil || len(payload) != 8 {
		return
	}
	id := binary.BigEndian.Uint64(payload)
	c.mu.Lock()
	for p := x.pings; p != nil; p = p.older {
		if id <= x.pinged && p.id <= id {
			p.answered.Store(true)
		}
	}
	c.mu.Unlock()
	c.announce()
}
