//go:build linux

package main

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/burrownet/burrow/bench/internal/report"
	"github.com/burrownet/burrow/engine"
)

// wsEcho keeps o.conns WebSockets busy and measures for o.duration.
func (o *options) wsEcho(ctx context.Context) (*report.Result, error) {
	traffic, err := newWSTraffic(o.payload, o.deflate, "")
	if err != nil {
		return nil, err
	}
	g := newGroup(nil, 1)
	conns, err := o.wsDialAll(ctx, o.conns)
	if err != nil {
		return nil, err
	}
	e := &engine.Engine{Driver: engine.DriverEpoll, Loops: 1}
	clients := make([]*wsClient, len(conns))
	for i, nc := range conns {
		cl := &wsClient{group: g}
		if cl.frame, cl.want, err = traffic.message(i); err != nil {
			return nil, err
		}
		if cl.conn, err = e.Attach(nc, cl); err != nil {
			return nil, err
		}
		clients[i] = cl
	}
	for _, cl := range clients {
		if err := cl.start(); err != nil {
			return nil, err
		}
	}
	r := &report.Result{}
	if err := o.measure(ctx, r, g, newGroup(nil, 1)); err != nil {
		return nil, err
	}
	g.addTo(r)
	if r.Requests == 0 && r.Errors == 0 {
		return nil, errors.New("ws: not one answer within the window")
	}
	return r, nil
}

// wsDialAll opens n plain WebSockets, some at a time.
func (o *options) wsDialAll(ctx context.Context, n int) ([]net.Conn, error) {
	conns := make([]net.Conn, n)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	for first := range min(n, holdDialers) {
		group.Go(func() {
			for i := first; i < n && ctx.Err() == nil; i += holdDialers {
				var err error
				if conns[i], _, err = o.wsDial(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return conns, context.Cause(ctx)
}
