//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/burrownet/burrow/bench/internal/report"
)

// handshakes has o.conns goroutines connect, ask once with Connection: close,
// and read to the end, over and over. A "request" is one such connection; its
// latency is the whole of it.
func (o *options) handshakes(ctx context.Context) (*report.Result, error) {
	ctx, stop := context.WithCancel(ctx)
	g := newGroup(request(o.addr, o.path, o.headers, "Connection: close"), 1)
	var describes atomic.Pointer[string]
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	for range o.conns {
		workers.Go(func() {
			for ctx.Err() == nil {
				began := now()
				text, err := o.once(ctx, g)
				if ctx.Err() != nil {
					return
				}
				g.mu.Lock()
				if err != nil {
					g.failLocked(err)
				} else {
					g.countLocked(1, now(), began)
				}
				g.mu.Unlock()
				describes.Store(&text)
			}
		})
	}
	r := &report.Result{}
	if err := o.measure(ctx, r, g, newGroup(nil, 1)); err != nil {
		return nil, err
	}
	g.addTo(r)
	if text := describes.Load(); text != nil {
		r.TLS = *text
	}
	return r, nil
}

// once makes one connection's whole life.
func (o *options) once(ctx context.Context, g *group) (describes string, err error) {
	nc, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "tcp", o.addr)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return "", err
	}
	conn := nc
	if o.tls {
		tc := tls.Client(nc, clientTLS())
		if err := tc.HandshakeContext(ctx); err != nil {
			return "", err
		}
		describes, conn = describe(tc.ConnectionState()), tc
	}
	if _, err := conn.Write(g.request); err != nil {
		return describes, err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxHead))
	if err != nil {
		return describes, err
	}
	var s shape
	if n, err := s.take(answer); err != nil || n != len(answer) || n == 0 {
		return describes, fmt.Errorf("answer of %d bytes is not one answer: %w", len(answer), err)
	}
	return describes, nil
}
