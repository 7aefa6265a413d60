package sock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

const clientLine = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// proxyPair returns a client's connection and what a trusting listener accepts
// for it.
func proxyPair(t testing.TB, trusted []netip.Prefix) (client net.Conn, server net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &ProxyListener{Listener: inner, Trusted: trusted}
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err = ln.Accept() // nothing was sent yet: it must not wait for it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	server.SetDeadline(time.Now().Add(20 * time.Second))
	return client, server
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func TestProxyConnNettest(t *testing.T) {
	t.Parallel()
	for _, header := range []string{clientLine, "v2"} {
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, nil, nil, err
			}
			ln := &ProxyListener{Listener: inner, Trusted: loopback}
			defer ln.Close()
			if c1, err = net.Dial("tcp", ln.Addr().String()); err != nil {
				return nil, nil, nil, err
			}
			if c2, err = ln.Accept(); err != nil {
				return nil, nil, nil, err
			}
			b := []byte(header)
			if header == "v2" {
				b, err = AppendProxyHeader(nil, ProxyHeader{Version: 2, Local: true})
				if err != nil {
					return nil, nil, nil, err
				}
			}
			if _, err = c1.Write(b); err != nil {
				return nil, nil, nil, err
			}
			return c1, c2, func() { c1.Close(); c2.Close() }, nil
		})
	}
}

func TestProxyConnAddresses(t *testing.T) {
	t.Parallel()
	v2, err := AppendProxyHeader(nil, ProxyHeader{
		Version: 2, Network: "udp",
		Source: netip.MustParseAddrPort("[2001:db8::1]:7"), Destination: netip.MustParseAddrPort("[2001:db8::2]:8"),
		TLVs: AppendProxyTLV(nil, ProxyTypeAuthority, bytes.Repeat([]byte("a"), 3000)), // more than the first buffer
	})
	if err != nil {
		t.Fatal(err)
	}
	unixHeader, err := AppendProxyHeader(nil, ProxyHeader{Version: 2, Network: "unix", SourcePath: "/a", DestinationPath: "@b"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, header           string
		network, remote, local string // "" is the connection's own
	}{
		{"v1", clientLine, "tcp", "192.0.2.1:56324", "198.51.100.7:443"},
		{"v2", string(v2), "udp", "[2001:db8::1]:7", "[2001:db8::2]:8"},
		{"unix", string(unixHeader), "unix", "/a", "@b"},
		{"unknown", "PROXY UNKNOWN\r\n", "tcp", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, server := proxyPair(t, loopback)
			go io.WriteString(client, tt.header+"hello")
			remote, local := tt.remote, tt.local
			if remote == "" {
				remote, local = client.LocalAddr().String(), client.RemoteAddr().String()
			}
			if got := server.RemoteAddr(); got.String() != remote || got.Network() != tt.network {
				t.Errorf("RemoteAddr = %s %s, want %s %s", got.Network(), got, tt.network, remote)
			}
			if got := server.LocalAddr(); got.String() != local {
				t.Errorf("LocalAddr = %s, want %s", got, local)
			}
			b := make([]byte, 5)
			if _, err := io.ReadFull(server, b); err != nil || string(b) != "hello" {
				t.Errorf("read %q, %v; want hello", b, err)
			}
			h, err := server.(*ProxyConn).Header()
			if err != nil || tt.name == "v2" && len(h.TLVs.Authority()) != 3000 {
				t.Errorf("Header = %+v, %v", h, err)
			}
		})
	}
}

// Every cut of header and data between segments gives the same.
func TestProxyConnSplits(t *testing.T) {
	t.Parallel()
	const all = clientLine + "hello"
	for cut := 1; cut < len(all); cut++ {
		synctest.Test(t, func(t *testing.T) {
			client, inner := net.Pipe()
			server := newProxyConn(inner, DefaultProxyTimeout)
			go func() {
				io.WriteString(client, all[:cut])
				time.Sleep(time.Second)
				io.WriteString(client, all[cut:])
				client.Close()
			}()
			b, err := io.ReadAll(server)
			if err != nil || string(b) != "hello" {
				t.Errorf("cut at %d: %q, %v", cut, b, err)
			}
			if got := server.RemoteAddr().String(); got != "192.0.2.1:56324" {
				t.Errorf("cut at %d: RemoteAddr = %s", cut, got)
			}
			server.Close()
		})
	}
}

