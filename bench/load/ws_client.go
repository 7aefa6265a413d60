package main

import (
	"errors"
	"io"
	"time"

	"github.com/burrownet/burrow/engine"
)

// wsClient is one WebSocket of the load: an engine.Protocol that sends its message,
// waits for it to come back, and sends it again. group.mu guards the fields.
type wsClient struct {
	group *group
	conn  *engine.Conn
	frame []byte // its message, ready to be sent
	want  *wsAnswer

	waiting bool
	sent    time.Duration // when
}

// start sends the message for the first time.
func (cl *wsClient) start() error {
	return cl.conn.Post(func() {
		cl.group.mu.Lock()
		err := cl.sendLocked(now())
		cl.group.mu.Unlock() // Close may call Closed at once
		if err != nil {
			cl.conn.Close()
		}
	})
}

func (cl *wsClient) sendLocked(at time.Duration) error {
	if cl.group.stopped {
		return nil
	}
	cl.waiting, cl.sent = true, at
	_, err := cl.conn.Write(cl.frame)
	return err
}

// Data takes the answer and sends the message again.
func (cl *wsClient) Data(c *engine.Conn, b []byte) (int, error) {
	cl.group.mu.Lock()
	defer cl.group.mu.Unlock()
	if c.EOF() {
		return len(b), io.ErrUnexpectedEOF
	}
	n, err := cl.want.take(b)
	if n == 0 {
		return 0, err
	}
	if !cl.waiting || n < len(b) {
		return n, errors.New("more answers than messages")
	}
	cl.waiting = false
	at := now()
	cl.group.countLocked(1, at, cl.sent)
	return n, cl.sendLocked(at)
}

// Timeout is never asked for.
func (*wsClient) Timeout(*engine.Conn) {}

// Drain is never told: the process ends instead.
func (*wsClient) Drain(*engine.Conn) {}

// Closed counts a connection that ended before the run did.
func (cl *wsClient) Closed(_ *engine.Conn, err error) { cl.group.lost(err) }

// lost counts a connection that ended.
func (g *group) lost(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		err = io.EOF
	}
	g.failLocked(err)
}
