package websocket

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestHubStuckAmongMany: with one connection that never reads all others get all
// messages, whatever the policy; its own costs no more than the budget.
func TestHubStuckAmongMany(t *testing.T) {
	t.Parallel()
	for _, policy := range []SlowPolicy{DropOldest, LatestOnly, Disconnect} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			on(t, func(t *testing.T, s server) {
				h := &Hub{Slow: policy, BudgetBytes: slowBudget}
				handler := hubHandler(h)
				conns := make(chan *Conn, 1)
				handler.OnOpen = func(c *Conn) {
					select {
					case conns <- c:
					default:
					}
				}
				addr := s.start(t, &AcceptOptions{Handler: handler, WriteTimeout: 20 * time.Second})
				stuck := subscriber(t, addr, "t")
				stuck.socket().SetReadBuffer(4 << 10)
				c := await(t, "the connection", conns)
				callbackOver(t, c)
				var others []*peer
				for range 4 {
					others = append(others, subscriber(t, addr, "t"))
				}
				amongMany(t, h, c, others)
				if policy == LatestOnly {
					if st, _ := h.ConnStats(c); st.Queued != 1 {
						t.Errorf("%d messages wait, want the latest", st.Queued)
					}
				}
			})
		})
	}
}

// amongMany publishes until c has been stuck for a while.
func amongMany(t *testing.T, h *Hub, c *Conn, others []*peer) {
	t.Helper()
	pad := strings.Repeat(".", slowSize)
	since := 0 // messages that were dropped, one after the other
	var before ConnStats
	for i := 0; since < 30; i++ {
		if i == 5*slowCount {
			t.Fatal("who never reads is not found to be slow")
		}
		text := fmt.Sprint(i, pad)
		if _, err := h.Publish(background(t), "t", MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		for _, p := range others {
			p.want("text " + text)
		}
		st, ok := h.ConnStats(c)
		switch {
		case !ok && h.Slow != Disconnect:
			t.Fatal("who never reads has left the hub")
		case !ok || st.Sent == before.Sent && st.Dropped > before.Dropped:
			since++
		default:
			since = 0
		}
		before = st
		if st.QueuedBytes > slowBudget {
			t.Fatalf("%d bytes wait, want %d at most", st.QueuedBytes, slowBudget)
		}
		if c.ev != nil && c.ev.Backlog() > slowBudget {
			t.Fatalf("%d bytes wait below, want %d at most", c.ev.Backlog(), slowBudget)
		}
	}
	if h.Slow == Disconnect {
		if st := h.Stats(); st.Disconnected != 1 {
			t.Errorf("%+v, want one disconnected", st)
		}
	}
}
