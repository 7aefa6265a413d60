package engine

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stressSize is how large a stress test is: the second figure with BURROW_STRESS=full.
func stressSize(everyDay, full int) int {
	if os.Getenv("BURROW_STRESS") == "full" {
		return full
	}
	return everyDay
}

// A stream of the test is its own check: the bytes of a generator that the connection's number seeds. A head of 16
// bytes tells the number and the length.
const streamHead = 16

func streamBytes(id, length uint64) []byte {
	b := make([]byte, streamHead+length)
	binary.BigEndian.PutUint64(b, id)
	binary.BigEndian.PutUint64(b[8:], length)
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], id)
	rand.NewChaCha8(seed).Read(b[streamHead:])
	return b
}

// streamServer counts what its connections do.
type streamServer struct {
	e        *Engine
	opened   atomic.Int64
	closed   atomic.Int64
	detached atomic.Int64
	moved    sync.WaitGroup // goroutines that work for detached connections

	mu   sync.Mutex
	errs []error
}

func (s *streamServer) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

func (s *streamServer) accept(*Conn) Protocol {
	n := s.opened.Add(1)
	return &streamProto{s: s, r: rand.New(rand.NewPCG(uint64(n), 1)), move: n%5 == 0}
}

// streamProto checks what arrives and sends it back, in a different way each time.
type streamProto struct {
	s    *streamServer
	r    *rand.Rand
	want []byte // the whole stream; nil until its head is here
	at   int    // how much of it has arrived
	move bool   // Detach somewhere in the middle
	over bool   // Closed was called
}

// check takes b as the next part of the stream.
func (p *streamProto) check(b []byte) bool {
	if p.want == nil {
		p.want = streamBytes(binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]))
	}
	if len(b) > len(p.want)-p.at || !bytes.Equal(b, p.want[p.at:p.at+len(b)]) {
		p.s.fail("stream %x: wrong bytes at %d", p.want[:8], p.at)
		return false
	}
	p.at += len(b)
	return true
}

func (p *streamProto) Data(c *Conn, b []byte) (int, error) {
	if p.over {
		p.s.fail("Data after Closed")
	}
	if p.want == nil && len(b) < streamHead && !c.EOF() {
		return 0, nil
	}
	if len(b) == 0 || p.want == nil && len(b) < streamHead {
		return len(b), p.end(c)
	}
	if p.move && p.at > 1000 {
		p.move = false
		p.detach(c, b)
		return 0, nil
	}
	switch p.r.IntN(6) {
	case 0: // some of it, unless that is the last that comes
		if n := p.r.IntN(len(b)); p.at+len(b) < len(p.want) && p.want != nil && !c.EOF() {
			if !p.check(b[:n]) {
				return 0, errors.New("wrong bytes")
			}
			return n, p.write(c, b[:n])
		}
	case 1: // the same call goes on reading
		if p.want != nil && p.at+len(b) < len(p.want) {
			more, err := c.More(b, 10*time.Second)
			if err != nil && err != io.EOF {
				return 0, err
			}
			b = more
		}
	case 2: // elsewhere
		c.Go(func() { p.elsewhere(c) })
		return 0, nil
	}
	if !p.check(b) {
		return 0, errors.New("wrong bytes")
	}
	if err := p.write(c, b); err != nil {
		return len(b), err
	}
	return len(b), p.end(c)
}

func (p *streamProto) end(c *Conn) error {
	if c.EOF() {
		return io.EOF
	}
	return nil
}

// elsewhere works off the input on a goroutine of its own.
func (p *streamProto) elsewhere(c *Conn) {
	in := c.Input()
	if p.want == nil && len(in) < streamHead {
		p.s.fail("Go: %d bytes of input, there were more", len(in))
	}
	if !p.check(in) || p.write(c, in) != nil {
		c.Close()
		return
	}
	c.Unread(nil)
	if c.EOF() {
		c.Shutdown()
	}
}

