//go:build linux

package main

import (
	"context"
	"errors"
	"time"

	"github.com/burrownet/burrow/bench/internal/report"
	"github.com/burrownet/burrow/engine"
)

// wsAudience is connections that all get what one of them sends: a message that
// begins with "all ". group.mu guards the fields. Deliveries are counted each; a
// latency is from the sending of a message to its last byte at the last connection.
type wsAudience struct {
	*group
	speaker   *engine.Conn
	frame     []byte
	listeners int

	missing int           // who have not got the message in progress
	sent    time.Duration // when it was
}

// sendLocked begins a broadcast.
func (a *wsAudience) sendLocked() error {
	if a.stopped {
		return nil
	}
	a.missing, a.sent = a.listeners, now()
	_, err := a.speaker.Write(a.frame)
	return err
}

// got counts one delivery, and sends again after the last.
func (a *wsAudience) got() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.missing--; !a.stopped {
		a.requests++
	}
	if a.missing > 0 {
		return nil
	}
	if !a.stopped {
		a.latency.add(now()-a.sent, 1)
	}
	return a.sendLocked()
}

// wsListener is one of them: an engine.Protocol.
type wsListener struct {
	audience *wsAudience
	want     wsAnswer
}

// Data takes messages.
func (l *wsListener) Data(c *engine.Conn, b []byte) (int, error) {
	if c.EOF() {
		return len(b), errors.New("a listener was sent away")
	}
	n, err := l.want.take(b)
	if n == 0 {
		return 0, err
	}
	if n < len(b) {
		return n, errors.New("a listener gets more than was sent")
	}
	return n, l.audience.got()
}

// Timeout is never asked for.
func (*wsListener) Timeout(*engine.Conn) {}

// Drain is never told: the process ends instead.
func (*wsListener) Drain(*engine.Conn) {}

// Closed counts a connection that ended before the run did.
func (l *wsListener) Closed(_ *engine.Conn, err error) { l.audience.lost(err) }

// wsBroadcast has one of o.conns connections send to all, again and again.
func (o *options) wsBroadcast(ctx context.Context) (*report.Result, error) {
	traffic, err := newWSTraffic(o.payload, o.deflate, "all ")
	if err != nil {
		return nil, err
	}
	frame, want, err := traffic.message(0)
	if err != nil {
		return nil, err
	}
	conns, err := o.wsDialAll(ctx, o.conns)
	if err != nil {
		return nil, err
	}
	e := &engine.Engine{Driver: engine.DriverEpoll, Loops: 1}
	a := &wsAudience{group: newGroup(nil, 1), frame: frame, listeners: o.conns}
	for _, nc := range conns {
		if a.speaker, err = e.Attach(nc, &wsListener{audience: a, want: *want}); err != nil {
			return nil, err
		}
	}
	a.mu.Lock()
	err = a.sendLocked()
	a.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r := &report.Result{}
	if err := o.measure(ctx, r, a.group, newGroup(nil, 1)); err != nil {
		return nil, err
	}
	a.addTo(r)
	if r.Latency.Max == 0 && r.Errors == 0 {
		return nil, errors.New("ws-broadcast: not one message has reached all within the window")
	}
	return r, nil
}
