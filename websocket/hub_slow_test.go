package websocket

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
)

const (
	slowBudget = 64 << 10
	slowSize   = 8 << 10
	slowCount  = 1500 // more than the sockets' buffers hold
)

// slowHub is a hub with a peer that does not read, and one that does.
func slowHub(t *testing.T, s server, h *Hub) (slow, quick *peer, c *Conn) {
	t.Helper()
	h.BudgetBytes = slowBudget
	handler := hubHandler(h)
	conns := make(chan *Conn, 1)
	handler.OnOpen = func(c *Conn) { conns <- c }
	addr := s.start(t, &AcceptOptions{Handler: handler, WriteTimeout: 20 * time.Second})
	slow = subscriber(t, addr, "t")
	slow.socket().SetReadBuffer(256 << 10)
	c = await(t, "the connection", conns)
	callbackOver(t, c)
	return slow, subscriber(t, addr, "t"), c
}

// callbackOver waits until nobody writes to c who has answered a message.
func callbackOver(t *testing.T, c *Conn) {
	t.Helper()
	until(t, "the callback ends", func() bool { return !c.has(stCallback | stCork | stOffLoop) })
	c.wmu.Lock()
	defer c.wmu.Unlock()
}

// flood publishes numbered messages while the slow peer's connection is in the hub;
// the quick peer gets all of them, at once.
func flood(t *testing.T, h *Hub, quick *peer, c *Conn, key func(i int) string) {
	t.Helper()
	pad := strings.Repeat(".", slowSize)
	for i := range slowCount {
		h.Send(background(t), Publication{Topic: "t", Data: fmt.Append(nil, i, " ", pad), Key: key(i)})
		quick.want(fmt.Sprint("text ", i, " ", pad))
		s, ok := h.ConnStats(c)
		if !ok {
			return // it was closed
		}
		if s.QueuedBytes > slowBudget {
			t.Fatalf("%d bytes wait, want %d at most", s.QueuedBytes, slowBudget)
		}
		if c.ev != nil && c.ev.Backlog() > slowBudget {
			t.Fatalf("%d bytes wait below, want %d at most", c.ev.Backlog(), slowBudget)
		}
	}
}

func noKey(int) string { return "" }

// number is that of a message of flood.
func number(t *testing.T, m string) int {
	t.Helper()
	f := strings.Fields(m)
	if len(f) != 3 || len(f[2]) != slowSize {
		t.Fatalf("got %s", short(m))
	}
	n, err := strconv.Atoi(f[1])
	must(t, "number", err)
	return n
}

// catchUp reads up to the last message of flood.
func catchUp(t *testing.T, p *peer, get func(n int)) (count int) {
	t.Helper()
	for {
		n := number(t, p.read())
		get(n)
		count++
		if n == slowCount-1 {
			return count
		}
	}
}

// TestHubDropOldest: who does not read loses the oldest messages, costs its budget,
// and nobody else notices.
func TestHubDropOldest(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		h := &Hub{}
		slow, quick, c := slowHub(t, s, h)
		flood(t, h, quick, c, noKey)
		slow.nc.SetDeadline(time.Now().Add(patience))
		last := -1
		got := catchUp(t, slow, func(n int) {
			if n <= last {
				t.Fatalf("%d after %d", n, last)
			}
			last = n
		})
		until(t, "the counts", func() bool {
			st, _ := h.ConnStats(c)
			return int(st.Sent) == got
		})
		st, _ := h.ConnStats(c)
		if st.Dropped == 0 || int(st.Sent+st.Dropped) != slowCount || st.Queued != 0 || st.QueuedBytes != 0 {
			t.Errorf("%+v, want %d messages in all, some of them dropped, and none left", st, slowCount)
		}
		all := h.Stats()
		if all.Sent != st.Sent+slowCount || all.Dropped != st.Dropped {
			t.Errorf("%+v, want those of two connections: %+v", all, st)
		}
		publish(t, h, "t", "caught up", 2)
		slow.want("text caught up")
	})
}

// TestHubLatestOnly: who does not read gets the latest of each key.
func TestHubLatestOnly(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		h := &Hub{Slow: LatestOnly}
		slow, quick, c := slowHub(t, s, h)
		flood(t, h, quick, c, func(i int) string { return strconv.Itoa(i % 4) })
		if st, _ := h.ConnStats(c); st.Queued != 4 {
			t.Errorf("%d messages wait, want 4", st.Queued)
		}
		slow.nc.SetDeadline(time.Now().Add(patience))
		latest := map[int]int{}
		got := 0
		for len(latest) < 4 || latest[0]+latest[1]+latest[2]+latest[3] != 4*slowCount-10 {
			n := number(t, slow.read())
			latest[n%4] = n
			got++
		}
		if got > slowCount/2 {
			t.Errorf("%d messages, want few", got)
		}
		publish(t, h, "t", "caught up", 2)
		slow.want("text caught up")
	})
}

// TestHubStuck: who does not read for longer than any timer of the engine's loses
// nothing but the oldest messages.
func TestHubStuck(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		h := &Hub{}
		slow, quick, c := slowHub(t, s, h)
		flood(t, h, quick, c, noKey)
		time.Sleep(1500 * time.Millisecond)
		slow.nc.SetDeadline(time.Now().Add(patience))
		catchUp(t, slow, func(int) {})
		publish(t, h, "t", "caught up", 2)
		slow.want("text caught up")
	})
}

