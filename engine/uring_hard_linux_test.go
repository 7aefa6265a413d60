package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ringSeen adds up what the rings of an engine have seen.
func ringSeen(e *Engine) (starved, overflows, shortSends uint64) {
	for _, l := range *e.all.Load() {
		told := make(chan bool)
		l.do(func() {
			p := l.poll.(*ring)
			starved += p.seen.starved
			overflows += p.seen.overflows
			shortSends += p.seen.shortSends
			close(told)
		})
		<-told
	}
	return starved, overflows, shortSends
}

// descriptors skips a test for which this process may not open enough.
func descriptors(t *testing.T, n uint64) {
	t.Helper()
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil || lim.Cur < n {
		t.Skipf("needs %d descriptors (ulimit -n is %d), %v", n, lim.Cur, err)
	}
}

// TestUringManySenders has 10,000 peers send while the loop is held up: far more
// than there are buffers and places in the completion queue.
func TestUringManySenders(t *testing.T) {
	const conns, size = 10_000, 4000
	needs(t, DriverUring)
	descriptors(t, conns+200)
	e := &Engine{Driver: DriverUring, Loops: 1, Patience: -1}
	held, release := make(chan bool), make(chan bool)
	addr := serveAddr(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
		if string(b) == "hold" {
			held <- true
			<-release
		}
		return echo(c, b)
	}}), nil)
	c := startChild(t, "senders", addr, strconv.Itoa(conns), strconv.Itoa(size))
	c.says("connected")
	if !poll(20*time.Second, func() bool { return e.births.Load() >= conns }) {
		t.Fatalf("%d connections were accepted of %d", e.births.Load(), conns)
	}
	holder, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	holder.Write([]byte("hold"))
	<-held
	io.WriteString(c.in, "go\n")
	c.says("sent")
	close(release)
	c.says("answered")
	starved, overflows, _ := ringSeen(e)
	t.Logf("no buffer: %d times; overflows of the completion queue: %d", starved, overflows)
	if starved == 0 {
		t.Error("there were always buffers: the test tests nothing")
	}
}

// TestUringIdleMemory weighs 15,000 connections that do nothing: what they take of the
// Go heap. The kernel's memory, and the ring's buffers (1 MiB a loop), come on top.
func TestUringIdleMemory(t *testing.T) {
	const conns, limit = 15_000, 600
	needs(t, DriverUring)
	descriptors(t, conns+200)
	e := &Engine{Driver: DriverUring}
	addr := serveAddr(t, e, func(*Conn) Protocol { return &proto{data: echo} }, nil)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	c := startChild(t, "idle", addr, strconv.Itoa(conns))
	c.says("connected")
	if !poll(20*time.Second, func() bool { return e.births.Load() >= conns }) {
		t.Fatalf("%d connections were accepted of %d", e.births.Load(), conns)
	}
	each := (int64(heap()) - int64(before)) / conns
	t.Logf("%d bytes of heap for each idle connection, with a Protocol of 32 bytes", each)
	if each > limit {
		t.Errorf("%d bytes for each idle connection, want at most %d", each, limit)
	}
}

// numbers is a stream that checks itself: 4-byte numbers from 0 on.
type numbers struct{ next uint32 }

func (s *numbers) write(b []byte) []byte {
	for range 256 {
		b = binary.BigEndian.AppendUint32(b, s.next)
		s.next++
	}
	return b
}

// TestUringDetachRace cancels the receiving of a connection while its peer sends:
// no byte is lost, none comes twice.
func TestUringDetachRace(t *testing.T) {
	const total = 512 << 10
	needs(t, DriverUring)
	e := &Engine{Driver: DriverUring}
	var wg sync.WaitGroup
	failed := make(chan string, 100)
	dial := serve(t, e, func(*Conn) Protocol {
		at := rand.IntN(total / 2)
		var head []byte
		return &proto{data: func(c *Conn, b []byte) (int, error) {
			if head = append(head, b...); len(head) < at {
				return len(b), nil
			}
			nc, unread, err := c.Detach(nil)
			if err != nil {
				failed <- err.Error()
				return len(b), err
			}
			wg.Go(func() {
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(10 * time.Second))
				rest, err := io.ReadAll(io.LimitReader(nc, int64(total-len(head)-len(unread))))
				all := append(append(head, unread...), rest...)
				if err != nil || len(all) != total {
					failed <- "lost: " + strconv.Itoa(len(all)) + " bytes"
					return
				}
				for i := range total / 4 {
					if binary.BigEndian.Uint32(all[4*i:]) != uint32(i) {
						failed <- "wrong at " + strconv.Itoa(4*i)
						return
					}
				}
				nc.Write([]byte("ok"))
			})
			return 0, nil
		}}
	}, nil)
	for range 60 {
		nc := dial()
		go func() {
			var s numbers
			for range total / 1024 {
				nc.Write(s.write(nil))
			}
		}()
		if _, err := io.ReadFull(nc, make([]byte, 2)); err != nil {
			select {
			case why := <-failed:
				t.Fatal(why)
			default:
				t.Fatal(err)
			}
		}
	}
	wg.Wait()
}

