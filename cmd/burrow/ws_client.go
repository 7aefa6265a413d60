package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/burrownet/burrow/websocket"
)

// wsSession is one run of the console: one connection, or with --reconnect one
// after the other. Its fields belong to the goroutine of run.
type wsSession struct {
	verb    *wsVerb
	out     *wsOutput
	options *websocket.DialOptions
	input   *wsInput

	unsent   []byte // a message that the last connection broke under; nil: none
	inputEnd bool
	left     int       // messages still to be received with --count
	opened   time.Time // when the last connection was; zero: not at all
}

// How a connection ends that nobody has closed.
var (
	errEnough = errors.New("enough messages") // --count of them
	errNoPong = errors.New("no answer to a ping")
)

// runClient talks to a server.
func (v *wsVerb) runClient(t *terminal) error {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // the next signal ends the process
	options, err := v.dialOptions()
	if err != nil {
		return err
	}
	out := v.output(t)
	if v.Insecure {
		out.warn("Warning: --insecure: whoever is on the way can read and change everything.")
	}
	s := &wsSession{verb: v, out: out, options: options, left: v.Count}
	s.input = newWSInput(os.Stdin, v.Binary, v.MaxMessage)
	return s.run(ctx)
}

// Times between two attempts to connect: they double from the first to the
// longest, and begin anew after a connection that held as long as that.
const (
	firstDelay   = time.Second
	longestDelay = 30 * time.Second
)

// run connects until there is no point in doing so again.
func (s *wsSession) run(ctx context.Context) error {
	for delay := firstDelay; ; delay = min(2*delay, longestDelay) {
		s.opened = time.Time{}
		again, err := s.once(ctx)
		if err != nil {
			s.out.event(&wsEvent{Event: "error", Error: err.Error()}, "")
		}
		if !again || !s.verb.Reconnect {
			return err
		}
		if !s.opened.IsZero() && time.Since(s.opened) >= longestDelay {
			delay = firstDelay
		}
		if !s.pause(ctx, delay, err) {
			return nil
		}
	}
}

// pause waits for about a delay, so that not all clients of a server come back at
// once. It is false when ctx has ended.
func (s *wsSession) pause(ctx context.Context, delay time.Duration, err error) bool {
	delay = delay*3/4 + rand.N(delay/2)
	line := fmt.Sprintf("Connecting again in %.1f s.", delay.Seconds())
	if err != nil {
		line = err.Error() + "\n" + line
	}
	s.out.event(&wsEvent{Event: "retry", Millis: millis(delay)}, line)
	select {
	case <-time.After(delay):
		return true
	case <-ctx.Done():
		return false
	}
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// once is one connection, and again says whether another may do better.
func (s *wsSession) once(ctx context.Context) (again bool, err error) {
	c, err := websocket.Dial(ctx, s.verb.URL, s.options)
	if err != nil {
		if ctx.Err() != nil {
			return false, errors.New("interrupted before there was a connection")
		}
		return !lasting(err), adviseDial(err)
	}
	defer c.CloseNow()
	s.opened = time.Now()
	line := "Connected to " + s.verb.shown
	if name := c.Subprotocol(); name != "" {
		line += ", sub-protocol " + name
	}
	if c.Compressed() {
		line += ", compressed"
	}
	s.out.event(&wsEvent{Event: "open", URL: s.verb.shown, Subprotocol: c.Subprotocol(), Compressed: c.Compressed()}, line)
	return s.talk(ctx, c)
}

// wsReceiver is what runs beside the goroutine that sends.
type wsReceiver struct {
	group   sync.WaitGroup
	arrived chan struct{} // something has, since this was looked at
	ended   chan error    // why no more does; the first is the cause
}

// receive starts to read, and to ping. stop is called when the connection has ended.
func (s *wsSession) receive(ctx context.Context, c *websocket.Conn, stop func()) *wsReceiver {
	r := &wsReceiver{arrived: make(chan struct{}, 1), ended: make(chan error, 2)}
	r.group.Go(func() {
		defer stop()
		r.ended <- s.read(c, r)
	})
	if s.verb.Ping > 0 {
		r.group.Go(func() {
			if err := s.ping(ctx, c); err != nil {
				r.ended <- err
				c.CloseNow()
			}
		})
	}
	return r
}

// read writes messages until there are none, or enough.
func (s *wsSession) read(c *websocket.Conn, r *wsReceiver) error {
	var buf []byte
	for {
		t, data, err := c.ReadAppend(context.Background(), buf[:0])
		if err != nil {
			return err
		}
		if err := s.out.message(t, data); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
		buf = data
		if s.left--; s.left == 0 { // was 0 already without --count
			return errEnough
		}
		select {
		case r.arrived <- struct{}{}:
		default:
		}
	}
}

// leastPong is how long at least the answer to a ping may take.
const leastPong = 5 * time.Second

// ping pings until ctx ends, or no answer comes.
func (s *wsSession) ping(ctx context.Context, c *websocket.Conn) error {
	tick := time.NewTicker(s.verb.Ping)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		limit := max(s.verb.Ping, leastPong)
		began := time.Now()
		waiting, cancel := context.WithTimeout(ctx, limit)
		err := c.Ping(waiting)
		cancel()
		took := time.Since(began)
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("%w for %s: the server, or the way to it, is gone", errNoPong, limit)
		case err != nil:
			return nil // the connection has ended: whoever reads knows why
		}
		s.out.event(&wsEvent{Event: "pong", Millis: millis(took)}, fmt.Sprintf("Pong after %.1f ms", millis(took)))
	}
}

