//go:build linux

package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// station sends what is for all to all, with a goroutine and a queue for each, and
// the rest back to its sender.
type station struct {
	mu    sync.Mutex
	all   map[chan []byte]bool
	times int // that a message for all is sent
}

func (s *station) serve(c *websocket.Conn) {
	queue := make(chan []byte, 16)
	s.mu.Lock()
	if s.all == nil {
		s.all = map[chan []byte]bool{}
	}
	s.all[queue] = true
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for m := range queue {
			c.WriteMessage(websocket.BinaryMessage, m)
		}
	}()
	for {
		_, m, err := c.ReadMessage()
		if err != nil {
			break
		}
		if !bytes.HasPrefix(m, []byte(wsFeedPrefix)) {
			queue <- m
			continue
		}
		s.mu.Lock()
		for q := range s.all {
			for range s.times {
				select {
				case q <- m:
				default: // too slow
				}
			}
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	delete(s.all, queue)
	s.mu.Unlock()
	c.Close()
	close(queue)
	<-ended
}

func TestWSStuck(t *testing.T) {
	stuck := func(times int) *options {
		o := serveWS(t, false, &websocket.Upgrader{}, (&station{times: times}).serve)
		o.mode, o.conns, o.every, o.payload = "ws-stuck", 20, 5*time.Millisecond, 1<<10
		return o
	}
	r := measured(t, stuck(1))
	for what, r := range map[string]int64{"alone": r.Alone.Requests, "beside": r.Requests} {
		if r == 0 {
			t.Errorf("%s: no delivery", what)
		}
	}
	if r.Alone.Due == 0 || r.Requests > 2*r.Due || len(r.Memory) != 1 || r.Memory[0].RSS == 0 || r.Latency.P99 <= 0 || r.Alone.Latency.P99 <= 0 {
		t.Errorf("result = %+v, alone %+v", r, r.Alone)
	}
	if r, err := stuck(2).run(t.Context()); err == nil && (r.Errors == 0 || !strings.Contains(r.FirstError, "came after")) {
		t.Errorf("every message comes twice, and the result is %+v; want errors", r)
	}
	if o := stuck(0); o.check(nil) != nil {
		t.Error("the options are not allowed")
	} else if o.every = 0; o.check(nil) == nil {
		t.Error("no interval is allowed")
	}
}
