package engine

import (
	"net"
	"sync"
	"testing"
	"time"
)

// TestStressResetAfterHalfClose has clients that shut their side, listen for a while and then reset. A protocol that only
// pushes, and never sees input again, is told that its connection has ended.
func TestStressResetAfterHalfClose(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		const clients = 20
		closed := make(chan error, clients)
		var pushers sync.WaitGroup
		dial := serve(t, e, func(c *Conn) Protocol {
			ended := make(chan struct{})
			return &proto{
				data: func(c *Conn, b []byte) (int, error) {
					if c.EOF() {
						pushers.Go(func() { push(c, ended) })
					}
					return len(b), nil
				},
				closed: func(_ *Conn, err error) {
					closed <- err
					close(ended)
				},
			}
		}, nil)
		for range clients {
			nc := dial().(*net.TCPConn)
			nc.CloseWrite()
			if _, err := nc.Read(make([]byte, 1)); err != nil {
				t.Errorf("nothing was pushed: %v", err)
			}
			nc.SetLinger(0)
			nc.Close()
		}
		limit := time.After(3 * time.Second)
		for i := range clients {
			select {
			case err := <-closed:
				if err == nil {
					t.Error("Closed without an error after a reset")
				}
			case <-limit:
				t.Fatalf("Closed was called for %d of %d connections", i, clients)
			}
		}
		pushers.Wait()
	})
}

// push writes a byte every few milliseconds until the connection has ended, whatever Write says.
func push(c *Conn, ended <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c.Write([]byte("p"))
		select {
		case <-ended:
			return
		case <-tick.C:
		}
	}
}

// TestStressHalfCloseUnread has a peer end its side and not read what it was sent:
// the loop, which wants no input for now, is told once and not for ever.
func TestStressHalfCloseUnread(t *testing.T) {
	onLoops(t, func(t *testing.T, e *Engine) {
		e.Loops, e.MaxBacklog = 1, -1
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if len(b) > 0 {
				c.Write(make([]byte, 32<<20))
			}
			return len(b), nil
		}}), nil)
		nc := dial().(*net.TCPConn)
		nc.Write([]byte("x"))
		nc.Read(make([]byte, 1))
		nc.CloseWrite()
		turns := func() (n uint) {
			told := make(chan uint)
			l := (*e.all.Load())[0]
			l.do(func() { told <- l.turns })
			return <-told
		}
		few := uint(0)
		if !poll(5*time.Second, func() bool {
			before := turns()
			time.Sleep(50 * time.Millisecond) // the time that is measured
			few = turns() - before
			return few < 50
		}) {
			t.Errorf("%d turns in 50 ms with nothing to do", few)
		}
	})
}
