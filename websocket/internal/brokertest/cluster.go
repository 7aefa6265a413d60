package brokertest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/burrownet/burrow/websocket"
)

// Patience bounds whatever a test waits for.
const Patience = 30 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Until waits for ok, and fails the test with what it has waited for.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("timeout: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// node is a hub, and a client whose connection has subscribed to "t".
type node struct {
	hub    *websocket.Hub
	client *websocket.Conn
}

func start(t *testing.T, b websocket.Broker) *node {
	t.Helper()
	n := &node{hub: &websocket.Hub{Broker: b, Logger: slog.New(slog.DiscardHandler)}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := n.hub.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		websocket.Accept(w, r, &websocket.AcceptOptions{Handler: &websocket.Funcs{
			OnOpen: func(c *websocket.Conn) { n.hub.Subscribe(c, "t") },
		}})
	}))
	t.Cleanup(srv.Close)
	var err error
	n.client, err = websocket.Dial(within(t), "ws"+srv.URL[len("http"):], nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.client.Close(websocket.StatusNormal, "") })
	return n
}

// hear publishes at one hub until another receives that.
func hear(t *testing.T, from, to *node) {
	t.Helper()
	before := to.hub.Stats().Received
	Until(t, "the hubs hear each other", func() bool {
		from.hub.Publish(within(t), "-", websocket.MessageText, nil)
		return to.hub.Stats().Received > before
	})
}

// read reads numbers until the last: none may come twice, or late.
func (n *node) read(t *testing.T, last int) (count int) {
	t.Helper()
	for at := -1; at < last; count++ {
		_, data, err := n.client.Read(within(t))
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		number, err := strconv.Atoi(string(data))
		if err != nil || number <= at {
			t.Fatalf("%q after %d", data, at)
		}
		at = number
	}
	return count
}

// Cluster tests two brokers that know each other: what one hub publishes reaches
// both, and when what is between them dies (kill, then restart) what is lost is
// declared, exactly, and nothing comes twice.
func Cluster(t *testing.T, one, other websocket.Broker, kill, restart func()) {
	a, b := start(t, one), start(t, other)
	hear(t, a, b)
	hear(t, b, a)
	a.hub.Publish(within(t), "t", websocket.MessageText, []byte("begin"))
	for _, n := range []*node{a, b} { // now all that hear has sent has arrived
		if _, data, err := n.client.Read(within(t)); err != nil || string(data) != "begin" {
			t.Fatalf("got %q, %v, want the beginning", data, err)
		}
	}
	received, lost := b.hub.Stats().Received, b.hub.Stats().Lost
	const steady = 300
	number := 0
	publish := func() {
		a.hub.Publish(within(t), "t", websocket.MessageText, strconv.AppendInt(nil, int64(number), 10))
		number++
	}
	for range steady {
		publish()
	}
	Until(t, "all arrive", func() bool { return b.hub.Stats().Received >= received+steady })
	kill()
	for range steady {
		publish()
	}
	restart()
	Until(t, "messages arrive again", func() bool {
		publish()
		time.Sleep(5 * time.Millisecond)
		return b.hub.Stats().Received >= received+steady+20
	})
	Until(t, "all that were published are accounted for", func() bool {
		s := b.hub.Stats()
		if s.Received-received+s.Lost-lost == uint64(number) {
			return true
		}
		publish()
		time.Sleep(20 * time.Millisecond)
		return false
	})
	s := b.hub.Stats()
	t.Logf("%d published, %d received, %d lost, %d came twice", number, s.Received-received, s.Lost-lost, s.Duplicate)
	if got := a.read(t, number-1); got != number {
		t.Errorf("%d messages reached the hub's own connection, want %d", got, number)
	}
	if got := b.read(t, number-1); uint64(got) != s.Received-received {
		t.Errorf("%d messages reached the other hub's connection, want %d", got, s.Received-received)
	}
}

// Stuck is the address of a server that says a few words, and then neither reads nor
// answers.
func Stuck(t testing.TB, words string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	over := make(chan struct{})
	conns.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer nc.Close()
				nc.Write([]byte(words))
				<-over
			})
		}
	})
	t.Cleanup(func() { close(over); ln.Close(); conns.Wait() })
	return ln.Addr().String()
}

// NeverWaits publishes more than a stuck server takes: what there is no room for is
// refused, at once.
func NeverWaits(t testing.TB, h *websocket.Hub) {
	t.Helper()
	refused := false
	for range 64 {
		began := time.Now()
		_, err := h.Publish(within(t), "t", websocket.MessageBinary, make([]byte, 512<<10))
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("a Publish took %v", took)
		}
		refused = refused || errors.Is(err, websocket.ErrBacklog)
	}
	if !refused {
		t.Error("nothing was refused")
	}
}
