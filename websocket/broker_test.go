package websocket

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// run runs hubs for the time of a test, and returns once all hear each other.
func run(t *testing.T, hubs ...*Hub) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, h := range hubs {
		h.Logger = slog.New(slog.DiscardHandler)
		running.Go(func() {
			if err := h.Run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	for _, h := range hubs {
		until(t, "the hubs hear each other", func() bool {
			before := make([]uint64, len(hubs))
			for i, o := range hubs {
				before[i] = o.Stats().Received
			}
			h.Publish(ctx, "-", MessageText, nil)
			time.Sleep(time.Millisecond)
			for i, o := range hubs {
				if o != h && o.Stats().Received == before[i] {
					return false
				}
			}
			return true
		})
	}
}

// TestHubsOfOneBroker: what one hub publishes reaches the connections of all, once
// and in order.
func TestHubsOfOneBroker(t *testing.T) {
	t.Parallel()
	b := &MemoryBroker{}
	hubs := []*Hub{{Broker: b}, {Broker: b}, {Broker: b}}
	run(t, hubs...)
	var peers []*peer
	for i, h := range hubs {
		s := servers()[i]
		p := subscriber(t, s.start(t, &AcceptOptions{Handler: hubHandler(h)}), "t")
		ask(p, "join id", ErrJoined.Error())
		peers = append(peers, p)
	}
	const each = 200
	var calls sync.WaitGroup
	for i, h := range hubs {
		calls.Go(func() {
			for n := range each {
				publish(t, h, "t", strconv.Itoa(i)+" "+strconv.Itoa(n), 1)
			}
		})
	}
	calls.Wait()
	for at, p := range peers {
		var next [3]int
		for range each * len(hubs) {
			f := strings.Fields(p.read())
			from, _ := strconv.Atoi(f[1])
			if f[2] != strconv.Itoa(next[from]) {
				t.Fatalf("peer %d got %v, want number %d", at, f, next[from])
			}
			next[from]++
		}
	}
	for i, h := range hubs {
		if s := h.Stats(); s.Lost != 0 || s.Duplicate != 0 {
			t.Errorf("hub %d: %+v", i, s)
		}
	}
}

// TestHubIDsOverBroker: ids, exceptions and keys go along.
func TestHubIDsOverBroker(t *testing.T) {
	t.Parallel()
	b := &MemoryBroker{}
	here, there := &Hub{Broker: b}, &Hub{Broker: b}
	run(t, here, there)
	addr := servers()[1].start(t, &AcceptOptions{Handler: hubHandler(there)})
	alice, bob := dialPeer(t, addr, "/"), dialPeer(t, addr, "/")
	ask(alice, "join alice", "ok")
	ask(bob, "join bob", "ok")
	ask(alice, "sub t", "ok")
	ask(bob, "sub t", "ok")
	here.PublishTo(background(t), []string{"bob"}, MessageBinary, []byte("for bob"))
	bob.want("binary for bob")
	here.Send(background(t), Publication{Topic: "t", Except: "bob", Data: []byte("not for bob")})
	here.Publish(background(t), "t", MessageText, []byte("for all"))
	alice.want("text not for bob")
	alice.want("text for all")
	bob.want("text for all")
}

// badBroker hands on what it is told to.
type badBroker struct {
	receive chan func(*Envelope)
	refuse  error
	end     error
}

func (b *badBroker) Publish(context.Context, *Envelope) error { return b.refuse }

func (b *badBroker) Subscribe(ctx context.Context, receive func(*Envelope)) error {
	if b.end != nil {
		return b.end
	}
	b.receive <- receive
	<-ctx.Done()
	return ctx.Err()
}

// TestHubLoss: what comes twice is thrown away, and what is missing is counted.
func TestHubLoss(t *testing.T) {
	t.Parallel()
	b := &badBroker{receive: make(chan func(*Envelope), 1)}
	log := &logs{}
	h := &Hub{Broker: b, Logger: textLogger(log)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	receive := await(t, "subscribe", b.receive)
	p := subscriber(t, servers()[1].start(t, &AcceptOptions{Handler: hubHandler(h)}), "t")
	for _, e := range []struct{ node, seq uint64 }{{7, 5}, {7, 6}, {7, 6}, {8, 1}, {7, 9}, {7, 8}, {8, 2}} {
		receive(&Envelope{e.node, e.seq, Publication{Topic: "t", Type: MessageText, Data: strconv.AppendUint(nil, 10*e.node+e.seq, 10)}})
	}
	receive(&Envelope{9, 1, Publication{Type: 77}})
	for _, want := range []string{"75", "76", "81", "79", "82"} {
		p.want("text " + want)
	}
	if s := h.Stats(); s.Received != 5 || s.Duplicate != 2 || s.Lost != 2 {
		t.Errorf("%+v, want 5 received, 2 twice and 2 lost", s)
	}
	if !strings.Contains(log.String(), "lost=2") {
		t.Errorf("the log does not say that 2 are lost: %s", log)
	}
	cancel()
	if err := await(t, "the end", ended); err != nil {
		t.Errorf("run: %v", err)
	}
}

// TestHubBrokerFails: connections here are served when a broker refuses, and Run
// says why it has ended.
func TestHubBrokerFails(t *testing.T) {
	t.Parallel()
	h := &Hub{Broker: &badBroker{refuse: ErrBacklog, end: errors.New("gone")}}
	p := subscriber(t, servers()[1].start(t, &AcceptOptions{Handler: hubHandler(h)}), "t")
	if n, err := h.Publish(background(t), "t", MessageText, []byte("x")); n != 1 || !errors.Is(err, ErrBacklog) {
		t.Errorf("publish: %d, %v, want 1 and %v", n, err, ErrBacklog)
	}
	p.want("text x")
	if err := h.Run(background(t)); err == nil || err.Error() != "websocket: hub: the broker: gone" {
		t.Errorf("run: %v", err)
	}
	if h.out.e.Seq != 1 {
		t.Errorf("the refused envelope has no number: others would not see that it is lost")
	}
}

// TestMemoryBrokerLoss: a hub that is behind loses envelopes, and knows how many.
func TestMemoryBrokerLoss(t *testing.T) {
	t.Parallel()
	b := &MemoryBroker{Queue: 4}
	h, other := &Hub{Broker: b}, &Hub{Broker: b}
	run(t, h, other)
	from := h.Stats()
	last := other.out.e.Seq
	h.in.mu.Lock() // the hub is busy
	for range 100 {
		other.Publish(background(t), "t", MessageText, nil)
	}
	h.in.mu.Unlock()
	until(t, "all are accounted for", func() bool {
		other.Publish(background(t), "t", MessageText, nil)
		time.Sleep(time.Millisecond)
		s := h.Stats()
		return s.Received-from.Received+s.Lost-from.Lost == other.out.e.Seq-last
	})
	if lost := h.Stats().Lost - from.Lost; lost < 90 {
		t.Errorf("%d lost, want 95 or so", lost)
	}
}

// TestHubRestart: a hub whose process starts again gets what comes from then on; one
// that was away and comes back knows how much it has missed.
func TestHubRestart(t *testing.T) {
	t.Parallel()
	b := &MemoryBroker{}
	h, away := &Hub{Broker: b}, &Hub{Broker: b}
	run(t, h)
	// join runs a hub until the end of a test, and returns once it hears h.
	join := func(t *testing.T, o *Hub) {
		run(t, o)
		before := o.Stats().Received
		until(t, "the hub hears the other", func() bool {
			h.Publish(background(t), "t", MessageText, nil)
			return o.Stats().Received > before
		})
	}
	var missed uint64
	for i := range 3 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			join(t, away)
			if err := away.Run(background(t)); err != errRunning {
				t.Errorf("a second Run: %v, want %v", err, errRunning)
			}
		})
		if s := away.Stats(); s.Lost < missed || s.Duplicate != 0 {
			t.Errorf("%+v, want %d lost at least", s, missed)
		}
		for range 10 {
			h.Publish(background(t), "t", MessageText, nil)
		}
		missed += 10
	}
	again := &Hub{Broker: b}
	join(t, again)
	if s := again.Stats(); s.Lost != 0 || s.Duplicate != 0 {
		t.Errorf("%+v, want nothing lost to a new hub", s)
	}
	before := h.Stats()
	again.Publish(background(t), "t", MessageText, nil)
	until(t, "a new hub is heard", func() bool { return h.Stats().Received > before.Received })
	if s := h.Stats(); s.Lost != before.Lost || s.Duplicate != before.Duplicate {
		t.Errorf("%+v, want nothing lost from a new hub", s)
	}
}

