package websocket

import (
	"context"
	"fmt"
	"net"
	"time"
	"unicode/utf8"

	"github.com/burrownet/burrow/internal/wsframe"
)

// The closing handshake (RFC 6455 7.1): each side sends one close frame, and then
// the server ends the connection below.
//
//	one side                    the other
//	close(code, reason) ------>
//	                    <------ close(code)
//	server: ends the connection; client: waits for that, but not for long

// Close sends a close frame and waits until the peer has answered with its own, for
// at most 5 s; messages that arrive meanwhile are dropped. In event style it does
// not wait: the Handler's Close tells when the connection has ended. The code must be
// one that is sent (RFC 6455 7.4), and reason at most 123 bytes of UTF-8.
// StatusNoStatus sends a close frame without a code. On a connection that has
// ended, or is being closed, the error is a net.ErrClosed.
func (c *Conn) Close(code StatusCode, reason string) error {
	switch {
	case code != StatusNoStatus && !code.OnWire():
		return fmt.Errorf("websocket: close: the status code %d cannot be sent", code)
	case len(reason) > wsframe.MaxReason || !utf8.ValidString(reason):
		return fmt.Errorf("websocket: close: the reason is not at most %d bytes of UTF-8", wsframe.MaxReason)
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	sent, err := c.sendClose(ctx, code, reason)
	if !sent && err == nil {
		return wrap("close", net.ErrClosed)
	}
	if err != nil {
		c.abort(errClosed)
		return wrap("close", err)
	}
	if c.ev != nil {
		c.closeLater()
		return nil
	}
	return c.awaitClose(ctx)
}

// CloseNow ends the connection at once, without a close frame. On one that has ended,
// the error is a net.ErrClosed, and nobody is told why any more.
func (c *Conn) CloseNow() error {
	first := c.end(errClosed)
	err := c.hangUp()
	if !first {
		return wrap("close", net.ErrClosed)
	}
	return err
}

// abort ends the connection at once; one that has ended may still say its last words.
func (c *Conn) abort(cause error) {
	if c.end(cause) {
		c.hangUp()
	}
}

// closeLater closes what is below once the peer has had its time. Event style.
func (c *Conn) closeLater() {
	ev := c.ev
	ev.AfterFunc(closeTimeout, func() { ev.Close() })
}

// hangUp closes what is below.
func (c *Conn) hangUp() error {
	if c.ev != nil {
		return c.ev.Close()
	}
	return c.io.nc.Close()
}

// sendClose sends the one close frame of this side; false when it was sent before,
// or the connection has ended.
func (c *Conn) sendClose(ctx context.Context, code StatusCode, reason string) (bool, error) {
	if c.has(stEnded) || !c.set1(stCloseSent) {
		return false, nil
	}
	return true, c.writeClose(ctx, code, reason)
}

// writeClose writes the close frame, for who has set stCloseSent.
func (c *Conn) writeClose(ctx context.Context, code StatusCode, reason string) error {
	var buf [wsframe.MaxControl]byte
	return c.writeControl(ctx, wsframe.Close, wsframe.AppendClose(buf[:0], code, reason))
}

// closed works off a close frame (RFC 6455 5.5.1); the result is the cause that the
// connection has ended with.
func (c *Conn) closed(ctx context.Context, payload []byte) error {
	code, reason, err := wsframe.ParseClose(payload)
	if err != nil {
		return c.fail(ctx, err)
	}
	c.set1(stCloseReceived)
	cause := &CloseError{Code: code, Reason: string(reason), answer: c.has(stCloseSent)}
	// RFC 6455 5.5.1: the answer typically echoes the code.
	return c.conclude(ctx, code, "", cause)
}

// fail ends the connection because of what the peer did: it is told the code
// (RFC 6455 7.1.7). The result is the cause.
func (c *Conn) fail(ctx context.Context, cause error) error {
	reason := ""
	if e, ok := cause.(*ProtocolError); ok {
		reason = e.Reason
	}
	return c.conclude(ctx, CloseStatus(cause), reason, cause)
}

// conclude ends the connection with a last close frame, unless one was sent, and
// returns the cause. The caller reads. The peer is given some time, in blocking style:
// when ctx ends before, that goes on without the caller.
func (c *Conn) conclude(ctx context.Context, code StatusCode, reason string, cause error) error {
	if c.io == nil {
		c.sendClose(ctx, code, reason)
		c.end(cause)
		c.closeLater() // our last words may not leave
		c.finish()
		return cause
	}
	say := !c.has(stEnded) && c.set1(stCloseSent)
	c.end(cause)
	inTime(ctx, closeTimeout+lingerTime, func() {
		if say {
			last, cancel := context.WithTimeout(context.Background(), closeTimeout)
			defer cancel()
			c.writeClose(last, code, reason)
		}
		c.finish()
	})
	return cause
}

// inTime runs f on a goroutine of its own, and waits until it has returned, but not
// longer than ctx and limit allow.
func inTime(ctx context.Context, limit time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-t.C:
	}
}

// lingerTime bounds how long the end of a connection waits for the peer to end its
// side, and lingerBytes what is read and dropped meanwhile: so that the peer gets
// our close frame, and not a reset.
const (
	lingerTime  = time.Second
	lingerBytes = 4 << 20
)

// finish ends the connection below once both sides have said so, or one has failed
// the other. The caller reads.
func (c *Conn) finish() {
	done := !c.set.client && c.has(stCloseReceived) // RFC 6455 7.1.1: the server ends first
	if c.ev != nil {
		if !done { // else Data ends it
			c.ev.Shutdown()
		}
		return
	}
	nc := c.io.nc
	defer nc.Close()
	if done {
		return
	}
	if !c.set.client {
		cw, ok := nc.(interface{ CloseWrite() error })
		if !ok || cw.CloseWrite() != nil {
			return
		}
	}
	nc.SetReadDeadline(time.Now().Add(lingerTime))
	buf := make([]byte, 4<<10)
	for range lingerBytes / len(buf) {
		if _, err := nc.Read(buf); err != nil {
			return
		}
	}
}

// awaitClose waits for the answer to our close frame.
func (c *Conn) awaitClose(ctx context.Context) error {
	defer c.hangUp()
	c.io.drop.Store(true)
	err := c.wait(ctx, func() bool { return c.has(stCloseReceived | stEnded) })
	if c.end(errClosed) || err != nil && !c.has(stCloseReceived) {
		if err == nil {
			err = c.cause()
		}
		return wrap("close", fmt.Errorf("the peer did not answer: %w", err))
	}
	if !c.has(stCloseReceived) {
		return wrap("close", c.cause())
	}
	return nil
}
