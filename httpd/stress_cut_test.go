package httpd_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// TestStressCut sends requests that are cut at random bytes, reset at random moments and mixed with garbage, pipelined
// and with bodies. What is whole must be answered rightly; of the rest nothing may remain.
func TestStressCut(t *testing.T) {
	total := stressSize(5000, 100_000)
	for _, driver := range engine.Drivers() {
		for _, kind := range stressKinds {
			t.Run(driver.String()+"/"+kind, func(t *testing.T) { stressCut(t, driver, kind, nil, total/4) })
		}
		t.Run(driver.String()+"/tls", func(t *testing.T) { stressCut(t, driver, "handler", serverTLS(), total/5) })
	}
}

func stressCut(t *testing.T, driver engine.Driver, kind string, secure *tls.Config, total int) {
	needsDriver(t, driver)
	s := stressServe(t, driver, 0, &httpd.Server{Handler: stressKind(kind, cutAnswer), TLS: secure})
	dial := func() (cutLink, error) { return cutDial(s.addr, secure != nil) }
	cutRound(t, dial, 200, 1) // pools and tables have their size after it
	before := takeFootprint()
	counts := cutRound(t, dial, total, 2)
	t.Log(counts)
	before.checkBack(t, 8<<20)
	quietly(t, s)
	nc, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got, err := stressAsk(nc, bufio.NewReader(nc), "/sum/7"); err != nil || got != "/sum/7 0 00000000" {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}

// cutLink is a connection, with TLS or without, and the socket under it.
type cutLink struct {
	net.Conn
	socket *net.TCPConn
}

func cutDial(addr string, secure bool) (cutLink, error) {
	nc, err := stressDial(addr)
	if err != nil {
		return cutLink{}, err
	}
	nc.SetDeadline(time.Now().Add(9 * time.Second)) // whoever waits for the end of a head that never comes takes 10 s
	socket := nc.(*net.TCPConn)
	if !secure {
		return cutLink{nc, socket}, nil
	}
	tc := tls.Client(nc, clientTLS())
	if err := tc.Handshake(); err != nil {
		nc.Close()
		return cutLink{}, err
	}
	return cutLink{tc, socket}, nil
}

// CloseWrite ends our side, and tells so where TLS does.
func (l cutLink) CloseWrite() {
	if tc, ok := l.Conn.(*tls.Conn); ok {
		tc.CloseWrite()
	}
	l.socket.CloseWrite()
}

// cutAnswer tells the path, and the length and checksum of the body.
func cutAnswer(path string, body io.Reader) (int, string) {
	if strings.HasPrefix(path, "/skip/") {
		return 200, path
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(sum, body)
	if err != nil && n%2 == 1 {
		panic(http.ErrAbortHandler)
	}
	return 200, fmt.Sprintf("%s %d %08x", path, n, sum.Sum32())
}

// cutRequest is a whole, valid request and the text that answers it.
func cutRequest(r *rand.Rand, id uint64) (wire []byte, want string) {
	kind, body := "sum", make([]byte, 0)
	if r.IntN(4) == 0 {
		kind = "skip"
	}
	var b bytes.Buffer
	path := fmt.Sprintf("/%s/%d", kind, id)
	if r.IntN(2) == 0 {
		fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: localhost\r\n", path)
		for i := range r.IntN(12) {
			fmt.Fprintf(&b, "X-Field-%d: %x\r\n", i, r.Uint64())
		}
		b.WriteString("\r\n")
	} else {
		size := r.IntN(200)
		if r.IntN(8) == 0 {
			size = r.IntN(100_000)
		}
		body = make([]byte, size)
		for i := range body {
			body[i] = byte(r.Uint32())
		}
		fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: localhost\r\n", path)
		cutBody(&b, r, body)
	}
	if kind == "skip" {
		return b.Bytes(), path
	}
	return b.Bytes(), fmt.Sprintf("%s %d %08x", path, len(body), crc32.ChecksumIEEE(body))
}

// cutBody ends the head and adds a body, with a length or in chunks.
func cutBody(b *bytes.Buffer, r *rand.Rand, body []byte) {
	if r.IntN(2) == 0 {
		fmt.Fprintf(b, "Content-Length: %d\r\n\r\n", len(body))
		b.Write(body)
		return
	}
	b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
	for len(body) > 0 {
		n := 1 + r.IntN(len(body))
		fmt.Fprintf(b, "%x;x=y\r\n", n)
		b.Write(body[:n])
		b.WriteString("\r\n")
		body = body[n:]
	}
	b.WriteString("0\r\nX-Trailer: t\r\n\r\n")
}

// cutCounts is what a round has done.
type cutCounts struct{ conns, requests, answers, cut, resets, garbage atomic.Int64 }

func (c *cutCounts) String() string {
	return fmt.Sprintf("%d connections, %d requests, %d checked answers, %d cut short, %d reset, %d with garbage",
		c.conns.Load(), c.requests.Load(), c.answers.Load(), c.cut.Load(), c.resets.Load(), c.garbage.Load())
}

// cutRound sends total requests from 16 clients.
func cutRound(t *testing.T, dial func() (cutLink, error), total int, seed uint64) *cutCounts {
	t.Helper()
	var counts cutCounts
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for worker := range uint64(16) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, worker))
			for counts.requests.Load() < int64(total) {
				if err := cutConn(r, dial, &counts); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	failFirst(t, "connection", errs)
	return &counts
}

// The ways in which a connection of cutConn ends.
const (
	endWell    = iota // everything is read
	endCut            // a request is cut short, then our side is shut
	endGarbage        // what follows is no request
	endReset          // anywhere, by a reset
	endClosed         // anywhere, by closing with answers unread
	endings
)

// cutConn uses one connection: some whole requests, then an ending.
func cutConn(r *rand.Rand, dial func() (cutLink, error), counts *cutCounts) error {
	nc, err := dial()
	if err != nil {
		return err
	}
	defer nc.socket.Close()
	counts.conns.Add(1)
	var wire []byte
	var want []string
	add := func() []byte {
		b, text := cutRequest(r, r.Uint64())
		counts.requests.Add(1)
		want = append(want, text)
		return b
	}
	for range r.IntN(8) {
		wire = append(wire, add()...)
	}
	ending := r.IntN(endings)
	switch ending {
	case endWell:
		wire = append(wire, add()...)
	case endGarbage:
		counts.garbage.Add(1)
		wire = append(wire, cutGarbage(r)...)
	default:
		counts.cut.Add(1)
		b := add()
		want = want[:len(want)-1]
		wire = append(wire, b[:r.IntN(len(b))]...)
	}
	if ending == endReset || ending == endClosed {
		return cutBreak(r, nc, wire, ending == endReset, counts)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		cutSend(nc, wire)
		if ending == endCut {
			nc.CloseWrite()
		}
	}()
	err = cutRead(nc, want, ending, counts)
	if err != nil {
		nc.Close()
	}
	<-sent
	if err == nil && r.IntN(2) == 0 {
		nc.socket.SetLinger(0)
	}
	return err
}

// cutGarbage is no HTTP, or HTTP with a forbidden byte early on.
func cutGarbage(r *rand.Rand) []byte {
	b := make([]byte, 1+r.IntN(300))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	b[0] = 0
	if r.IntN(2) == 0 {
		b = append([]byte("GET / HTTP/1.1\r\nHost: localhost\r\nX:"), b...)
	}
	return append(b, "\r\n\r\n"...) // so that a parser that waits for a line gets one
}

// cutSend writes in pieces that look random.
func cutSend(nc net.Conn, wire []byte) {
	r := rand.New(rand.NewPCG(uint64(len(wire)), 3))
	for len(wire) > 0 {
		n := min(1+r.IntN(20_000), len(wire))
		if r.IntN(3) == 0 {
			n = min(n, 1+r.IntN(40))
		}
		if _, err := nc.Write(wire[:n]); err != nil {
			return
		}
		wire = wire[n:]
	}
}

// cutBreak sends some of wire and leaves, with or without a look at the answers.
// Under TLS, garbage goes between the records now and then.
func cutBreak(r *rand.Rand, nc cutLink, wire []byte, reset bool, counts *cutCounts) error {
	if len(wire) > 0 {
		cutSend(nc, wire[:r.IntN(len(wire))])
	}
	if nc.Conn != net.Conn(nc.socket) && r.IntN(4) == 0 {
		counts.garbage.Add(1)
		nc.socket.Write(cutGarbage(r))
	}
	if r.IntN(2) == 0 {
		nc.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(4000)) * time.Microsecond))
		nc.Read(make([]byte, 10)) // there may be no answer yet
	}
	if reset {
		counts.resets.Add(1)
		nc.socket.SetLinger(0)
	}
	return nil
}

// cutRead reads the answers that must come, and how the connection ends after them.
func cutRead(nc net.Conn, want []string, ending int, counts *cutCounts) error {
	br := bufio.NewReader(nc)
	for i, text := range want {
		status, got, err := stressAnswer(br)
		if err != nil {
			return fmt.Errorf("answer %d of %d, ending %d: %w", i, len(want), ending, err)
		}
		if status != 200 || got != text {
			return fmt.Errorf("answer %d of %d: got %d %q, want %q", i, len(want), status, got, text)
		}
		counts.answers.Add(1)
	}
	switch ending {
	case endGarbage:
		if status, text, err := stressAnswer(br); err != nil || status < 400 {
			return fmt.Errorf("answer to garbage: %d %q, %w", status, text, errors.Join(err))
		}
	case endWell:
		return nil
	}
	// A request cut short may be answered with an error, and then comes the end.
	rest, err := io.ReadAll(br)
	if err != nil {
		return fmt.Errorf("after the answers, ending %d: %q, %w", ending, rest, err)
	}
	return nil
}
