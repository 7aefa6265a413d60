package engine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"
)

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
