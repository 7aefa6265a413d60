//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/burrownet/burrow/bench/internal/report"
	"github.com/burrownet/burrow/engine"
)

// slowPause is how long a server takes for /slow: its connections begin spread
// over that time, as clients do.
const slowPause = 50 * time.Millisecond

// connectTimeout bounds the dial and the handshake of one connection.
const connectTimeout = 10 * time.Second

// keepalive keeps o.conns connections busy and measures for o.duration.
func (o *options) keepalive(ctx context.Context) (*report.Result, error) {
	e := &engine.Engine{Driver: engine.DriverEpoll, Loops: 1}
	r := &report.Result{}
	fast := newGroup(request(o.addr, o.path, o.headers), o.pipeline)
	fast.paced = o.rate > 0
	clients, err := o.connect(ctx, e, fast, o.conns, r)
	if err != nil {
		return nil, err
	}
	slow := newGroup(request(o.addr, "/slow", o.headers), 1)
	sleepers, err := o.connect(ctx, e, slow, o.slow, r)
	if err != nil {
		return nil, err
	}
	if err := startAll(ctx, sleepers, slowPause); err != nil {
		return nil, err
	}
	if o.rate > 0 {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		go pace(ctx, clients, o.rate)
	} else if err := startAll(ctx, clients, 0); err != nil {
		return nil, err
	}
	if err := o.measure(ctx, r, fast, slow); err != nil {
		return nil, err
	}
	fast.addTo(r)
	slow.addTo(r)
	if r.Requests == 0 && r.Errors == 0 {
		return nil, errors.New("keepalive: not one answer within the window")
	}
	return r, nil
}

// measure waits for the warm-up, then counts for o.duration. Counters and
// clocks are read while the group stands still.
func (o *options) measure(ctx context.Context, r *report.Result, fast, slow *group) error {
	if err := sleep(ctx, o.warmup); err != nil {
		return err
	}
	slow.reset()
	fast.reset()
	w, err := openWindow(o.pid)
	if err != nil {
		return err
	}
	if err := sleep(ctx, o.duration); err != nil {
		return err
	}
	fast.stop()
	if err := w.shut(r); err != nil {
		return err
	}
	slow.stop()
	r.Requests, r.Latency = fast.requests, fast.latency.latency()
	if o.slow > 0 {
		r.Slow = &report.Slow{Requests: slow.requests, Latency: slow.latency.latency()}
	}
	return nil
}

// connect opens n connections of g and hands them to the engine.
func (o *options) connect(ctx context.Context, e *engine.Engine, g *group, n int, r *report.Result) ([]*client, error) {
	clients := make([]*client, 0, n)
	for range n {
		nc, link, err := o.dial(ctx)
		if err != nil {
			return nil, err
		}
		cl := &client{group: g, tls: link}
		if link != nil {
			r.TLS = describe(link.tls.ConnectionState())
		}
		if err := cl.attach(e, nc); err != nil {
			return nil, err
		}
		clients = append(clients, cl)
	}
	return clients, nil
}

// dial connects and, for HTTPS, shakes hands.
func (o *options) dial(ctx context.Context) (net.Conn, *tlsLink, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.addr)
	if err != nil || !o.tls {
		return nc, nil, err
	}
	link, err := handshake(ctx, nc)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return nc, link, nil
}

// startAll sends every client's first request, spread over that time.
func startAll(ctx context.Context, clients []*client, over time.Duration) error {
	began := now()
	for i, cl := range clients {
		at := began + over*time.Duration(i)/time.Duration(len(clients))
		if wait := at - now(); wait > 0 {
			if err := sleep(ctx, wait); err != nil {
				return err
			}
		}
		if err := cl.start(); err != nil {
			return err
		}
	}
	return nil
}

// pace makes the clients send, in turn, rate times a second until ctx ends.
func pace(ctx context.Context, clients []*client, rate int) {
	interval := time.Second / time.Duration(rate)
	next := now()
	for i := 0; ; next += interval {
		if wait := next - now(); wait > 0 && sleep(ctx, wait) != nil || ctx.Err() != nil {
			return
		}
		cl, at := clients[i], next
		if cl.conn.Post(func() { cl.due(at) }) != nil {
			return
		}
		i = (i + 1) % len(clients)
	}
}

// clientTLS trusts any certificate (the servers make theirs at start) and
// resumes nothing.
func clientTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
}