// talk sends what is typed until one side ends the connection.
func (s *wsSession) talk(ctx context.Context, c *websocket.Conn) (again bool, err error) {
	running, stop := context.WithCancel(ctx)
	r := s.receive(running, c, stop)
	defer r.group.Wait()
	defer c.CloseNow()
	defer stop()
	var quiet *time.Timer // since when nothing has arrived, once the input has ended
	var silence <-chan time.Time
	for {
		if s.unsent != nil {
			if err := c.Write(running, s.messageType(), s.unsent); err != nil {
				return s.broken(ctx, c, r, err)
			}
			s.unsent = nil
		}
		if s.inputEnd && s.verb.Wait >= 0 && quiet == nil {
			quiet = time.NewTimer(s.verb.Wait)
			defer quiet.Stop()
			silence = quiet.C
		}
		select {
		case m, ok := <-s.nextInput():
			if err := s.typed(m, ok); err != nil {
				s.close(c, r)
				return false, err
			}
		case <-r.arrived:
			if quiet != nil {
				quiet.Reset(s.verb.Wait)
			}
		case err := <-r.ended:
			return s.ended(c, r, err)
		case <-silence:
			return false, s.close(c, r)
		case <-ctx.Done():
			s.close(c, r)
			return false, nil
		}
	}
}

func (s *wsSession) messageType() websocket.MessageType {
	if s.verb.Binary {
		return websocket.MessageBinary
	}
	return websocket.MessageText
}

// nextInput is nil, which nothing comes from, when the input has ended.
func (s *wsSession) nextInput() <-chan []byte {
	if s.inputEnd {
		return nil
	}
	return s.input.messages
}

// typed takes what the input gave.
func (s *wsSession) typed(m []byte, ok bool) error {
	if !ok {
		s.inputEnd = true
		return s.input.err
	}
	if s.unsent = m; m == nil {
		s.unsent = []byte{}
	}
	return nil
}

// endWait is how long who reads may take to find out why a write has failed.
const endWait = 2 * time.Second

// broken finds out what a failed write is due to. The message stays unsent.
func (s *wsSession) broken(ctx context.Context, c *websocket.Conn, r *wsReceiver, failed error) (again bool, err error) {
	if ctx.Err() != nil {
		s.close(c, r)
		return false, nil
	}
	select {
	case err := <-r.ended:
		return s.ended(c, r, err)
	case <-time.After(endWait):
		return true, failed
	}
}

// ended is called with what ended the connection.
func (s *wsSession) ended(c *websocket.Conn, r *wsReceiver, cause error) (again bool, err error) {
	if cause == errEnough {
		s.unsent = nil
		return false, s.close(c, r)
	}
	// Once all was said, another connection is for those who wait for the peer only.
	again = !s.inputEnd || s.verb.Wait < 0
	closed, ok := errors.AsType[*websocket.CloseError](cause)
	if !ok || closed.Code == websocket.StatusAbnormal {
		s.out.event(&wsEvent{Event: "close", Code: int(websocket.CloseStatus(cause)), By: s.byWhom(cause)}, "")
		silent := errors.Is(cause, errNoPong) || errors.Is(cause, websocket.ErrPongTimeout)
		return again && (ok || silent), cause
	}
	s.out.event(&wsEvent{Event: "close", Code: int(closed.Code), Reason: closed.Reason, By: "server"},
		"Closed by the server: "+closeText(closed.Code, closed.Reason))
	switch closed.Code {
	case websocket.StatusNormal:
		again = false
	case websocket.StatusGoingAway, websocket.StatusNoStatus:
	default:
		return again, fmt.Errorf("the server closed with %s", closeText(closed.Code, closed.Reason))
	}
	if s.unsent != nil {
		return again, errors.New("the server closed before everything was sent")
	}
	return again, nil
}

// byWhom says who ended a connection that broke, if anybody did: this side, when it
// found fault with the server.
func (s *wsSession) byWhom(cause error) string {
	if websocket.CloseStatus(cause) == websocket.StatusAbnormal {
		return ""
	}
	return "client"
}

// close ends the connection in order.
func (s *wsSession) close(c *websocket.Conn, r *wsReceiver) error {
	err := c.Close(websocket.StatusNormal, "")
	if errors.Is(err, net.ErrClosed) { // the server was first
		select {
		case cause := <-r.ended:
			if cause != errEnough {
				_, err := s.ended(c, r, cause)
				return err
			}
		case <-time.After(endWait):
		}
		err = nil
	}
	s.out.event(&wsEvent{Event: "close", Code: int(websocket.StatusNormal), By: "client"},
		"Closed: "+closeText(websocket.StatusNormal, ""))
	return err
}