// write sends b in pieces and waits when the peer lags behind.
func (p *streamProto) write(c *Conn, b []byte) error {
	for len(b) > 0 {
		n := 1 + p.r.IntN(len(b))
		var err error
		switch p.r.IntN(4) {
		case 0:
			k := p.r.IntN(n + 1)
			err = c.Write2(b[:k], b[k:n])
		case 1:
			err = c.WriteLater(b[:n])
		default:
			_, err = c.Write(b[:n])
		}
		if err != nil {
			return err
		}
		b = b[n:]
		if c.Backlog() > 100<<10 || p.r.IntN(50) == 0 {
			if err := c.Flush(10 * time.Second); err != nil {
				return err
			}
		}
	}
	return nil
}

// detach works off b on the bare net.Conn and gives that to the engine again.
func (p *streamProto) detach(c *Conn, b []byte) {
	given := bytes.Clone(b)
	nc, unread, err := c.Detach(b)
	if err != nil {
		return // the peer has gone; Closed follows
	}
	p.s.detached.Add(1)
	if !bytes.HasPrefix(unread, given) {
		p.s.fail("Detach: the input that was given back is not what it was given")
	}
	p.s.moved.Go(func() {
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		if !p.check(unread) {
			nc.Close()
			p.s.closed.Add(1)
			return
		}
		if _, err := nc.Write(unread); err != nil {
			nc.Close()
			p.s.closed.Add(1)
			return
		}
		nc.SetDeadline(time.Time{})
		if _, err := p.s.e.Attach(nc, p); err != nil {
			p.s.fail("Attach: %v", err)
			p.s.closed.Add(1)
		}
	})
}

func (p *streamProto) Timeout(c *Conn) { p.s.fail("Timeout without a deadline") }
func (p *streamProto) Drain(c *Conn)   { c.Close() }

func (p *streamProto) Closed(c *Conn, err error) {
	if p.over {
		p.s.fail("Closed twice")
	}
	p.over = true
	p.s.closed.Add(1)
}

// TestStressStreams sends checked streams over many connections at the same time. The server uses every way to read and
// write there is; clients read slowly, shut their side, or go away in the middle. No byte is lost, crossed or repeated.
func TestStressStreams(t *testing.T) {
	cert := selfSigned(t)
	for _, d := range platformDrivers() {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/tls=%v", d, secure), func(t *testing.T) {
				var opts *ServeOptions
				if secure {
					opts = &ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
				}
				stressStreams(t, &Engine{Driver: d, Loops: 2}, opts)
			})
		}
	}
}

