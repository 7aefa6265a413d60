package websocket

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/internal/wsframe"
)

// patience bounds every wait of the tests.
const patience = 10 * time.Second

// peer is the other end of a connection, in bytes: it can break every rule.
type peer struct {
	t      testing.TB
	nc     net.Conn
	client bool // it masks
	in     []byte
	r      wsframe.Reader
	resp   *http.Response

	// Compression by the standard library, independent of ours.
	zw     *flate.Writer
	zout   bytes.Buffer
	zreset bool   // our messages start anew
	zdict  []byte // what its messages refer to; nil: nothing
	zkeep  bool
}

// dialPeer opens a WebSocket by hand.
func dialPeer(t testing.TB, addr, path string, header ...string) *peer {
	t.Helper()
	addr, isSecure := strings.CutPrefix(addr, secure)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if isSecure {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	nc.SetDeadline(time.Now().Add(patience))
	return openPeer(t, nc, path, header...)
}

// socket is the peer's, below TLS.
func (p *peer) socket() *net.TCPConn {
	if s, ok := p.nc.(*tls.Conn); ok {
		return s.NetConn().(*net.TCPConn)
	}
	return p.nc.(*net.TCPConn)
}

// pair starts a server in event style, and returns both ends of a connection to it.
// o.Handler is replaced.
func (s server) pair(t testing.TB, o *AcceptOptions) (*peer, *Conn) {
	t.Helper()
	conns := make(chan *Conn, 1)
	o.Handler = &Funcs{OnOpen: func(c *Conn) { conns <- c }}
	p := dialPeer(t, s.start(t, o), "/")
	return p, await(t, "Open", conns)
}

// dialServer has our client connect to a server.
func dialServer(t testing.TB, addr string, o *DialOptions) *Conn {
	t.Helper()
	scheme := "ws://"
	addr, isSecure := strings.CutPrefix(addr, secure)
	if isSecure {
		scheme, o.TLS = "wss://", &tls.Config{InsecureSkipVerify: true}
	}
	c, err := Dial(background(t), scheme+addr+"/", o)
	must(t, "dial", err)
	return c
}

func openPeer(t testing.TB, nc net.Conn, path string, header ...string) *peer {
	t.Helper()
	var nonce [16]byte
	rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	req := "GET " + path + " HTTP/1.1\r\nHost: test.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n"
	for _, line := range header {
		req += line + "\r\n"
	}
	if _, err := io.WriteString(nc, req+"\r\n"); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		t.Fatalf("the answer is %s, want 101: %s", resp.Status, body)
	}
	if got, want := resp.Header.Get("Sec-WebSocket-Accept"), acceptKey(key); got != want {
		t.Fatalf("Sec-WebSocket-Accept is %q, want %q", got, want)
	}
	p := &peer{t: t, nc: nc, client: true, resp: resp, in: buffered(br)}
	p.setCompression(resp.Header)
	return p
}

// setCompression follows what was agreed upon.
func (p *peer) setCompression(h http.Header) {
	list, _ := parseExtensions(h)
	if len(list) == 0 {
		return
	}
	o, ok := parseDeflate(list[0], true)
	if !ok {
		p.t.Fatalf("extensions: %v", h[headerExtensions])
	}
	p.r.Compression = true
	p.zreset, p.zkeep = o.clientNoTakeover, !o.serverNoTakeover
	if !p.client {
		p.zreset, p.zkeep = o.serverNoTakeover, !o.clientNoTakeover
	}
}

// raw is a frame, with any header bits.
func (p *peer) raw(b0 byte, payload string) []byte {
	b := wsframe.AppendHeader(nil, wsframe.Header{Length: int64(len(payload)), Masked: p.client, Key: wsframe.Key{0x37, 0xfa, 0x21, 0x3d}})
	b[0] = b0
	start := len(b)
	b = append(b, payload...)
	if p.client {
		wsframe.Mask(b[start:], wsframe.Key{0x37, 0xfa, 0x21, 0x3d})
	}
	return b
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

// deflate compresses a message.
func (p *peer) deflate(s string) string {
	if p.zw == nil {
		p.zw, _ = flate.NewWriter(&p.zout, 1)
	} else if p.zreset {
		p.zw.Reset(&p.zout)
	}
	p.zout.Reset()
	io.WriteString(p.zw, s)
	p.zw.Flush()
	return strings.TrimSuffix(p.zout.String(), "\x00\x00\xff\xff")
}

// inflate decompresses a message.
func (p *peer) inflate(s string) string {
	r := flate.NewReaderDict(strings.NewReader(s+deflateTail), p.zdict)
	b, err := io.ReadAll(r)
	if err != nil {
		p.t.Errorf("inflate: %v", err)
	}
	if p.zkeep {
		p.zdict = append(p.zdict, b...)
		p.zdict = p.zdict[max(len(p.zdict)-maxWindow, 0):]
	}
	return string(b)
}

// read gives the next message or control frame, as "text hello", "close 1000 bye".
// At the end it is "EOF", "reset" or another word for that.
func (p *peer) read() string {
	p.t.Helper()
	s, err := p.next()
	if err != nil {
		var ne net.Error
		switch {
		case err == io.EOF:
			return "EOF"
		case errors.As(err, &ne) && ne.Timeout():
			return "timeout"
		case strings.Contains(err.Error(), "reset"):
			return "reset"
		}
		return err.Error()
	}
	return s
}

func (p *peer) next() (string, error) {
	p.r.Server = !p.client
	var message []byte
	for {
		f, n, err := p.r.Next(p.in)
		if err != nil {
			return "", err
		}
		if n == 0 {
			buf := make([]byte, 32<<10)
			m, err := p.nc.Read(buf)
			if m == 0 && err != nil {
				return "", err
			}
			p.in = append(append([]byte(nil), p.in...), buf[:m]...)
			continue
		}
		p.in = p.in[n:]
		switch f.Opcode {
		case wsframe.Ping:
			return "ping " + string(f.Payload), nil
		case wsframe.Pong:
			return "pong " + string(f.Payload), nil
		case wsframe.Close:
			code, reason, err := wsframe.ParseClose(f.Payload)
			if err != nil {
				return "", err
			}
			return strings.TrimRight(fmt.Sprintf("close %d %s", code, reason), " "), nil
		}
		message = append(message, f.Payload...)
		if f.Last {
			s := string(message)
			if f.Compressed {
				s = p.inflate(s)
			}
			return MessageType(f.Opcode).String() + " " + s, nil
		}
	}
}

// want reads and compares.
func (p *peer) want(want string) {
	p.t.Helper()
	if got := p.read(); got != want {
		p.t.Errorf("got %s, want %s", short(got), short(want))
	}
}

func short(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%q... (%d bytes)", s[:80], len(s))
	}
	return fmt.Sprintf("%q", s)
}

const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10
)

// acceptPeer answers the request of a client by hand.
func acceptPeer(t testing.TB, nc net.Conn, extensions string) *peer {
	br := bufio.NewReader(nc)
	r, err := http.ReadRequest(br)
	if err != nil {
		t.Errorf("reading the request: %v", err)
		return nil
	}
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey(r.Header.Get(headerKey)) + "\r\n"
	h := http.Header{}
	if extensions != "" {
		answer += "Sec-WebSocket-Extensions: " + extensions + "\r\n"
		h.Set(headerExtensions, extensions)
	}
	if _, err := io.WriteString(nc, answer+"\r\n"); err != nil {
		t.Error(err)
	}
	p := &peer{t: t, nc: nc, in: buffered(br)}
	p.setCompression(h)
	return p
}
