package websocket

import (
	"context"
	"sync"
)

// openConns are the connections of AcceptOptions with Until, and who closes them.
type openConns struct {
	mu    sync.Mutex
	conns map[*Conn]struct{} // guarded by mu
	over  bool               // Until has ended; guarded by mu
}

// closedBy makes what closes connections when ctx ends; nil: nothing does.
func closedBy(ctx context.Context) *openConns {
	if ctx == nil {
		return nil
	}
	return &openConns{conns: map[*Conn]struct{}{}}
}

// add is for a new connection; o may be nil.
func (o *openConns) add(c *Conn) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		go c.Close(StatusGoingAway, "")
		return
	}
	o.conns[c] = struct{}{}
}

// remove is for one that has ended; o may be nil.
func (o *openConns) remove(c *Conn) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.conns, c)
}

// closeAll tells all connections that the server ends (RFC 6455 7.4.1: 1001).
func (o *openConns) closeAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	for c := range o.conns {
		go c.Close(StatusGoingAway, "") // waits for the peer, but not for long
	}
}
