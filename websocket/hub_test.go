package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hubHandler does with its hub what a peer asks for, and answers.
func hubHandler(h *Hub) *Funcs {
	return &Funcs{OnMessage: func(c *Conn, _ MessageType, data []byte) {
		verb, arg, _ := strings.Cut(string(data), " ")
		answer := "ok"
		switch verb {
		case "join":
			if err := h.Join(c, arg); err != nil {
				answer = err.Error()
			}
		case "sub":
			if err := h.Subscribe(c, arg); err != nil {
				answer = err.Error()
			}
		case "unsub":
			answer = fmt.Sprint(h.Unsubscribe(c, arg))
		case "leave":
			answer = fmt.Sprint(h.Leave(c))
		case "pub":
			topic, text, _ := strings.Cut(arg, " ")
			h.Publish(context.Background(), topic, MessageText, []byte(text))
			return
		default:
			answer = string(data)
		}
		c.Write(context.Background(), MessageText, []byte(answer))
	}}
}

// ask sends a command of hubHandler.
func ask(p *peer, command, want string) {
	p.t.Helper()
	p.send(p.raw(fin|1, command))
	p.want("text " + want)
}

// subscriber is a peer that has subscribed to a topic.
func subscriber(t testing.TB, addr, topic string, header ...string) *peer {
	t.Helper()
	p := dialPeer(t, addr, "/", header...)
	ask(p, "sub "+topic, "ok")
	return p
}

// until polls for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("timeout: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func publish(t testing.TB, h *Hub, topic, text string, want int) {
	t.Helper()
	n, err := h.Publish(background(t), topic, MessageText, []byte(text))
	if n != want || err != nil {
		t.Errorf("publish to %s: %d, %v, want %d", topic, n, err, want)
	}
}

// TestHub: topics, ids, and leaving.
func TestHub(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		h := &Hub{MaxTopics: 2}
		addr := s.start(t, &AcceptOptions{Handler: hubHandler(h)})
		a, b := dialPeer(t, addr, "/"), dialPeer(t, addr, "/")
		ask(a, "join alice", "ok")
		ask(a, "join alice", ErrJoined.Error())
		ask(a, "sub news", "ok")
		ask(a, "sub news", "ok")
		ask(b, "sub news", "ok")
		ask(b, "sub other", "ok")
		ask(b, "sub third", ErrTooManyTopics.Error())
		publish(t, h, "nobody", "x", 0)
		publish(t, h, "news", "one", 2)
		publish(t, h, "other", "two", 1)
		a.want("text one")
		b.want("text one")
		b.want("text two")
		n, err := h.PublishTo(background(t), []string{"bob", "alice", "alice", ""}, MessageBinary, []byte("three"))
		if n != 1 || err != nil {
			t.Errorf("PublishTo: %d, %v, want 1", n, err)
		}
		if n, _ := h.PublishTo(background(t), nil, MessageText, nil); n != 0 {
			t.Errorf("PublishTo nobody: %d", n)
		}
		a.want("binary three")
		n, err = h.Send(background(t), Publication{Topic: "news", Data: []byte("four"), Except: "alice"})
		if n != 1 || err != nil {
			t.Errorf("all but alice: %d, %v, want 1", n, err)
		}
		b.want("text four")
		b.send(b.raw(fin|1, "pub news from within"))
		a.want("text from within")
		b.want("text from within")
		ask(a, "unsub news", "true")
		ask(a, "unsub news", "false")
		publish(t, h, "news", "five", 1)
		b.want("text five")
		ask(b, "leave", "true")
		ask(b, "leave", "false")
		publish(t, h, "news", "six", 0)
		a.nc.Close()
		until(t, "the connection leaves", func() bool { return h.Len() == 0 })
		want := HubStats{Published: 9, Encoded: 6, Sent: 8}
		until(t, "the counts", func() bool { return h.Stats().Sent == want.Sent })
		if got := h.Stats(); got != want {
			t.Errorf("stats\n got %+v\nwant %+v", got, want)
		}
	})
}

// TestHubSend: what is no message.
func TestHubSend(t *testing.T) {
	t.Parallel()
	h := &Hub{}
	for _, tc := range []struct {
		p    Publication
		want error
	}{
		{Publication{}, nil},
		{Publication{IDs: []string{"nobody"}}, nil},
		{Publication{Type: 8}, errType},
		{Publication{Topic: "a", IDs: []string{"b"}}, errTarget},
	} {
		if n, err := h.Send(background(t), tc.p); n != 0 || err != tc.want {
			t.Errorf("%+v: %d, %v, want %v", tc.p, n, err, tc.want)
		}
	}
}

// TestHubEnded: a connection that has ended cannot join, and leaves all of its hubs.
func TestHubEnded(t *testing.T) {
	t.Parallel()
	hubs := []*Hub{{}, {}, {}}
	c, p := memPeer(t, common{}, false)
	for _, h := range hubs {
		must(t, "subscribe", h.Subscribe(c, "a"))
		must(t, "subscribe", h.Subscribe(c, "b"))
	}
	if !hubs[1].Leave(c) || hubs[1].Leave(c) {
		t.Error("Leave does not report whether there was something to leave")
	}
	c.CloseNow()
	p.nc.Close()
	for i, h := range hubs {
		if s := h.Stats(); s.Connections != 0 || s.Topics != 0 {
			t.Errorf("hub %d: %+v", i, s)
		}
		if err := h.Join(c, ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("join: %v, want %v", err, net.ErrClosed)
		}
		if err := h.Subscribe(c, "a"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("subscribe: %v, want %v", err, net.ErrClosed)
		}
	}
}