// TestHubForgetsOrigins: the memory of other hubs is bounded.
func TestHubForgetsOrigins(t *testing.T) {
	t.Parallel()
	h := &Hub{}
	for i := range maxOrigins + 10 {
		h.fresh(uint64(i), 1)
		h.fresh(3, uint64(i+2))
	}
	if n := len(h.in.nodes); n > maxOrigins {
		t.Errorf("%d hubs are remembered, want %d", n, maxOrigins)
	}
	if h.in.nodes[3] == nil || h.in.nodes[maxOrigins+9] == nil || h.in.nodes[0] != nil {
		t.Error("it is not the oldest that was forgotten")
	}
}

var envelopes = []Envelope{
	{Publication: Publication{Type: MessageText, Data: []byte{}}},
	{1, 2, Publication{Topic: "t", Type: MessageBinary, Data: []byte("data"), Key: "k", Except: "e"}},
	{1 << 63, 1<<64 - 1, Publication{IDs: []string{}, Type: MessageText, Data: []byte{}}},
	{3, 4, Publication{IDs: []string{"", "a", strings.Repeat("b", 300)}, Type: MessageText, Data: []byte("x")}},
}

// TestEnvelope: what is written is read again, and nothing shorter.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	for _, e := range envelopes {
		b := e.AppendTo(nil)
		got, err := ParseEnvelope(b)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("got %+v, %v, want %+v", got, err, e)
		}
		for i := range len(b) - len(e.Data) {
			if _, err := ParseEnvelope(b[:i]); err != ErrEnvelope {
				t.Errorf("%d bytes of %+v: %v, want %v", i, e, err, ErrEnvelope)
			}
		}
	}
}

func FuzzParseEnvelope(f *testing.F) {
	for _, e := range envelopes {
		f.Add(e.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEnvelope(b)
		if err != nil {
			return
		}
		again, err := ParseEnvelope(e.AppendTo(nil))
		if err != nil || !reflect.DeepEqual(again, e) || !bytes.HasSuffix(b, e.Data) {
			t.Errorf("%+v became %+v, %v", e, again, err)
		}
	})
}
