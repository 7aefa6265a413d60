package websocket

import (
	"context"
	"errors"
	"os"
	"time"
)

// waitEvent waits for a change. While a callback runs it reads what arrives, if
// nobody else does.
func (c *Conn) waitEvent(ctx context.Context, changed <-chan struct{}) error {
	st := c.state.Load()
	if st&(stCallback|stPumping) != stCallback {
		var tooLong <-chan time.Time
		if st&stOpen == 0 {
			t := time.NewTimer(openPatience)
			defer t.Stop()
			tooLong = t.C
		}
		select {
		case <-changed:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tooLong:
			return errNotOpen
		}
	}
	if c.keptTooMuch() {
		return ErrUnread
	}
	if !c.state.CompareAndSwap(st, st|stPumping) {
		return nil
	}
	err := c.pump(ctx)
	c.state.And(^uint32(stPumping))
	c.announce()
	return err
}

// openPatience is how long a call may wait for Open to return: what Open has started may
// do so, but Open itself would wait for ever.
const openPatience = 2 * time.Second

// ended waits for the end of the connection, and reads nothing itself. The result is
// the cause, or the end of ctx.
func (c *Conn) ended(ctx context.Context) error {
	for {
		changed := c.watch()
		if err := c.cause(); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pumpTime is how long a wait for input may last before who waits looks whether it
// should: the callback may have returned meanwhile.
const pumpTime = 25 * time.Millisecond

// pump reads for a callback that waits, within its call.
func (c *Conn) pump(ctx context.Context) error {
	ev := c.ev
	in := ev.Input()[c.used:]
	if len(in) == 0 {
		c.leaveLoop()
		timeout := pumpTime
		if at, ok := ctx.Deadline(); ok {
			timeout = min(timeout, max(time.Until(at), 1))
		}
		var err error
		in, err = ev.More(nil, timeout)
		c.used, c.moved = 0, true
		switch {
		case len(in) > 0:
			c.heard()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return c.quiet()
		case err != nil:
			c.end(abnormal(err))
			ev.Close()
			return c.cause()
		}
	}
	for len(in) > 0 && !c.keptTooMuch() {
		e, n, err := c.feed(in)
		in, c.used, c.moved = in[n:], c.used+uint32(n), true
		switch {
		case err != nil:
			return c.fail(ctx, err)
		case e.kind == evMessage:
			c.keep(e)
		case e.kind != evNone:
			if err := c.control(ctx, e); err != nil {
				return err
			}
		}
		c.settle()
	}
	return nil
}

// heard notes that the peer has said something to who waits within a call.
func (c *Conn) heard() {
	c.extra().quiet = 0
	c.answered()
	c.ev.SetDeadline(c.set.pingAfter)
}

// quiet notes that it has not: what Timeout is for, when no call is in progress. The
// result is the cause when that is the end.
func (c *Conn) quiet() error {
	x, limit := c.extra(), c.set.pingAfter
	if c.has(stPinged) {
		limit = c.set.pongTimeout
	}
	switch {
	case x.quiet == 0:
		x.quiet = clock()
	case limit == 0 || clock()-x.quiet < limit:
	case c.unanswered():
		c.end(abnormal(ErrPongTimeout))
		c.ev.Close()
		return c.cause()
	default:
		x.quiet = clock()
		c.ev.SetDeadline(c.set.pongTimeout)
	}
	return nil
}

// leaveLoop prepares for a wait: nothing is held back any more.
func (c *Conn) leaveLoop() {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.release()
	c.away = true
	c.ev.Go(nil) // the engine makes what a wait needs while no write looks at it
}

// readEvent is ReadAppend in event style.
func (c *Conn) readEvent(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	for {
		if m, ok := c.kept(); ok {
			return m.typ, append(dst, m.data...), nil
		}
		if !c.has(stCallback) {
			return 0, dst, ErrHandlerReads
		}
		x := c.extra()
		if err := c.wait(ctx, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(x.pending) > 0
		}); err != nil {
			return 0, dst, wrap("read", err)
		}
	}
}