// TestUringUnlisten ends Serve while connections come: each is served or closed,
// and the port is free at once.
func TestUringUnlisten(t *testing.T) {
	needs(t, DriverUring)
	for range 10 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr().String()
		ctx, cancel := context.WithCancel(t.Context())
		e := &Engine{Driver: DriverUring}
		ended := make(chan error, 1)
		go func() { ended <- e.Serve(ctx, ln, same(&proto{data: echo}), nil) }()
		var wg sync.WaitGroup
		var hung, came atomic.Int32
		for range 8 {
			wg.Go(func() {
				for {
					nc, err := net.DialTimeout("tcp", addr, 5*time.Second)
					if err != nil {
						return
					}
					came.Add(1)
					nc.SetDeadline(time.Now().Add(5 * time.Second))
					if _, err := nc.Read(make([]byte, 1)); errors.Is(err, context.DeadlineExceeded) {
						hung.Add(1)
					} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
						hung.Add(1)
					}
					nc.Close()
				}
			})
		}
		poll(time.Second, func() bool { return came.Load() >= 8 })
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		again, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatalf("the port is still taken: %v", err)
		}
		again.Close()
		wg.Wait()
		if hung.Load() > 0 {
			t.Fatalf("%d connections were neither served nor closed", hung.Load())
		}
	}
}

// TestUringAcceptedTooLate has a connection come when nobody listens any more.
func TestUringAcceptedTooLate(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	l := &loop{accept: map[int32]*acceptor{}}
	if !l.deliver(nil, event{fd: 9999, res: int32(fds[0]), what: eventAccepted}) {
		t.Error("the loop was lost")
	}
	if n, err := unix.Read(fds[1], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the peer of a connection that came too late reads %d, %v; want its end", n, err)
	}
}

// TestUringOverflow has connections, wake-ups and what the set tells come to loops whose
// rings have room for next to nothing: all of it arrives, later.
func TestUringOverflow(t *testing.T) {
	needs(t, DriverUring)
	e := &Engine{Driver: DriverUring, Loops: 1, pollers: func(_ Driver, parked *atomic.Bool) (poller, error) {
		return newRing(parked, ringSizes{entries: 4, completions: 8})
	}}
	var waiting sync.Map // the peer's address: who waits for its Conn, a chan *Conn
	dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
		if string(b) != "more" {
			return echo(c, b)
		}
		who, _ := waiting.Load(c.RemoteAddr())
		who.(chan *Conn) <- c
		c.Go(func() {
			b, err := c.More(nil, 5*time.Second)
			if err != nil {
				t.Error(err)
			}
			c.Write(b)
			c.Unread(nil)
		})
		return len(b), nil
	}}), nil)
	for round := range 20 {
		var wg sync.WaitGroup
		for i := range 100 {
			nc := dial()
			wg.Go(func() {
				if i%2 == 0 {
					found := make(chan *Conn, 1)
					waiting.Store(addrPort(nc.LocalAddr()), found)
					nc.Write([]byte("more"))
					c, posted := <-found, make(chan bool)
					if err := c.Post(func() { close(posted) }); err != nil {
						t.Error(err)
						return
					}
					<-posted
				}
				roundTrip(t, nc, noise(1000))
				nc.Close()
			})
		}
		wg.Wait()
		if _, overflows, _ := ringSeen(e); overflows > 0 && round > 2 {
			return
		}
	}
	t.Error("the completion queue did not overflow: the test tests nothing")
}