// A peer that is not trusted cannot change its address: the header is data.
func TestProxyUntrusted(t *testing.T) {
	t.Parallel()
	for _, trusted := range [][]netip.Prefix{nil, {netip.MustParsePrefix("192.0.2.0/24")}} {
		client, server := proxyPair(t, trusted)
		send(t, client, clientLine)
		if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
			t.Errorf("RemoteAddr = %s, want %s", got, want)
		}
		b := make([]byte, len(clientLine))
		if _, err := io.ReadFull(server, b); err != nil || string(b) != clientLine {
			t.Errorf("read %q, %v; want the header", b, err)
		}
	}
}

func TestProxyConnBadHeader(t *testing.T) {
	t.Parallel()
	client, server := proxyPair(t, loopback)
	send(t, client, "GET / HTTP/1.1\r\n")
	for range 2 { // the error stays
		_, err := server.Read(make([]byte, 10))
		if pe, ok := errors.AsType[*ProtocolError](err); !ok || pe.Rule != "PROXY protocol 2" {
			t.Errorf("Read: %v, want a *ProtocolError", err)
		}
	}
	if _, err := server.(*ProxyConn).Header(); err == nil {
		t.Error("Header gave no error")
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write: %v, want net.ErrClosed", err)
	}
	if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
		t.Errorf("RemoteAddr = %s, want the proxy's, %s", got, want)
	}
	client.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("client: %v, want the connection closed", err)
	}
	if err := server.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestProxyConnEOF(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sent string
		want error
	}{
		{"", io.EOF},
		{"PROXY TCP4 192.0", io.ErrUnexpectedEOF},
	} {
		client, server := proxyPair(t, loopback)
		send(t, client, tt.sent)
		client.Close()
		if _, err := server.Read(make([]byte, 10)); !errors.Is(err, tt.want) {
			t.Errorf("after %q: %v, want %v", tt.sent, err, tt.want)
		}
	}
}

// A header that is late ends the connection, whatever deadline the user has.
func TestProxyConnLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, inner := net.Pipe()
		defer client.Close()
		server := newProxyConn(inner, DefaultProxyTimeout)
		server.SetReadDeadline(time.Now().Add(time.Hour))
		go io.WriteString(client, "PROXY TCP4 ")
		start := time.Now()
		_, err := server.Read(make([]byte, 10))
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("after %v, want 5s", got)
		}
		if ne, ok := err.(net.Error); !ok || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v is not a timeout", err)
		}
		if want := "no PROXY protocol header within 5s"; !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	})
}

// The user's deadline ends a Read, not the header: that is still taken later,
// and then the deadline is the user's.
func TestProxyConnUserDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, inner := net.Pipe()
		defer client.Close()
		server := newProxyConn(inner, DefaultProxyTimeout)
		defer server.Close()
		read := func() (string, error) {
			b := make([]byte, 3)
			n, err := server.Read(b)
			return string(b[:n]), err
		}
		server.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("first Read: %v, want a timeout", err)
		}
		// Moving the deadline wakes a Read that waits for the header.
		server.SetDeadline(time.Now().Add(time.Hour))
		go func() {
			time.Sleep(time.Second)
			server.SetReadDeadline(time.Now())
		}()
		if _, err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("second Read: %v, want a timeout", err)
		}
		io.WriteString(client, clientLine+"hello")
		if got := server.RemoteAddr().String(); got != "192.0.2.1:56324" {
			t.Errorf("RemoteAddr = %s", got)
		}
		// The deadline holds for bytes that came with the header too.
		if _, err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("third Read: %v, want a timeout", err)
		}
		server.SetReadDeadline(time.Time{})
		for _, want := range []string{"hel", "lo"} {
			if got, err := read(); got != want || err != nil {
				t.Errorf("Read = %q, %v; want %q", got, err, want)
			}
		}
		// The header's deadline is gone, long after it.
		go func() {
			time.Sleep(time.Minute)
			io.WriteString(client, "end")
		}()
		if got, err := read(); got != "end" || err != nil {
			t.Errorf("Read = %q, %v; want end", got, err)
		}
	})
}

