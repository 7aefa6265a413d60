package engine

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestUringShortSends has a peer take a large answer bit by bit.
func TestUringShortSends(t *testing.T) {
	needs(t, DriverUring)
	e := &Engine{Driver: DriverUring, Loops: 1}
	answer := noise(8 << 20)
	dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
		if len(b) == 0 {
			return 0, io.EOF
		}
		unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 32<<10)
		_, err := c.Write(answer)
		return len(b), err
	}}), nil)
	nc := dial()
	nc.(*net.TCPConn).SetReadBuffer(16 << 10)
	nc.Write([]byte("x"))
	got := make([]byte, len(answer))
	for at := 0; at < len(got); {
		n, err := nc.Read(got[at:min(at+5000, len(got))])
		if at += n; err != nil {
			t.Fatalf("after %d bytes: %v", at, err)
		}
	}
	if !bytes.Equal(got, answer) {
		t.Error("the answer differs")
	}
	if _, _, short := ringSeen(e); short == 0 {
		t.Error("no send was short: the test tests nothing")
	}
}

// TestUringSendAfterReset writes to peers that have reset their connection: some
// while a large send is in flight, some before a small one.
func TestUringSendAfterReset(t *testing.T) {
	needs(t, DriverUring)
	e := &Engine{Driver: DriverUring, MaxBacklog: -1}
	closed := make(chan error, 1)
	wrote, reset := make(chan bool), make(chan bool)
	dial := serve(t, e, same(&proto{
		data: func(c *Conn, b []byte) (int, error) {
			if len(b) == 0 {
				return 0, nil
			}
			large := b[0] == 'L'
			c.Go(func() {
				if large {
					c.Write(make([]byte, 32<<20))
				}
				wrote <- true
				<-reset
				c.Write([]byte("a small one"))
			})
			return len(b), nil
		},
		closed: func(_ *Conn, err error) { closed <- err },
	}), nil)
	for _, kind := range []string{"L", "S"} {
		nc := dial().(*net.TCPConn)
		nc.Write([]byte(kind))
		<-wrote
		nc.SetLinger(0)
		nc.Close()
		reset <- true
		select {
		case err := <-closed:
			if err == nil {
				t.Errorf("%s: Closed got nil after a reset", kind)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the connection does not end", kind)
		}
	}
}

// TestUringNeverReads has a call never read while its peer sends: what is kept is
// bounded, and all of it is there when the call ends.
func TestUringNeverReads(t *testing.T) {
	const total = 32 << 20
	needs(t, DriverUring)
	e := &Engine{Driver: DriverUring}
	calls, release := make(chan *Conn, 1), make(chan bool)
	var got atomic.Int64
	dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
		got.Add(int64(len(b)))
		if got.Load() == 1 {
			c.Go(func() {
				calls <- c
				<-release
			})
		}
		return len(b), nil
	}}), nil)
	nc := dial()
	nc.Write([]byte("x"))
	c := <-calls
	sent := make(chan int64, 1)
	go func() {
		n, err := io.Copy(nc, io.LimitReader(zeros{}, total))
		if err != nil {
			t.Error(err)
		}
		sent <- n
	}()
	limit := keepArrived + receiveLimit + bufferSize
	kept, still := 0, 0
	poll(5*time.Second, func() bool { // until no more comes
		c.mu.Lock()
		n := c.got.len()
		c.mu.Unlock()
		if still++; n != kept {
			kept, still = n, 0
		}
		return kept > 0 && still > 20
	})
	if told := make(chan bool, 1); c.loop.do(func() { told <- c.loop.poll.(*ring).limit > 0 }) == nil && !<-told {
		limit = keepArrived + 2*bufferCount*bufferSize // the kernel knows no limit
	}
	if kept == 0 || kept > limit {
		t.Errorf("%d bytes are kept, want some and at most %d", kept, limit)
	}
	close(release)
	want := <-sent + 1
	if !poll(10*time.Second, func() bool { return got.Load() == want }) {
		t.Errorf("%d bytes came of %d", got.Load(), want)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// TestUringWriteBehind writes while a send is in flight, of which a part has left
// already: what the kernel is reading stays where it is.
func TestUringWriteBehind(t *testing.T) {
	needs(t, DriverUring)
	e := &Engine{Driver: DriverUring, MaxBacklog: -1}
	conns := make(chan *Conn, 1)
	dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
		unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 32<<10)
		conns <- c
		return len(b), nil
	}}), nil)
	nc := dial()
	nc.(*net.TCPConn).SetReadBuffer(16 << 10)
	nc.Write([]byte("x"))
	c := <-conns
	const total = 2 << 20
	var out, in numbers
	var first []byte
	for len(first) < total/2 {
		first = out.write(first)
	}
	c.Write(first)
	got, sent := 0, len(first)
	b, want := make([]byte, 4<<10), []byte(nil)
	for got < total {
		n, err := nc.Read(b)
		if err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
		for len(want) < n {
			want = in.write(want)
		}
		if !bytes.Equal(b[:n], want[:n]) {
			t.Fatalf("wrong bytes between %d and %d", got, got+n)
		}
		want = want[n:]
		if got += n; sent < total {
			c.Write(out.write(nil))
			sent += 1024
		}
	}
}
