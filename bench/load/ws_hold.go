//go:build linux

package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"time"

	"github.com/burrownet/burrow/bench/internal/report"
)

// wsHoldLong is the length of the longest message that a held WebSocket has carried,
// in bytes.
const wsHoldLong = 16 << 10

// wsBurst is messages that leave in one write, and what comes back for each.
type wsBurst struct {
	frames []byte
	n      int
	want   wsAnswer
}

// wsHold is hold with WebSockets. Before it falls silent each has carried a message of
// o.payload bytes, a long one, and holdDepth of the first kind in one write.
func (o *options) wsHold(ctx context.Context) (*report.Result, error) {
	var bursts []wsBurst
	var messages int64
	for _, b := range []struct{ size, n int }{{o.payload, 1}, {wsHoldLong, 1}, {o.payload, holdDepth}} {
		traffic, err := newWSTraffic(b.size, o.deflate, "")
		if err != nil {
			return nil, err
		}
		frame, want, err := traffic.message(0)
		if err != nil {
			return nil, err
		}
		bursts = append(bursts, wsBurst{bytes.Repeat(frame, b.n), b.n, *want})
		messages += int64(b.n)
	}
	return o.hold(ctx, func(ctx context.Context) (net.Conn, string, error) { return o.wsUse(ctx, bursts) }, messages)
}

// wsUse makes a WebSocket that has carried bursts.
func (o *options) wsUse(ctx context.Context, bursts []wsBurst) (_ net.Conn, describes string, err error) {
	nc, link, err := o.wsDial(ctx)
	if err != nil {
		return nil, "", err
	}
	conn := nc
	if link != nil {
		conn, describes = link.tls, describe(link.tls.ConnectionState())
	}
	err = conn.SetDeadline(time.Now().Add(connectTimeout))
	for i := 0; i < len(bursts) && err == nil; i++ {
		err = bursts[i].exchange(conn)
	}
	if err != nil {
		nc.Close()
		return nil, describes, err
	}
	return nc, describes, nil
}

// exchange sends the messages and waits until they have come back. b may be in use by
// others at the same time.
func (b *wsBurst) exchange(conn io.ReadWriter) error {
	if _, err := conn.Write(b.frames); err != nil {
		return err
	}
	want := b.want
	buf := make([]byte, 0, 2*wsHoldLong)
	for n := b.n; n > 0; {
		got, err := conn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return err
		}
		buf = buf[:len(buf)+got]
		for used := 1; used > 0 && n > 0; {
			if used, err = want.take(buf); err != nil {
				return err
			}
			if used > 0 {
				n--
			}
			buf = append(buf[:0], buf[used:]...)
		}
	}
	return nil
}