func stressStreams(t *testing.T, e *Engine, opts *ServeOptions) {
	s := &streamServer{e: e}
	dial := serve(t, e, s.accept, opts)
	first := dial()
	addr := first.RemoteAddr().String()
	first.Close()
	var wg sync.WaitGroup
	var whole, broken atomic.Int64
	conns := stressSize(100, 1000)
	next := atomic.Int64{}
	for range 24 {
		wg.Go(func() {
			for id := next.Add(1); id <= int64(conns); id = next.Add(1) {
				c := streamClient{id: uint64(id), r: rand.New(rand.NewPCG(uint64(id), 2)), secure: opts != nil}
				ok, err := c.run(addr)
				switch {
				case err != nil:
					s.fail("client %d: %w", id, err)
				case ok:
					whole.Add(1)
				default:
					broken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	s.moved.Wait()
	if !poll(10*time.Second, func() bool { return s.closed.Load() == s.opened.Load() }) {
		s.fail("%d connections opened, %d closed", s.opened.Load(), s.closed.Load())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("%d whole streams, %d broken off, %d detached and attached", whole.Load(), broken.Load(), s.detached.Load())
	for i, err := range s.errs {
		if i == 8 {
			t.Fatalf("and %d more", len(s.errs)-i)
		}
		t.Error(err)
	}
}

// poll waits until ok says so; it reports false after limit.
func poll(limit time.Duration, ok func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// streamClient is one client of the test.
type streamClient struct {
	id     uint64
	r      *rand.Rand
	secure bool
}

// run sends a stream and checks what comes back. It reports false when it broke off on purpose.
func (s *streamClient) run(addr string) (whole bool, err error) {
	raw, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return false, err
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(25 * time.Second))
	slow := s.r.IntN(4) == 0
	if slow { // not less: below half of the first window, TCP itself waits for its persist timer (RFC 9293 3.8.6.2.1)
		raw.(*net.TCPConn).SetReadBuffer(32 << 10)
	}
	nc, pieces := raw, s.secure && s.r.IntN(3) == 0
	if pieces {
		nc = &inPieces{Conn: raw, left: 6 << 10}
	}
	if s.secure {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	length := s.r.IntN(100_000)
	if s.r.IntN(10) == 0 && !slow {
		length = s.r.IntN(1 << 20)
	}
	stream := streamBytes(s.id, uint64(length))
	breakAt := -1
	if s.r.IntN(4) == 0 {
		breakAt = s.r.IntN(len(stream))
		stream = stream[:breakAt+1]
	}
	shut := s.r.IntN(2) == 0
	sent := make(chan error, 1)
	go func() { sent <- s.send(nc, stream, shut && breakAt < 0) }()
	if breakAt >= 0 {
		part := make([]byte, 1+s.r.IntN(len(stream)))
		raw.SetReadDeadline(time.Now().Add(time.Duration(s.r.IntN(300)) * time.Millisecond)) // it may wait for more
		n, _ := io.ReadAtLeast(nc, part, min(len(part), len(stream)/2))
		if s.r.IntN(2) == 0 {
			raw.(*net.TCPConn).SetLinger(0)
		}
		raw.Close()
		<-sent
		if !bytes.Equal(part[:n], stream[:n]) {
			return false, errors.New("wrong bytes before the end")
		}
		return false, nil
	}
	err = s.receive(nc, stream, slow)
	if err == nil && shut {
		if n, rerr := nc.Read(make([]byte, 1)); n > 0 || rerr != io.EOF {
			err = fmt.Errorf("after the stream: %d bytes, %v; want its end", n, rerr)
		}
	}
	if err != nil {
		raw.Close()
	}
	if serr := <-sent; err == nil {
		err = serr
	}
	return true, err
}

// send writes the stream in pieces.
func (s *streamClient) send(nc net.Conn, b []byte, shut bool) error {
	r := rand.New(rand.NewPCG(s.id, 3))
	for len(b) > 0 {
		n := min(1+r.IntN(30_000), len(b))
		if r.IntN(3) == 0 {
			n = min(n, 1+r.IntN(20))
		}
		if _, err := nc.Write(b[:n]); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		b = b[n:]
	}
	if shut {
		return nc.(interface{ CloseWrite() error }).CloseWrite()
	}
	return nil
}

// receive checks that the stream comes back.
func (s *streamClient) receive(nc net.Conn, want []byte, slow bool) error {
	b := make([]byte, 16<<10)
	for at := 0; at < len(want); {
		size := len(b)
		if slow {
			size = 1 + s.r.IntN(2000)
			time.Sleep(time.Duration(s.r.IntN(200)) * time.Microsecond) // a reader that lags behind
		}
		n, err := nc.Read(b[:min(size, len(want)-at)])
		if !bytes.Equal(b[:n], want[at:at+n]) {
			return fmt.Errorf("wrong bytes at %d of %d", at, len(want))
		}
		at += n
		if err != nil && at < len(want) {
			return fmt.Errorf("at %d of %d: %w", at, len(want), err)
		}
	}
	return nil
}

// inPieces writes the first bytes one by one: records then arrive in pieces.
type inPieces struct {
	net.Conn
	left int
}

func (c *inPieces) Write(b []byte) (int, error) {
	n := 0
	for c.left > 0 && n < len(b) {
		if _, err := c.Conn.Write(b[n : n+1]); err != nil {
			return n, err
		}
		c.left--
		n++
	}
	m, err := c.Conn.Write(b[n:])
	return n + m, err
}
