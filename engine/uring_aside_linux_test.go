package engine

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRingBulk sends much at once, then a little, and so on: the ring receives for the connection only while little
// comes, and all of it arrives in order.
func TestRingBulk(t *testing.T) {
	p := openRing(t, ringSizes{})
	c, peer := ringPair(t, p, 1)
	var sent, got bytes.Buffer
	b := make([]byte, 64<<10)
	ended := false
	take := func(ev event) {
		if ev.what&eventInput == 0 {
			t.Errorf("an event %+v without input", ev)
		}
		for {
			n, err := p.receive(c, b)
			got.Write(b[:n])
			ended = ended || err == io.EOF
			if n == 0 {
				break
			}
		}
		p.later(c)
	}
	for i, size := range []int{100, 40_000, 40_000, 40_000, 100, 100, 30_000, 7, 7} {
		data := bytes.Repeat([]byte{byte('a' + i)}, size)
		for rest := data; len(rest) > 0; {
			n, err := unix.Write(peer, rest)
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		sent.Write(data)
		ringEvents(t, p, take, func() bool { return got.Len() >= sent.Len() })
		bulk := c.flags&flagBulk != 0
		if size >= 40_000 && !bulk {
			t.Errorf("%d bytes at once are no bulk", size)
		}
		if last := i == 8; last && bulk {
			t.Error("the connection is bulk still after a few bytes")
		}
		ringEvents(t, p, take, func() bool { return bulk != (c.flags&flagReceiving != 0) }) // else it waits in vain
	}
	unix.Shutdown(peer, unix.SHUT_WR)
	ringEvents(t, p, take, func() bool { return ended })
	if !bytes.Equal(got.Bytes(), sent.Bytes()) {
		t.Errorf("%d bytes arrived, not the %d that were sent", got.Len(), sent.Len())
	}
	ringEnd(p, c)
}

// TestRingCallWaits has a call that reads its socket itself wait: nobody but who waits is needed for that, and what it
// waited for is reported once.
func TestRingCallWaits(t *testing.T) {
	p := openRing(t, ringSizes{})
	c, peer := ringPair(t, p, 1)
	ringDo(c, func() { c.flags |= flagBusy })
	p.wait(0)
	ringDo(c, func() {
		c.flags |= flagWantRead
		if err := p.arm(c, true, false); err != nil {
			t.Fatal(err)
		}
	})
	if len(p.changes) > 0 || len(p.queue) > 0 {
		t.Error("the loop has to look at the connection before it can wait")
	}
	unix.Write(peer, []byte("x"))
	events := 0
	ringEvents(t, p, func(ev event) {
		events++
		if ev.what != eventInput {
			t.Errorf("event %+v, want input", ev)
		}
		ringDo(c, func() { c.flags &^= flagWantRead })
	}, func() bool { return events > 0 })
	for range 5 {
		p.wait(0)
		for ev, ok := p.next(); ok; ev, ok = p.next() {
			t.Errorf("event %+v, and nobody waits", ev)
		}
	}
	// The peer leaves while nobody waits; who watches then hears of it.
	unix.Close(peer)
	ringDo(c, func() {
		c.moreLocked().watch = func(error) {}
		if err := p.arm(c, true, false); err != nil {
			t.Fatal(err)
		}
	})
	gone := false
	ringEvents(t, p, func(ev event) {
		gone = ev.what&eventGone != 0
		ringDo(c, func() { c.flags |= flagGone | flagOut })
	}, func() bool { return gone })
	ringEnd(p, c)
}

// TestRingAsideBesideMany: what the set tells is not put off for as long as there are
// completions, nor are these for as long as the set tells something.
func TestRingAsideBesideMany(t *testing.T) {
	p := openRing(t, ringSizes{})
	const many, inSet = 9 * maxEvents, 3 * maxEvents
	descriptors(t, 2*many+200)
	var conns []*Conn
	send := func(gen uint32, aside bool) {
		c, peer := ringPair(t, p, gen)
		if aside {
			ringDo(c, func() { c.flags |= flagBulk })
		}
		conns = append(conns, c)
		p.wait(0)
		unix.Write(peer, []byte("x"))
	}
	for i := range many {
		send(uint32(i+1), i < inSet)
	}
	for p.flush(); p.r.Ready() < many-inSet; p.flush() {
	}
	var aside, others int
	for range 4 {
		p.wait(0)
		before := [2]int{aside, others}
		for ev, ok := p.next(); ok; ev, ok = p.next() {
			if ev.gen <= inSet {
				aside++
			} else {
				others++
			}
		}
		t.Logf("a turn: %d events of the set, %d completions", aside-before[0], others-before[1])
	}
	if aside < maxEvents || others < maxEvents {
		t.Errorf("in four turns: %d events of the set, %d completions; want %d or more of each", aside, others, maxEvents)
	}
	for _, c := range conns {
		ringEnd(p, c)
	}
	ringEvents(t, p, func(event) {}, func() bool { return p.busy == 0 && p.r.Queued() == 0 })
}
