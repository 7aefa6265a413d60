package main

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/burrownet/burrow/engine"
)

// epoch is where the clock of this process begins.
var epoch = time.Now()

func now() time.Duration { return time.Since(epoch) }

// client is one connection of the load: an engine.Protocol that sends its
// group's request, waits for all the answers, and sends again. With a rate it
// sends when a request is due instead. group.mu guards the fields.
type client struct {
	group *group
	tls   *tlsLink // nil: plain
	conn  *engine.Conn

	waiting int             // answers that are still to come
	sent    time.Duration   // when they were asked for
	late    []time.Duration // moments that found the connection busy, oldest first
}

// attach hands nc to the engine. It sends nothing yet.
func (cl *client) attach(e *engine.Engine, nc net.Conn) error {
	conn, err := e.Attach(nc, cl)
	if err != nil {
		return err
	}
	cl.conn = conn
	if cl.tls != nil {
		cl.tls.conn = conn
	}
	return nil
}

// start sends the first request.
func (cl *client) start() error {
	return cl.conn.Post(func() { cl.due(now()) })
}

// due says that a request is to be sent at the moment at: latency counts from
// there when the connection is still busy, so that a server that stalls is
// charged for all that it held up.
func (cl *client) due(at time.Duration) {
	if err := cl.sendIfIdle(at); err != nil {
		cl.conn.Close() // not under group.mu: it may call Closed at once
	}
}

func (cl *client) sendIfIdle(at time.Duration) error {
	cl.group.mu.Lock()
	defer cl.group.mu.Unlock()
	if cl.waiting > 0 {
		cl.late = append(cl.late, at)
		return nil
	}
	return cl.sendLocked(now())
}

// sendLocked asks depth times, in one write; latency counts from at.
func (cl *client) sendLocked(at time.Duration) error {
	if cl.group.stopped {
		return nil
	}
	cl.waiting, cl.sent = cl.group.depth, at
	if cl.tls != nil {
		return cl.tls.write(cl.group.request)
	}
	_, err := cl.conn.Write(cl.group.request)
	return err
}

// Data takes answers and, when the last one is there, asks again.
func (cl *client) Data(c *engine.Conn, b []byte) (int, error) {
	cl.group.mu.Lock()
	defer cl.group.mu.Unlock()
	if c.EOF() {
		return len(b), io.ErrUnexpectedEOF
	}
	if cl.tls == nil {
		return cl.answersLocked(b)
	}
	plain, err := cl.tls.read(b)
	if err != nil {
		return len(b), err
	}
	n, err := cl.answersLocked(plain)
	cl.tls.keep(n)
	return len(b), err
}

// answersLocked returns how many bytes of b were whole answers.
func (cl *client) answersLocked(b []byte) (used int, err error) {
	g, got := cl.group, 0
	for used < len(b) {
		n, err := g.shape.take(b[used:])
		if err != nil {
			return used, err
		}
		if n == 0 {
			break
		}
		used += n
		got++
	}
	if got > cl.waiting || got == cl.waiting && used < len(b) {
		return used, errors.New("more answers than requests")
	}
	if got == 0 {
		return used, nil
	}
	at := now()
	g.countLocked(got, at, cl.sent)
	if cl.waiting -= got; cl.waiting > 0 {
		return used, nil
	}
	if !g.paced {
		return used, cl.sendLocked(at)
	}
	if len(cl.late) > 0 {
		at, cl.late = cl.late[0], cl.late[1:]
		return used, cl.sendLocked(at)
	}
	return used, nil
}

// Timeout is never asked for.
func (*client) Timeout(*engine.Conn) {}

// Drain is never told: the process ends instead.
func (*client) Drain(*engine.Conn) {}

// Closed counts a connection that ended before the run did.
func (cl *client) Closed(_ *engine.Conn, err error) {
	cl.group.mu.Lock()
	defer cl.group.mu.Unlock()
	if err == nil {
		err = io.EOF
	}
	cl.group.failLocked(err)
}
