package httpd

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/burrownet/burrow/engine"
)

// requestContext is the context of a request: it ends when the client goes away
// and when the handler returns. Nothing is watched until somebody asks.
type requestContext struct {
	s *serving

	mu    sync.Mutex
	c     *engine.Conn  // nil once the handler has returned; guarded by mu
	asked *askedContext // nil until somebody asks; guarded by mu
}

// askedContext is what few contexts need, so that the others do not pay for it.
// The context's mu guards it.
type askedContext struct {
	done  chan struct{}
	err   error
	local net.Addr
	after map[*afterFunc]struct{}
}

type afterFunc struct{ f func() }

func (k *requestContext) begin(x *exchange) { k.s, k.c = x.s, x.c }

// Deadline implements context.Context: there is none.
func (k *requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (k *requestContext) Done() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.doneLocked()
}

func (k *requestContext) askLocked() *askedContext {
	if k.asked == nil {
		k.asked = new(askedContext)
		if k.c == nil {
			k.asked.err = context.Canceled
		}
	}
	return k.asked
}

func (k *requestContext) doneLocked() <-chan struct{} {
	a := k.askLocked()
	if a.done == nil {
		a.done = make(chan struct{})
		if a.err != nil {
			close(a.done)
		} else {
			// Under mu, as the next request's watcher must not be replaced; what it calls
			// may come from within.
			k.c.Watch(func(error) { go k.cancel() })
		}
	}
	return a.done
}

// Err implements context.Context.
func (k *requestContext) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.doneLocked() // who polls wants to know as well
	return k.asked.err
}

// Value implements context.Context with the keys of net/http, and those of the
// context given to Serve.
func (k *requestContext) Value(key any) any {
	switch key {
	case http.ServerContextKey:
		return k.s.std
	case http.LocalAddrContextKey:
		return k.localAddr()
	}
	return k.s.ctx.Value(key)
}

func (k *requestContext) localAddr() net.Addr {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.askLocked()
	if a.local == nil && k.c != nil {
		if addr := k.c.LocalAddr(); addr.IsValid() {
			a.local = net.TCPAddrFromAddrPort(addr)
		} else {
			a.local = k.s.local
		}
	}
	return a.local
}

// AfterFunc has package context run f in a goroutine when k ends, without one
// that waits.
func (k *requestContext) AfterFunc(f func()) (stop func() bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.doneLocked()
	asked := k.asked
	if asked.err != nil {
		go f()
		return func() bool { return false }
	}
	a := &afterFunc{f}
	if asked.after == nil {
		asked.after = make(map[*afterFunc]struct{})
	}
	asked.after[a] = struct{}{}
	return func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		_, ok := asked.after[a]
		delete(asked.after, a)
		return ok
	}
}

// cancel ends the context.
func (k *requestContext) cancel() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cancelLocked()
}

func (k *requestContext) cancelLocked() {
	a := k.asked
	if a == nil || a.err != nil {
		return // who asks later is told by c
	}
	a.err = context.Canceled
	if a.done != nil {
		close(a.done)
	}
	for f := range a.after {
		go f.f()
	}
	a.after = nil
}

// finish ends the context because the handler has returned.
func (k *requestContext) finish() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unwatchLocked()
	k.cancelLocked()
	k.c = nil
}

// unwatch stops watching the client, whose connection the handler takes over.
func (k *requestContext) unwatch() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unwatchLocked()
}

func (k *requestContext) unwatchLocked() {
	if k.c != nil && k.asked != nil && k.asked.done != nil {
		k.c.Watch(nil)
	}
}