// TestHubDisconnect: who does not read is closed.
func TestHubDisconnect(t *testing.T) {
	t.Parallel()
	for _, status := range []StatusCode{0, StatusTryAgainLater} {
		t.Run(strconv.Itoa(int(status)), func(t *testing.T) {
			t.Parallel()
			on(t, func(t *testing.T, s server) {
				h := &Hub{Slow: Disconnect, SlowStatus: status}
				slow, quick, c := slowHub(t, s, h)
				flood(t, h, quick, c, noKey)
				if st := h.Stats(); st.Disconnected != 1 || st.Connections != 1 || st.Dropped == 0 {
					t.Errorf("%+v, want one disconnected", st)
				}
				slow.nc.SetDeadline(time.Now().Add(patience))
				quick.nc.SetDeadline(time.Now().Add(patience))
				m := slow.read()
				for last := -1; strings.HasPrefix(m, "text"); m = slow.read() {
					if n := number(t, m); n != last+1 {
						t.Fatalf("%d after %d", n, last)
					}
					last++
				}
				if status == 0 {
					status = StatusPolicyViolation
				}
				if want := fmt.Sprintf("close %d too slow", status); m != want {
					t.Errorf("got %s, want %s", short(m), want)
				}
				slow.nc.Close()
				publish(t, h, "t", "one left", 1)
				quick.want("text one left")
			})
		})
	}
}

// TestHubCallback: who reads gets all, though a callback of its connection lasts.
func TestHubCallback(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		h := &Hub{Slow: Disconnect, BudgetBytes: slowBudget}
		handler := hubHandler(h)
		answer := handler.OnMessage
		entered, over := make(chan bool, 1), make(chan bool)
		handler.OnMessage = func(c *Conn, typ MessageType, data []byte) {
			answer(c, typ, data)
			if string(data) == "wait" {
				entered <- true
				<-over
			}
		}
		p := subscriber(t, s.start(t, &AcceptOptions{Handler: handler}), "t")
		defer close(over)
		ask(p, "wait", "wait")
		await(t, "the callback", entered)
		for i := range 30 {
			text := fmt.Sprint(i, strings.Repeat(".", slowSize))
			publish(t, h, "t", text, 1)
			p.want("text " + text)
		}
		if st := h.Stats(); st.Dropped+st.Disconnected > 0 {
			t.Errorf("%+v, want nothing dropped", st)
		}
	})
}

// TestHubLargeMessage: what is larger than the budget goes to who has read all.
func TestHubLargeMessage(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		for _, gather := range []time.Duration{0, time.Millisecond} {
			h := &Hub{BudgetBytes: 1000, Gather: gather}
			p := subscriber(t, s.start(t, &AcceptOptions{Handler: hubHandler(h)}), "t")
			large := strings.Repeat("x", 100_000)
			publish(t, h, "t", large, 1)
			p.want("text " + large)
		}
	})
}

// TestHubGather: messages of a window leave together, in order.
func TestHubGather(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		h := &Hub{Gather: 50 * time.Millisecond}
		p := subscriber(t, s.start(t, &AcceptOptions{Handler: hubHandler(h)}), "t")
		for round := range 3 {
			for i := range 20 {
				publish(t, h, "t", fmt.Sprint(round, " ", i), 1)
			}
			p.want(fmt.Sprintf("text %d 0", round))
			if len(p.in) == 0 {
				t.Error("a message came alone")
			}
			for i := range 19 {
				p.want(fmt.Sprintf("text %d %d", round, i+1))
			}
		}
	})
}

// TestHubGatherBurst: a window with more in it than the budget is no slow reader.
func TestHubGatherBurst(t *testing.T) {
	t.Parallel()
	for _, s := range servers() {
		if !s.event || s.driver == engine.DriverGoroutine {
			continue // there a goroutine writes, when it gets to it
		}
		h := &Hub{Gather: time.Second, BudgetBytes: 2000, Slow: Disconnect}
		p := subscriber(t, s.start(t, &AcceptOptions{Handler: hubHandler(h)}), "t")
		text := strings.Repeat("x", 500)
		for range 3 {
			publish(t, h, "t", text, 1)
		}
		publish(t, h, "t", text, 1) // the budget is used up: all four leave
		for range 4 {
			p.want("text " + text)
		}
	}
}

// TestHubHeld: who cannot be written to because somebody else is writing is no slow
// reader, unless that lasts.
func TestHubHeld(t *testing.T) {
	t.Parallel()
	h := &Hub{BudgetBytes: 2000, Slow: Disconnect}
	conns := make(chan *Conn, 1)
	handler := hubHandler(h)
	handler.OnOpen = func(c *Conn) { conns <- c }
	p := subscriber(t, servers()[1].start(t, &AcceptOptions{Handler: handler}), "t")
	c := await(t, "the connection", conns)
	callbackOver(t, c)
	c.wmu.Lock()
	text := strings.Repeat("x", 500)
	for range 6 {
		publish(t, h, "t", text, 1)
	}
	c.wmu.Unlock()
	publish(t, h, "t", text, 1)
	for range 7 {
		p.want("text " + text)
	}
	c.wmu.Lock()
	for range 7 {
		publish(t, h, "t", text, 1)
	}
	publish(t, h, "t", text, 0)
	c.wmu.Unlock()
	p.want("close 1008 too slow")
}

// TestHubStreaming: a message waits for the end of one that is sent in pieces.
func TestHubStreaming(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		h := &Hub{}
		handler := hubHandler(h)
		conns := make(chan *Conn, 1)
		handler.OnOpen = func(c *Conn) { conns <- c }
		p := subscriber(t, s.start(t, &AcceptOptions{Handler: handler}), "t")
		w, err := await(t, "the connection", conns).Writer(context.Background(), MessageText)
		must(t, "writer", err)
		w.Write([]byte("in "))
		publish(t, h, "t", "between", 1)
		w.Write([]byte("pieces"))
		must(t, "close", w.Close())
		p.want("text in pieces")
		p.want("text between")
	})
}