func TestProxyConnClose(t *testing.T) {
	t.Parallel()
	client, server := proxyPair(t, loopback)
	got := make(chan error)
	go func() {
		_, err := server.Read(make([]byte, 1))
		got <- err
	}()
	server.Close()
	if err := <-got; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read: %v, want net.ErrClosed", err)
	}
	if err := server.SetReadDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("SetReadDeadline: %v, want net.ErrClosed", err)
	}
	if err := server.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v, want net.ErrClosed", err)
	}
	client.Close()

	// Closed with bytes unread that came with the header.
	client, server = proxyPair(t, loopback)
	send(t, client, clientLine+"hello")
	server.(*ProxyConn).Header()
	server.Close()
	if n, err := server.Read(make([]byte, 9)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close = %d, %v; want net.ErrClosed", n, err)
	}
}

func TestProxyConnWriteSide(t *testing.T) {
	t.Parallel()
	client, server := proxyPair(t, loopback)
	// Before the header: a server that speaks first need not wait for it.
	n, err := io.Copy(server, strings.NewReader("welcome"))
	if n != 7 || err != nil {
		t.Fatalf("Copy = %d, %v", n, err)
	}
	if err := server.(*ProxyConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	client.SetDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(client); string(b) != "welcome" || err != nil {
		t.Errorf("client read %q, %v", b, err)
	}
	pipe, other := net.Pipe()
	defer other.Close()
	defer pipe.Close()
	if err := newProxyConn(pipe, 0).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite of a pipe: %v, want ErrUnsupported", err)
	}
}

func TestProxyListenerTrusts(t *testing.T) {
	t.Parallel()
	addr := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	l := &ProxyListener{Trusted: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10"),
	}}
	for _, tt := range []struct {
		peer net.Addr
		want bool
	}{
		{addr("10.1.2.3:4"), true},
		{addr("[::ffff:10.1.2.3]:4"), true},
		{addr("11.1.2.3:4"), false},
		{addr("[fe80::1%lo]:4"), true},
		{addr("[2001:db8::1]:4"), false},
		{&net.UnixAddr{Net: "unix", Name: ""}, true},
		{&net.TCPAddr{}, false},
		{nil, false},
		{net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.1:1")), true},
		{net.UDPAddrFromAddrPort(netip.MustParseAddrPort("9.0.0.1:1")), false},
	} {
		if got := l.Trusts(tt.peer); got != tt.want {
			t.Errorf("Trusts(%v) = %t, want %t", tt.peer, got, tt.want)
		}
	}
	if new(ProxyListener).Trusts(&net.UnixAddr{}) {
		t.Error("nobody is trusted, but a unix peer is")
	}
}

func TestProxyListenerTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want time.Duration }{{0, 5 * time.Second}, {time.Second, time.Second}, {-1, -1}} {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln := &ProxyListener{Listener: inner, Trusted: loopback, Timeout: tt.in}
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := c.(*ProxyConn).timeout; got != tt.want {
			t.Errorf("Timeout %v: %v, want %v", tt.in, got, tt.want)
		}
		c.Close()
		client.Close()
		ln.Close()
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
	}
}

// After the header its deadline is gone, and the one that the user set while it
// was awaited holds.
func TestProxyConnDeadlineAfterHeader(t *testing.T) {
	t.Parallel()
	for _, user := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			client, inner := net.Pipe()
			defer client.Close()
			server := newProxyConn(inner, DefaultProxyTimeout)
			if user != 0 {
				server.SetReadDeadline(time.Now().Add(user))
			}
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				io.WriteString(client, clientLine)
				time.Sleep(2 * time.Minute)
				io.WriteString(client, "end")
			}()
			b := make([]byte, 3)
			n, err := server.Read(b)
			switch {
			case user == 0 && (string(b[:n]) != "end" || err != nil):
				t.Errorf("no deadline: %q, %v; want end", b[:n], err)
			case user != 0 && !errors.Is(err, os.ErrDeadlineExceeded):
				t.Errorf("deadline %v: %q, %v; want a timeout", user, b[:n], err)
			}
			server.Close()
			<-sent
		})
	}
}
