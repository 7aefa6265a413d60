//lint:file-ignore SA1019 x/net/http2 is what speaks extended CONNECT as a client.

package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestHTTP2 runs the tests of this file in a process of its own: whether HTTP/2 has
// extended CONNECT is decided when a process starts.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestExtendedConnect", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), "GODEBUG=http2xconnect=1")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS: TestExtendedConnect") < 8 {
		t.Errorf("%v\n%s", err, out)
	}
}

// h2Conn is a client's side of a stream.
type h2Conn struct {
	net.Conn // nil: what is not used
	io.Reader
	io.WriteCloser
	reset context.CancelFunc
}

func (c *h2Conn) Read(b []byte) (int, error)  { return c.Reader.Read(b) }
func (c *h2Conn) Write(b []byte) (int, error) { return c.WriteCloser.Write(b) }
func (c *h2Conn) Close() error {
	c.reset()
	return c.WriteCloser.Close()
}

// connectHTTP2 opens a WebSocket over HTTP/2 by hand (RFC 8441 5).
func connectHTTP2(t *testing.T, h http.Handler, header http.Header) (*peer, *http.Response) {
	if !strings.Contains(os.Getenv("GODEBUG"), "http2xconnect=1") {
		t.Skip("HTTP/2 without extended CONNECT; TestHTTP2 runs this")
	}
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	tr := &http2.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(tr.CloseIdleConnections)
	pr, pw := io.Pipe()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodConnect, srv.URL+"/chat", pr)
	must(t, "request", err)
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set(":protocol", "websocket")
	if req.Header.Get(headerVersion) == "" {
		req.Header.Set(headerVersion, version)
	}
	resp, err := tr.RoundTrip(req)
	must(t, "round trip", err)
	p := &peer{t: t, nc: &h2Conn{Reader: resp.Body, WriteCloser: pw, reset: cancel}, client: true, resp: resp}
	p.setCompression(resp.Header)
	return p, resp
}

func TestExtendedConnectBlocking(t *testing.T) {
	returned, first := make(chan error, 1), make(chan bool)
	p, resp := connectHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, &AcceptOptions{Subprotocols: []string{"chat"}, Deflate: &Deflate{MinBytes: -1}})
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		// A Read whose context ends does not end the stream.
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read without input: %v", err)
		}
		cancel()
		close(first)
		for {
			typ, data, err := c.Read(r.Context())
			if err == nil {
				err = c.Write(r.Context(), typ, data)
			}
			if err != nil {
				returned <- err
				return
			}
		}
	}), http.Header{headerProtocol: {"chat"}, headerExtensions: {"permessage-deflate"}})
	if resp.StatusCode != 200 || resp.Header.Get(headerProtocol) != "chat" || !strings.HasPrefix(resp.Header.Get(headerExtensions), "permessage-deflate") {
		t.Fatalf("answer %s %v", resp.Status, resp.Header)
	}
	await(t, "the first Read of the server", first)
	for _, s := range []string{"hello", strings.Repeat("x", 100000)} {
		p.send(p.raw(fin|1, s))
		p.want("text " + s)
		p.send(p.raw(fin|rsv1|1, p.deflate(s)))
		p.want("text " + s)
	}
	p.send(p.raw(fin|9, "there?"))
	p.want("pong there?")
	p.send(p.raw(fin|8, "\x03\xe8"))
	p.want("close 1000")
	p.want("EOF")
	if err := await(t, "the handler", returned); CloseStatus(err) != StatusNormal {
		t.Errorf("the handler ends with %v", err)
	}
}

func TestExtendedConnectEvents(t *testing.T) {
	returned := make(chan error, 1)
	p, _ := connectHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var cause error
		_, err := Accept(w, r, &AcceptOptions{Handler: &Funcs{
			OnMessage: func(c *Conn, typ MessageType, data []byte) {
				if err := c.Ping(context.Background()); err != nil {
					t.Errorf("ping: %v", err)
				}
				c.Write(context.Background(), typ, data)
			},
			OnClose: func(_ *Conn, err error) { cause = err },
		}})
		returned <- errors.Join(err, cause)
	}), nil)
	for range 3 {
		p.send(p.raw(fin|1, "hello"))
		p.send(p.raw(fin|10, strings.TrimPrefix(p.read(), "ping ")))
		p.want("text hello")
	}
	p.send(p.raw(fin|8, "\x03\xe8"))
	p.want("close 1000")
	if err := await(t, "Accept", returned); CloseStatus(err) != StatusNormal {
		t.Errorf("Accept returned after %v", err)
	}
}