// TestHubSharedID: connections with the same id, which leave in any order.
func TestHubSharedID(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}} {
		h := &Hub{}
		var conns []*Conn
		for range 3 {
			c, p := memPeer(t, common{}, false)
			defer p.nc.Close()
			defer c.CloseNow()
			must(t, "join", h.Join(c, "x"))
			conns = append(conns, c)
		}
		for left, i := range order {
			n := 0
			for m := h.ids["x"]; m != nil; m = m.nextID {
				n++
			}
			if n != 3-left {
				t.Errorf("%v: %d connections with the id, want %d", order, n, 3-left)
			}
			h.Leave(conns[i])
		}
		if len(h.ids) != 0 {
			t.Errorf("%v: an id is left", order)
		}
	}
}

// TestHubOrder: concurrent calls of Publish reach all connections in one order,
// and each caller's in its own.
func TestHubOrder(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		const callers, each = 4, 200
		h := &Hub{BudgetBytes: -1}
		addr := s.start(t, &AcceptOptions{Handler: hubHandler(h)})
		var peers []*peer
		for range 3 {
			peers = append(peers, subscriber(t, addr, "t"))
		}
		var calls sync.WaitGroup
		for caller := range callers {
			calls.Go(func() {
				for i := range each {
					publish(t, h, "t", fmt.Sprintf("%d %d", caller, i), len(peers))
				}
			})
		}
		var orders [3][]string
		for i, p := range peers {
			for range callers * each {
				orders[i] = append(orders[i], p.read())
			}
		}
		calls.Wait()
		for i, o := range orders {
			if !slices.Equal(o, orders[0]) {
				t.Errorf("peer %d has another order than peer 0", i)
			}
		}
		next := map[string]int{}
		for _, m := range orders[0] {
			f := strings.Fields(m)
			if n, _ := strconv.Atoi(f[2]); n != next[f[1]] {
				t.Fatalf("%q, want number %d", m, next[f[1]])
			}
			next[f[1]]++
		}
	})
}

// TestHubChurn: connections come and go while messages are published: nobody gets
// one twice or out of order, and who stays gets all.
func TestHubChurn(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		const messages = 400
		h := &Hub{BudgetBytes: -1}
		addr := s.start(t, &AcceptOptions{Handler: hubHandler(h)})
		stays := subscriber(t, addr, "t")
		done := make(chan struct{})
		var churn sync.WaitGroup
		for range 3 {
			moves := dialPeer(t, addr, "/")
			ask(moves, "join m", "ok")
			churn.Go(func() {
				moves.t = t
				last := -1
				for {
					for _, verb := range []string{"sub t", "unsub t"} {
						moves.send(moves.raw(fin|1, verb))
						for m := moves.read(); m != "text ok" && m != "text true"; m = moves.read() {
							n, err := strconv.Atoi(strings.TrimPrefix(m, "text "))
							if err != nil || n <= last {
								t.Errorf("%q after %d", m, last)
								return
							}
							last = n
						}
					}
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		for i := range messages {
			h.Publish(background(t), "t", MessageText, []byte(strconv.Itoa(i)))
			if i%100 == 0 {
				dialPeer(t, addr, "/").nc.Close()
				subscriber(t, addr, "t").nc.Close()
			}
		}
		for i := range messages {
			stays.want("text " + strconv.Itoa(i))
		}
		close(done)
		churn.Wait()
	})
}

// TestHubRejoin: who leaves and comes back during a message does not get it twice.
func TestHubRejoin(t *testing.T) {
	t.Parallel()
	x := &topic{}
	a, b := &member{}, &member{}
	at := x.add(a)
	x.add(b)
	turn := x.begin()
	x.drop(at)
	x.add(a)
	var list [windowLen]*member
	if n, next := x.members(&list, 0, turn); n != 1 || next != -1 || list[0] != b {
		t.Errorf("%d members, next %d, want b alone", n, next)
	}
	for range 2 * windowLen {
		x.add(&member{})
	}
	n, next := x.members(&list, 0, x.begin())
	if n != windowLen || next != windowLen {
		t.Errorf("%d members, next %d, want %d each", n, next, windowLen)
	}
}

// TestHubClosing: connections are closed, by either side, during messages.
func TestHubClosing(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		h := &Hub{}
		handler := hubHandler(h)
		conns := make(chan *Conn, 20)
		handler.OnOpen = func(c *Conn) { conns <- c }
		addr := s.start(t, &AcceptOptions{Handler: handler})
		for i := range 20 {
			p := subscriber(t, addr, "t")
			c := await(t, "the connection", conns)
			go func() {
				switch i % 4 {
				case 0:
					p.nc.Close()
				case 1:
					p.nc.Write(p.raw(fin|8, "\x03\xe8"))
				case 2:
					go c.Close(StatusGoingAway, "") // in blocking style it waits for what follows
				case 3:
					c.CloseNow()
				}
				p.nc.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
				for p.nc != nil {
					if _, err := p.nc.Read(make([]byte, 1024)); err != nil {
						break
					}
				}
				p.nc.Close()
			}()
			for range 20 {
				h.Publish(background(t), "t", MessageText, []byte("x"))
			}
		}
		until(t, "all have left", func() bool { return h.Len() == 0 })
		if s := h.Stats(); s.Topics != 0 {
			t.Errorf("%d topics are left", s.Topics)
		}
	})
}
