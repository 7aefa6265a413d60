package websocket

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// courier sends what was written in a call that lasts, on the goroutine driver: so that
// no Write waits for the peer, and none for the end of the call. A loop has its monitor
// for that; here it is a timer.
//
//	Write ... the callback returns: dismiss; the engine sends all in one write
//	Write ... callPatience passes: carry sends, until the callback returns
type courier struct {
	c     *Conn
	timer *time.Timer   // calls carry
	due   atomic.Bool   // carry will look at what was written
	road  sync.Mutex    // held by carry: the end of the call waits for it
	empty chan struct{} // carry has sent all; capacity 1
	stuck bool          // hurry was in vain in this call; guarded by Conn.wmu
}

const (
	callPatience = time.Millisecond       // how long a callback holds back what it writes
	hurryTime    = 25 * time.Millisecond  // how long a Write waits, once a call, before it is ErrBacklog
	carryTime    = 250 * time.Millisecond // how often carry looks whether the call has ended
)

// courier returns that of the connection, on its way after d; wmu is held.
func (c *Conn) courier(d time.Duration) *courier {
	x := c.extra()
	if x.courier == nil {
		k := &courier{c: c, empty: make(chan struct{}, 1)}
		k.due.Store(true)
		k.timer = time.AfterFunc(d, k.carry)
		x.courier = k
		return k
	}
	k := x.courier
	if !k.due.Swap(true) || d == 0 {
		k.timer.Reset(d)
	}
	return k
}

// hasten has what is unsent leave soon, in a call that lasts; wmu is held.
func (c *Conn) hasten() {
	if c.state.Load()&(stOffLoop|stPumping) == stOffLoop {
		c.courier(callPatience)
	}
}

// hurry waits a moment for the socket, which nobody has asked yet whether it takes
// what the call has written. wmu is held.
func (c *Conn) hurry() {
	if x := c.more.Load(); x != nil && x.courier != nil && x.courier.stuck {
		return
	}
	k := c.courier(0)
	t := time.NewTimer(hurryTime)
	defer t.Stop()
	for c.ev.Backlog() > 0 {
		select {
		case <-k.empty:
		case <-t.C:
			k.stuck = true
			return
		}
	}
}

// dismiss is for the end of the call: no carry is sending any more.
func (k *courier) dismiss() {
	if k.due.Load() && k.timer.Stop() {
		k.due.Store(false)
	}
	if !k.road.TryLock() {
		if d := k.c.set.writeTimeout; d > 0 {
			defer time.AfterFunc(d, func() { k.c.ev.Close() }).Stop()
		}
		k.road.Lock()
	}
	k.road.Unlock()
}

// carry sends all, unless the call ends before.
func (k *courier) carry() {
	k.road.Lock()
	defer k.road.Unlock()
	k.due.Store(false) // what is written from now on is for the next
	c, timeout := k.c, carryTime
	if c.ev.TLS() != nil {
		timeout = 0 // crypto/tls does not go on after a write that was cut
	}
	// Who waits for input within the call has the engine send before.
	for c.state.Load()&(stOffLoop|stPumping) == stOffLoop && c.ev.Backlog() > 0 {
		err := c.ev.Push(timeout)
		if err == nil {
			break
		}
		if timeout != carryTime || !errors.Is(err, os.ErrDeadlineExceeded) {
			c.ev.Close()
			return
		}
	}
	select {
	case k.empty <- struct{}{}:
	default:
	}
}