// TestExtendedConnectGone: a client that resets the stream.
func TestExtendedConnectGone(t *testing.T) {
	returned := make(chan error, 1)
	p, _ := connectHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil)
		if err == nil {
			_, _, err = c.Read(context.Background())
		}
		returned <- err
	}), nil)
	p.nc.Close()
	if err := await(t, "the handler", returned); CloseStatus(err) != StatusAbnormal {
		t.Errorf("Read: %v", err)
	}
}

// TestExtendedConnectReturned: a connection whose http handler has returned without
// closing it has ended, and says so.
func TestExtendedConnectReturned(t *testing.T) {
	for _, event := range []bool{false, true} {
		for name, call := range map[string]func(*Conn) error{
			"CloseNow": func(c *Conn) error { return c.CloseNow() },
			"Close":    func(c *Conn) error { return c.Close(StatusNormal, "") },
			"Write":    func(c *Conn) error { return c.Write(background(t), MessageText, []byte("x")) },
			"Ping":     func(c *Conn) error { return c.Ping(background(t)) },
			"Read": func(c *Conn) error {
				_, _, err := c.Read(background(t))
				return err
			},
		} {
			conns := make(chan *Conn, 1)
			o := &AcceptOptions{}
			if event {
				o.Handler = &Funcs{OnOpen: func(c *Conn) { c.CloseNow() }}
			}
			p, _ := connectHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := Accept(w, r, o)
				if err != nil {
					t.Error(err)
				}
				conns <- c
			}), nil)
			c := await(t, "the connection", conns)
			p.want("EOF") // the handler has returned
			if err := call(c); err == nil && name != "CloseNow" {
				t.Errorf("%s succeeds (event style: %v)", name, event)
			}
			c.CloseNow()
		}
	}
}

// TestExtendedConnectHub: what a hub writes to a stream is over when its http
// handler returns, whether the peer reads or not.
func TestExtendedConnectHub(t *testing.T) {
	for _, tc := range []struct {
		name         string
		reads, reset bool
	}{{"reads", true, false}, {"stuck", false, false}, {"reset", false, true}} {
		hub := &Hub{}
		joined, returned := make(chan *Conn, 1), make(chan bool)
		p, _ := connectHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(returned)
			c, err := Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.CloseNow()
			hub.Subscribe(c, "t")
			joined <- c
			ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
			defer cancel()
			if tc.reset {
				ctx = r.Context()
			}
			c.Read(ctx)
		}), nil)
		await(t, "the connection", joined)
		if tc.reads {
			go io.Copy(io.Discard, p.nc)
		}
		data := make([]byte, 20<<10)
		for sent := 0; ; sent++ {
			hub.Publish(background(t), "t", MessageBinary, data)
			if tc.reset && sent == 200 {
				p.nc.Close()
			}
			select {
			case <-returned:
			default:
				continue
			}
			break
		}
		until(t, tc.name+": the connection leaves the hub", func() bool { return hub.Len() == 0 })
	}
}

// TestExtendedConnectDeadline: a peer that does not read is given up in time.
func TestExtendedConnectDeadline(t *testing.T) {
	returned := make(chan error, 1)
	connectHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, &AcceptOptions{WriteTimeout: 200 * time.Millisecond})
		if err == nil {
			defer c.CloseNow()
			err = c.Write(context.Background(), MessageBinary, make([]byte, 16<<20))
		}
		returned <- err
	}), nil)
	if err := await(t, "the write", returned); CloseStatus(err) != StatusAbnormal {
		t.Errorf("Write to who does not read: %v", err)
	}
}

// TestExtendedConnectWriteInTime: a Write whose context ends midway ends the connection,
// and says so.
func TestExtendedConnectWriteInTime(t *testing.T) {
	returned := make(chan error, 2)
	connectHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		returned <- c.Write(ctx, MessageBinary, make([]byte, 16<<20))
		returned <- c.Write(context.Background(), MessageText, []byte("next"))
	}), nil)
	for range 2 {
		if err := await(t, "the write", returned); CloseStatus(err) != StatusAbnormal || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write: %v", err)
		}
	}
}

func TestExtendedConnectRefused(t *testing.T) {
	_, resp := connectHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := Accept(w, r, nil); err == nil {
			t.Error("accepted")
		}
	}), http.Header{headerVersion: {"8"}})
	if resp.StatusCode != http.StatusUpgradeRequired || resp.Header.Get(headerVersion) != version {
		t.Errorf("answer %s %v", resp.Status, resp.Header)
	}
	resp.Body.Close()
}
