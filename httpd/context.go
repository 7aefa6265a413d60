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
	c     *engine.Conn // nil once the handler has returned; guarded by mu
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

func (k *requestContext) doneLocked() <-chan struct{} {
	if k.done == nil {
		k.done = make(chan struct{})
		if k.err != nil {
			close(k.done)
		} else {
			k.watchLocked()
		}
	}
	return k.done
}

// watchLocked asks to be told when the client goes away.
func (k *requestContext) watchLocked() {
	c := k.c
	k.mu.Unlock() // the answer may come from within
	c.Watch(func(error) { k.cancel() })
	k.mu.Lock()
}

// Err implements context.Context.
func (k *requestContext) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.doneLocked() // who polls wants to know as well
	}
	return k.err
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
	if k.local == nil && k.c != nil {
		if a := k.c.LocalAddr(); a.IsValid() {
			k.local = net.TCPAddrFromAddrPort(a)
		} else {
			k.local = &net.UnixAddr{Net: "unix"}
		}
	}
	return k.local
}

// AfterFunc has package context run f in a goroutine when k ends, without one
// that waits.
func (k *requestContext) AfterFunc(f func()) (stop func() bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		go f()
		return func() bool { return false }
	}
	k.doneLocked()
	if k.err != nil {
		go f()
		return func() bool { return false }
	}
	a := &afterFunc{f}
	if k.after == nil {
		k.after = make(map[*afterFunc]struct{})
	}
	k.after[a] = struct{}{}
	return func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		_, ok := k.after[a]
		delete(k.after, a)
		return ok
	}
}

// cancel ends the context.
func (k *requestContext) cancel() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return
	}
	k.err = context.Canceled
	if k.done != nil {
		close(k.done)
	}
	for a := range k.after {
		go a.f()
	}
	k.after = nil
}

// finish ends the context because the handler has returned.
func (k *requestContext) finish() {
	k.unwatch()
	k.cancel()
	k.mu.Lock()
	k.c = nil
	k.mu.Unlock()
}

// unwatch stops watching the client, whose connection the handler takes over.
func (k *requestContext) unwatch() {
	k.mu.Lock()
	c, watched := k.c, k.done != nil
	k.mu.Unlock()
	if watched && c != nil {
		c.Watch(nil)
	}
}
