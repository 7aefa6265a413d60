package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"time"
)

// whole reports whether a write must not be cut short: crypto/tls does not go on after
// that, and a stream of HTTP/2 is reset.
func (s *stream) whole() bool {
	switch s.nc.(type) {
	case *tls.Conn, *h2Stream:
		return true
	}
	return false
}

// stretchBytes is how much is written at a time where a write must not be cut short: the
// peer has to read so much within the WriteTimeout.
const stretchBytes = 64 << 10

// moment is how long such a write may go on after the end of its context: what is being
// encrypted, and the socket takes, leaves then.
const moment = 10 * time.Millisecond

// sendWhole is send for such a connection.
func (s *stream) sendWhole(ctx context.Context, c *Conn, head, body []byte) error {
	done := interruptible(ctx, func() { s.nc.SetWriteDeadline(time.Now().Add(moment)) })
	err := s.stretches(ctx, c.set.writeTimeout, head)
	if err == nil {
		err = s.stretches(ctx, c.set.writeTimeout, body)
	}
	if done() {
		s.writeAt = time.Time{}
		s.nc.SetWriteDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = ctx.Err()
		}
	}
	switch {
	case err == nil:
		return nil
	case !s.committed:
		return err // that of ctx: nothing was handed over
	}
	return s.broken(c, err)
}

func (s *stream) stretches(ctx context.Context, timeout time.Duration, p []byte) error {
	for len(p) > 0 {
		if now := time.Now(); timeout > 0 && s.writeAt.Before(now.Add(timeout-timeout/16)) {
			s.writeAt = now.Add(timeout)
			s.nc.SetWriteDeadline(s.writeAt)
		}
		if err := ctx.Err(); err != nil {
			return err // the deadline of its end may have come before ours
		}
		s.committed = true
		n := min(len(p), stretchBytes)
		if _, err := s.nc.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}
