//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/burrownet/burrow/bench/internal/procstat"
	"github.com/burrownet/burrow/bench/internal/report"
	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/wsframe"
)

// wsFeed is connections that all get what one of them sends, at a fixed rate: first
// alone, then beside one more that never reads. group.mu guards the fields. A latency
// is from the sending of a message to its last byte at one of the connections.
type wsFeed struct {
	*group
	speaker   *engine.Conn
	listeners int    // immutable
	payload   []byte // "all ", the number of the message, noise; immutable but for the number

	sent   uint64 // messages so far: the number of the last one
	newest int    // connections that have that
	sentAt [1 << 12]time.Duration
}

// The number of a message stands behind this prefix, in network byte order.
const wsFeedPrefix = "all "

const wsFeedHead = len(wsFeedPrefix) + 8

// send sends the next message.
func (f *wsFeed) send() error {
	f.mu.Lock()
	f.sent, f.newest = f.sent+1, 0
	binary.BigEndian.PutUint64(f.payload[len(wsFeedPrefix):], f.sent)
	frame := wsframe.AppendHeader(nil, wsframe.Header{Opcode: wsframe.Binary, Fin: true, Masked: true, Key: wsframe.Key{1, 2, 3, 4}, Length: int64(len(f.payload))})
	frame = append(frame, f.payload...)
	wsframe.Mask(frame[len(frame)-len(f.payload):], wsframe.Key{1, 2, 3, 4})
	f.sentAt[f.sent%uint64(len(f.sentAt))] = now()
	f.mu.Unlock()
	_, err := f.speaker.Write(frame)
	return err
}

// run sends a message every so often until ctx ends. What cannot be sent in time is
// sent late, none is left out.
func (f *wsFeed) run(ctx context.Context, every time.Duration) error {
	for due := now(); ; due += every {
		if wait := due - now(); wait > 0 && sleep(ctx, wait) != nil || ctx.Err() != nil {
			return nil
		}
		if err := f.send(); err != nil {
			return fmt.Errorf("sending to all: %w", err)
		}
	}
}

// wsQuiet bounds how long the deliveries may last after the last message.
const wsQuiet = 3 * time.Minute

// quiet waits until all connections have the last message.
func (f *wsFeed) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, wsQuiet)
	defer cancel()
	for {
		f.mu.Lock()
		done := f.newest == f.listeners
		f.mu.Unlock()
		if done {
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("ws-stuck: the deliveries do not end: %w", err)
		}
	}
}

// got counts a delivery.
func (f *wsFeed) got(number uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if number > f.sent || number+uint64(len(f.sentAt)) <= f.sent {
		return fmt.Errorf("message %d came when %d were sent", number, f.sent)
	}
	if number == f.sent {
		f.newest++
	}
	f.countLocked(1, now(), f.sentAt[number%uint64(len(f.sentAt))])
	return nil
}

// wsFollower is one of the connections: an engine.Protocol.
type wsFollower struct {
	feed *wsFeed
	last uint64 // the number of the last message
}

// Data takes messages: of a server that drops some, not each of them comes, but none
// twice or out of order.
func (l *wsFollower) Data(c *engine.Conn, b []byte) (int, error) {
	if c.EOF() {
		return len(b), errors.New("a listener was sent away")
	}
	used := 0
	for {
		header, length, err := serverFrame(b[used:])
		if err != nil || header == 0 || len(b) < used+header+length {
			return used, err
		}
		if err := l.take(b[used+header : used+header+length]); err != nil {
			return used, err
		}
		used += header + length
	}
}

func (l *wsFollower) take(p []byte) error {
	want := l.feed.payload
	if len(p) != len(want) || string(p[:len(wsFeedPrefix)]) != wsFeedPrefix || !bytes.Equal(p[wsFeedHead:], want[wsFeedHead:]) {
		return fmt.Errorf("message is not what was sent: %.100q", p)
	}
	number := binary.BigEndian.Uint64(p[len(wsFeedPrefix):])
	if number <= l.last {
		return fmt.Errorf("message %d came after %d", number, l.last)
	}
	l.last = number
	return l.feed.got(number)
}

// Timeout is never asked for.
func (*wsFollower) Timeout(*engine.Conn) {}

// Drain is never told: the process ends instead.
func (*wsFollower) Drain(*engine.Conn) {}

// Closed counts a connection that ended before the run did.
func (l *wsFollower) Closed(_ *engine.Conn, err error) { l.feed.lost(err) }

// wsStuck measures the deliveries to o.conns connections, without and then with one
// that never reads. The result is that of the second window.
func (o *options) wsStuck(ctx context.Context) (*report.Result, error) {
	traffic, err := newWSTraffic(o.payload, false, wsFeedPrefix)
	if err != nil {
		return nil, err
	}
	conns, err := o.wsDialAll(ctx, o.conns)
	if err != nil {
		return nil, err
	}
	f := &wsFeed{group: newGroup(nil, 1), listeners: o.conns, payload: traffic.payload(0)}
	e := &engine.Engine{Driver: engine.DriverEpoll, Loops: 1}
	for _, nc := range conns {
		if f.speaker, err = e.Attach(nc, &wsFollower{feed: f}); err != nil {
			return nil, err
		}
	}
	alone, err := o.wsStuckWindow(ctx, f)
	if err == nil {
		err = f.quiet(ctx)
	}
	if err != nil {
		return nil, err
	}
	stuck, err := o.wsNeverRead(ctx)
	if err != nil {
		return nil, err
	}
	defer stuck.Close()
	r, err := o.wsStuckWindow(ctx, f)
	if err != nil {
		return nil, err
	}
	r.Alone = alone
	f.addTo(r)
	return r, nil
}

// wsStuckWindow is one of the two windows, with the memory at its end.
func (o *options) wsStuckWindow(ctx context.Context, f *wsFeed) (*report.Result, error) {
	f.mu.Lock()
	f.stopped = false
	f.mu.Unlock()
	sending, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f.run(sending, o.every); err != nil {
			cancel(err)
		}
	}()
	r := &report.Result{}
	if err := o.measure(sending, r, f.group, newGroup(nil, 1)); err != nil {
		return nil, errors.Join(err, context.Cause(sending))
	}
	cancel(nil)
	<-ended
	r.Due = int64(r.Elapsed/o.every) * int64(o.conns)
	if o.pid != 0 {
		rss, err := procstat.RSS(o.pid)
		if err != nil {
			return nil, err
		}
		r.Memory = []report.Plateau{{Conns: o.conns, RSS: rss, Alive: o.conns}}
	}
	return r, nil
}

// wsEchoed is what a connection that never reads sends at most, to be echoed, in
// bytes: more than the buffers of both sockets hold.
const wsEchoed = 16 << 20

// wsNeverRead opens a WebSocket that never reads, and has the server fill what the
// sockets hold with echoes, so that it is stuck from the beginning on.
func (o *options) wsNeverRead(ctx context.Context) (net.Conn, error) {
	nc, _, err := o.wsDial(ctx)
	if err != nil {
		return nil, err
	}
	if err := nc.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		return nil, err
	}
	traffic, err := newWSTraffic(1<<10, false, "")
	if err != nil {
		return nil, err
	}
	frame, _, err := traffic.message(0)
	if err != nil {
		return nil, err
	}
	lump := bytes.Repeat(frame, 64)
	for sent := 0; sent < wsEchoed && err == nil; sent += len(lump) {
		nc.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		_, err = nc.Write(lump)
	}
	if err == nil {
		return nil, errors.New("ws-stuck: the server takes all from a connection that never reads")
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("ws-stuck: %w", err)
	}
	return nc, nil
}
