package engine

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// slowTLS is a client of a TLS server whose socket takes little, after the handshake.
func slowTLS(t *testing.T, raw net.Conn) *tls.Conn {
	t.Helper()
	raw.(*net.TCPConn).SetReadBuffer(32 << 10)
	nc := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if err := nc.Handshake(); err != nil {
		t.Fatal(err)
	}
	return nc
}

// TestPausedTLSReader has a peer read nothing for longer than any piece of a write takes: then it reads all there is.
func TestPausedTLSReader(t *testing.T) {
	cert := selfSigned(t)
	on(t, func(t *testing.T, e *Engine) {
		e.MaxBacklog = 16 << 20
		conns := make(chan *Conn, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			conns <- c
			return len(b), nil
		}}), &ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
		nc := slowTLS(t, dial())
		nc.Write([]byte("x"))
		c := <-conns
		want := noise(10 << 20)
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 100_000)
			if _, err := c.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		<-time.After(1500 * time.Millisecond) // the pause
		got := make([]byte, len(want))
		nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		if n, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d of %d bytes arrived, and then %v", n, len(want), err)
		}
	})
}

// TestTLSFlood has a peer send much, to which the answers are eight times as long, and read nothing: it is not read
// from any further. When it reads, nothing is missing.
func TestTLSFlood(t *testing.T) {
	cert := selfSigned(t)
	const times = 8
	for _, away := range []bool{false, true} {
		onLoops(t, func(t *testing.T, e *Engine) {
			var most, received atomic.Int64
			answer := func(c *Conn, in []byte) {
				received.Add(int64(len(in)))
				for range times {
					if _, err := c.Write(in); err != nil {
						t.Error(err)
						break
					}
				}
				most.Store(max(most.Load(), int64(c.Backlog())))
			}
			dial := serve(t, e, same(&proto{data: func(c *Conn, in []byte) (int, error) {
				if away {
					c.Go(func() {
						answer(c, c.Input())
						c.Unread(nil)
						if c.EOF() {
							c.Shutdown()
						}
					})
					return 0, nil
				}
				answer(c, in)
				if c.EOF() {
					return len(in), io.EOF
				}
				return len(in), nil
			}}), &ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
			nc := slowTLS(t, dial())
			nc.SetDeadline(time.Now().Add(time.Minute)) // 128 MB with the race detector
			sent := make(chan int64)
			go func() {
				total := int64(0)
				small := noise(1000)
				for range 16_000 {
					n, err := nc.Write(small)
					total += int64(n)
					if err != nil {
						t.Error(err)
						break
					}
				}
				sent <- total
			}()
			var total int64
			select {
			case total = <-sent:
				t.Error("all of the flood was taken")
			case <-time.After(500 * time.Millisecond): // it is stuck
			}
			// What one read takes may be answered on top of what lets a connection pause.
			if limit := int64(pauseAt + times*(bufSize+recordSize)); most.Load() > limit {
				t.Errorf("%d bytes were unsent, want at most %d", most.Load(), limit)
			}
			got := make(chan int64)
			go func() {
				n, err := io.Copy(io.Discard, nc)
				if err != nil && !os.IsTimeout(err) {
					t.Error(err)
				}
				got <- n
			}()
			if total == 0 {
				total = <-sent
			}
			if !poll(time.Minute, func() bool { return received.Load() == total }) {
				t.Errorf("%d of %d bytes were read", received.Load(), total)
			}
			nc.SetReadDeadline(time.Now().Add(time.Second))
			if n := <-got; n != times*total {
				t.Errorf("%d bytes came back, want %d", n, times*total)
			}
		})
	}
}
