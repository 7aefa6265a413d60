package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burrownet/burrow/internal/leak"
)

// churnFrame is the size of a frame: the number of its connection, a count, and a checksum of both.
const churnFrame = 20

func churnBytes(id, count uint64) []byte {
	b := make([]byte, churnFrame)
	binary.BigEndian.PutUint64(b, id)
	binary.BigEndian.PutUint64(b[8:], count)
	binary.BigEndian.PutUint32(b[16:], crc32.ChecksumIEEE(b[:16]))
	return b
}

func churnCheck(b []byte, id uint64) error {
	if got := binary.BigEndian.Uint64(b); got != id {
		return fmt.Errorf("connection %d got a frame of connection %d", id, got)
	}
	if crc32.ChecksumIEEE(b[:16]) != binary.BigEndian.Uint32(b[16:]) {
		return fmt.Errorf("connection %d got a frame that is not whole", id)
	}
	return nil
}

// churnServer keeps old connections in use after they have ended: whatever late writers, timers and posted functions do
// to them must not reach the connections that have their descriptors now.
type churnServer struct {
	opened, closed, late atomic.Int64
	strangers            sync.WaitGroup

	mu   sync.Mutex
	errs []error
	old  []*Conn // some that were accepted, ended or not
}

func (s *churnServer) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// keep remembers c and returns another one to play with.
func (s *churnServer) keep(c *Conn, r *rand.Rand) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.old) < 64 {
		s.old = append(s.old, c)
	} else {
		s.old[r.IntN(len(s.old))] = c
	}
	return s.old[r.IntN(len(s.old))]
}

// churnProto echoes the frames of one connection.
type churnProto struct {
	s     *churnServer
	r     *rand.Rand
	id    atomic.Uint64 // of the first frame
	timed bool          // it has set a deadline
	over  atomic.Bool
}

func (s *churnServer) accept(c *Conn) Protocol {
	p := &churnProto{s: s, r: rand.New(rand.NewPCG(uint64(s.opened.Add(1)), 5))}
	if p.timed = p.r.IntN(10) == 0; p.timed {
		c.SetDeadline(time.Duration(1 + p.r.IntN(int(20*time.Millisecond))))
	}
	return p
}

func (p *churnProto) Data(c *Conn, b []byte) (n int, err error) {
	if p.over.Load() {
		p.s.fail(errors.New("Data after Closed"))
	}
	for len(b)-n >= churnFrame {
		frame := b[n : n+churnFrame]
		if p.id.CompareAndSwap(0, binary.BigEndian.Uint64(frame)) {
			p.stranger(c)
		}
		if err := churnCheck(frame, p.id.Load()); err != nil {
			p.s.fail(fmt.Errorf("server: %w", err))
		}
		if _, err := c.Write(frame); err != nil {
			return n, err
		}
		n += churnFrame
	}
	if c.EOF() {
		return len(b), io.EOF
	}
	if p.r.IntN(20) == 0 {
		return n, errors.New("this server ends connections, too")
	}
	return n, nil
}

// stranger starts what does not care whether c is still there.
func (p *churnProto) stranger(c *Conn) {
	id, wait := p.id.Load(), time.Duration(p.r.IntN(int(8*time.Millisecond)))
	write := func() {
		if _, err := c.Write(churnBytes(id, 1<<32)); err == nil && p.over.Load() {
			p.s.late.Add(1) // it may have ended in between; the clients tell where the frame went
		}
	}
	old := p.s.keep(c, p.r)
	switch p.r.IntN(5) {
	case 0:
		p.s.strangers.Go(func() {
			<-time.After(wait)
			write()
		})
	case 1:
		c.AfterFunc(wait, write)
	case 2:
		c.Post(write)
		old.Post(func() { old.Backlog() })
	case 3:
		p.s.strangers.Go(func() {
			<-time.After(wait)
			c.Close()
			write()
		})
	case 4:
		if p.r.IntN(4) == 0 {
			old.Shutdown()
			old.Close() // the second one does nothing
		}
	}
}

func (p *churnProto) Timeout(c *Conn) {
	if !p.timed || p.over.Load() {
		p.s.fail(fmt.Errorf("connection %d: Timeout of another one", p.id.Load()))
	}
	c.Close()
}

func (p *churnProto) Drain(c *Conn) { c.Close() }

func (p *churnProto) Closed(*Conn, error) {
	if p.over.Swap(true) {
		p.s.fail(errors.New("Closed twice"))
	}
	p.s.closed.Add(1)
}

// TestStressChurn opens and closes connections so fast that descriptors are used again at once. What is late for an old
// connection never reaches the new one.
func TestStressChurn(t *testing.T) {
	for _, d := range platformDrivers() {
		t.Run(d.String(), func(t *testing.T) {
			fds := leak.FDs()
			s := &churnServer{}
			e := &Engine{Driver: d, Loops: 2}
			dial := serve(t, e, s.accept, nil)
			first := dial()
			addr := first.RemoteAddr().String()
			first.Close()
			total := int64(stressSize(4000, 60_000))
			var next, frames atomic.Int64
			var wg sync.WaitGroup
			for worker := range uint64(24) {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(worker, 6))
					for id := next.Add(1); id <= total; id = next.Add(1) {
						n, err := churnClient(r, addr, uint64(id))
						frames.Add(int64(n))
						if err != nil {
							s.fail(fmt.Errorf("client: %w", err))
						}
					}
				})
			}
			wg.Wait()
			s.strangers.Wait()
			if !poll(10*time.Second, func() bool { return s.closed.Load() == s.opened.Load() }) {
				t.Errorf("%d connections opened, %d closed", s.opened.Load(), s.closed.Load())
			}
			// The listener and two descriptors per loop stay, and what the runtime's poller needs.
			if !poll(5*time.Second, func() bool { return leak.FDs() <= fds+10 }) {
				t.Errorf("descriptors: %d -> %d", fds, leak.FDs())
			}
			t.Logf("%d connections, %d frames checked by clients", s.opened.Load(), frames.Load())
			for i, err := range s.errs {
				if i == 8 {
					t.Fatalf("and %d more", len(s.errs)-i)
				}
				t.Error(err)
			}
		})
	}
}

// churnClient sends frames, checks that what comes back is its own, and leaves in one of several ways. The server may
// end the connection at any time.
func churnClient(r *rand.Rand, addr string, id uint64) (frames int, err error) {
	nc, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, churnFrame)
	for count := range uint64(1 + r.IntN(8)) {
		want := churnBytes(id, count)
		if _, err := nc.Write(want); err != nil {
			break
		}
		for {
			_, err := io.ReadFull(nc, b)
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				return frames, fmt.Errorf("connection %d: no answer and no end: %w", id, err)
			}
			if err != nil {
				return frames, nil
			}
			if err := churnCheck(b, id); err != nil {
				return frames, err
			}
			frames++
			if binary.BigEndian.Uint64(b[8:]) == count {
				break
			}
		}
	}
	switch r.IntN(3) {
	case 0:
		nc.(*net.TCPConn).SetLinger(0)
	case 1:
		nc.(*net.TCPConn).CloseWrite()
		for {
			if _, err := io.ReadFull(nc, b); err != nil {
				break
			}
			if err := churnCheck(b, id); err != nil {
				return frames, err
			}
		}
	}
	return frames, nil
}
