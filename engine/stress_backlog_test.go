package engine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// TestStressBacklog pushes to peers that never read. Each may have MaxBacklog waiting and no more; others get what is
// theirs.
func TestStressBacklog(t *testing.T) {
	const deaf, budget, piece = 50, 256 << 10, 16 << 10
	for _, d := range platformDrivers() {
		t.Run(d.String(), func(t *testing.T) {
			conns := make(chan *Conn, deaf)
			e := &Engine{Driver: d, MaxBacklog: budget}
			dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
				if bytes.Equal(b, []byte("x")) {
					conns <- c
					return len(b), nil
				}
				return echo(c, b)
			}}), nil)
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			before := m.HeapInuse
			for range deaf {
				nc := dial()
				nc.(*net.TCPConn).SetReadBuffer(8 << 10)
				nc.Write([]byte("x"))
			}
			b := noise(piece)
			for range deaf {
				c := <-conns
				var err error
				for range 4000 { // the kernel takes some megabytes
					if _, err = c.Write(b); err != nil {
						break
					}
				}
				if got := c.Backlog(); !errors.Is(err, ErrBacklog) || got > budget {
					t.Errorf("Write: %v, with %d bytes waiting; want %v and at most %d", err, got, ErrBacklog, budget)
				}
			}
			roundTrip(t, dial(), noise(200_000))
			runtime.GC()
			runtime.ReadMemStats(&m)
			held := (int64(m.HeapInuse) - int64(before)) / deaf
			t.Logf("%d KiB held for each peer that does not read", held>>10)
			if held > 5*budget {
				t.Errorf("%d KiB held for each peer that does not read, the budget is %d", held>>10, budget>>10)
			}
		})
	}
}

// TestStressBacklogTLS fills the budget to the brim: what is refused is refused whole, and the connection goes on.
func TestStressBacklogTLS(t *testing.T) {
	const budget = 256 << 10
	cert := selfSigned(t)
	on(t, func(t *testing.T, e *Engine) {
		e.MaxBacklog = budget
		asked := make(chan *Conn, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if c.EOF() {
				return len(b), io.EOF
			}
			asked <- c
			return len(b), nil
		}}), &ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
		raw := dial()
		nc := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		if _, err := nc.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		c := <-asked
		var sent []byte
		write := func(b []byte) error {
			_, err := c.Write(b)
			if err == nil {
				sent = append(sent, b...)
			}
			return err
		}
		for c.Backlog() == 0 {
			if err := write(noise(100_000)); err != nil {
				t.Fatalf("Write with nothing waiting: %v", err)
			}
		}
		// Just within the budget by its own length, just over it with what TLS adds.
		if err := write(noise(max(budget-c.Backlog(), 1))); err != nil && !errors.Is(err, ErrBacklog) {
			t.Fatalf("Write to the brim: %v", err)
		}
		got := make(chan []byte, 1)
		go func() {
			b, err := io.ReadAll(nc)
			if err != nil {
				t.Errorf("client: %v", err)
			}
			got <- b
		}()
		if !poll(10*time.Second, func() bool { return c.Backlog() == 0 }) {
			t.Fatal("the backlog did not leave")
		}
		if err := write([]byte("the end")); err != nil {
			t.Errorf("Write after the backlog has left: %v", err)
		}
		c.Shutdown()
		if b := <-got; !bytes.Equal(b, sent) {
			t.Errorf("%d bytes arrived that are not the %d bytes that Write took", len(b), len(sent))
		}
	})
}
