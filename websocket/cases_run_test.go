package websocket

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
)

// TestServerCases runs the table against every server.
func TestServerCases(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		small := s.start(t, nil)
		large := s.start(t, &AcceptOptions{MaxMessageBytes: 8 << 20, MaxBacklogBytes: -1})
		for _, c := range allCases() {
			t.Run(c.id, func(t *testing.T) {
				t.Parallel()
				addr := small
				if c.large {
					addr = large
				}
				c.run(dialPeer(t, addr, "/"))
			})
		}
	})
}

// run plays the part of the peer.
func (c testCase) run(p *peer) {
	p.t.Helper()
	var out []byte
	for _, s := range c.send {
		out = append(out, p.raw(s.b0, s.payload)...)
	}
	closes := c.code == 0 && !strings.HasPrefix(last(c.want), "close ")
	if closes {
		out = append(out, p.raw(closing(1000, "").b0, closing(1000, "").payload)...)
	}
	sent := make(chan error, 1)
	go func() { sent <- c.write(p.nc, out) }()
	want := c.want
	if closes {
		want = append(append([]string(nil), want...), "close 1000")
	}
	if last(want) == "binary-not-read" {
		want = []string{"text a"}
	}
	for _, w := range want {
		p.want(w)
	}
	if c.code != 0 {
		if got := p.read(); !strings.HasPrefix(got, fmt.Sprint("close ", c.code)) {
			p.t.Errorf("got %s, want a close frame with %d", short(got), c.code)
		}
	}
	if p.client {
		// RFC 6455 7.1.1: the server ends the connection.
		if got := p.read(); got != "EOF" && got != "reset" {
			p.t.Errorf("after the close: %s, want the end", short(got))
		}
	}
	p.nc.Close()
	<-sent // an error: the other end had heard enough
}

func last(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[len(s)-1]
}

func (c testCase) write(nc net.Conn, out []byte) error {
	if c.chop == 0 {
		_, err := nc.Write(out)
		return err
	}
	for len(out) > 0 {
		n := min(c.chop, len(out))
		if _, err := nc.Write(out[:n]); err != nil {
			return err
		}
		out = out[n:]
	}
	return nil
}

// clients are the styles of our client.
func clients() []server {
	all := []server{{name: "blocking", driver: engine.DriverGoroutine}}
	for _, d := range engine.Drivers() {
		all = append(all, server{name: "event-" + d.String(), driver: d, event: true})
	}
	return all
}

// TestClientCases runs the table against our client, which echoes.
func TestClientCases(t *testing.T) {
	t.Parallel()
	for _, style := range clients() {
		t.Run(style.name, func(t *testing.T) {
			t.Parallel()
			style.needs(t)
			e := &engine.Engine{Driver: style.driver}
			for _, c := range allCases() {
				t.Run(c.id, func(t *testing.T) {
					t.Parallel()
					o := &DialOptions{Engine: e}
					if c.large {
						o.MaxMessageBytes, o.MaxBacklogBytes = 8<<20, -1
					}
					p := dialEcho(t, o, style.event, "")
					c.run(p)
				})
			}
		})
	}
}

// dialEcho has our client connect to a peer, and echo.
func dialEcho(t testing.TB, o *DialOptions, event bool, extensions string) *peer {
	t.Helper()
	near, far := tcpPair(t)
	o.Dial = func(context.Context, string, string) (net.Conn, error) { return near, nil }
	peers := make(chan *peer, 1)
	go func() { peers <- acceptPeer(t, far, extensions) }()
	closed := make(chan error, 1)
	if event {
		o.Handler = &Funcs{
			OnMessage: func(c *Conn, typ MessageType, data []byte) { c.Write(context.Background(), typ, data) },
			OnClose:   func(_ *Conn, err error) { closed <- err },
		}
	}
	c, err := Dial(background(t), "ws://test.example/", o)
	if err != nil {
		t.Fatal(err)
	}
	if !event {
		go func() {
			defer close(closed)
			defer c.CloseNow()
			for {
				typ, data, err := c.Read(context.Background())
				if err != nil {
					return
				}
				if err := c.Write(context.Background(), typ, data); err != nil {
					return
				}
			}
		}()
	}
	t.Cleanup(func() {
		far.Close()
		await(t, "the end of the client", closed)
	})
	return await(t, "the handshake", peers)
}

// tcpPair is a connection over loopback.
func tcpPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		nc, _ := ln.Accept()
		accepted <- nc
	}()
	a, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b = await(t, "accept", accepted)
	b.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// TestSmallLimit: a message that arrives at once is measured as well.
func TestSmallLimit(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		p := dialPeer(t, s.start(t, &AcceptOptions{MaxMessageBytes: 100}), "/")
		p.send(append(p.raw(fin|1, strings.Repeat("x", 100)), p.raw(fin|1, strings.Repeat("y", 101))...))
		p.want("text " + strings.Repeat("x", 100))
		p.want("close 1009")
	})
}
