package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestDialRefuses: answers that do not upgrade, or upgrade wrongly.
func TestDialRefuses(t *testing.T) {
	t.Parallel()
	const good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n"
	for name, tc := range map[string]struct {
		answer string
		check  func(err error) bool
	}{
		"good":                {good + "\r\n", func(err error) bool { return err == nil }},
		"good after 103":      {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + good + "\r\n", func(err error) bool { return err == nil }},
		"not found":           {"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", status(404, "gone")},
		"redirect":            {"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", status(302, "")},
		"chunked":             {"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", status(500, "abcde")},
		"until close":         {"HTTP/1.1 503 No\r\n\r\nlater", status(503, "later")},
		"long":                {"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), status(500, strings.Repeat("x", 4096))},
		"200":                 {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status(200, "")},
		"no upgrade":          {strings.Replace(good, "Upgrade: websocket\r\n", "", 1) + "\r\n", breaks},
		"other upgrade":       {strings.Replace(good, "websocket", "h2c", 1) + "\r\n", breaks},
		"no connection":       {strings.Replace(good, "Connection: Upgrade\r\n", "", 1) + "\r\n", breaks},
		"wrong accept":        {strings.Replace(good, "KEY", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 1) + "\r\n", breaks},
		"no accept":           {strings.Replace(good, "Sec-WebSocket-Accept: KEY\r\n", "", 1) + "\r\n", breaks},
		"unknown protocol":    {good + "Sec-WebSocket-Protocol: other\r\n\r\n", breaks},
		"two protocols":       {good + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n", breaks},
		"unasked extension":   {good + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", breaks},
		"not HTTP":            {"SSH-2.0-OpenSSH\r\n\r\n", func(err error) bool { return err != nil }},
		"nothing":             {"", func(err error) bool { return errors.Is(err, io.EOF) }},
		"endless header":      {"HTTP/1.1 101 OK\r\n" + strings.Repeat("X-A: b\r\n", 20000), func(err error) bool { return err != nil }},
		"cut off in the head": {good, func(err error) bool { return errors.Is(err, io.EOF) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := tcpPair(t)
			go func() {
				r, err := http.ReadRequest(bufio.NewReader(far))
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(far, strings.ReplaceAll(tc.answer, "KEY", acceptKey(r.Header.Get(headerKey))))
				far.(*net.TCPConn).CloseWrite()
			}()
			c, err := Dial(background(t), "ws://test.example/", &DialOptions{
				Subprotocols: []string{"chat"},
				Dial:         func(context.Context, string, string) (net.Conn, error) { return near, nil },
			})
			if !tc.check(err) {
				t.Errorf("%v", err)
			}
			if c != nil {
				c.CloseNow()
			}
		})
	}
}

func status(code int, body string) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*ResponseError](err)
		return ok && e.StatusCode == code && string(e.Body) == body
	}
}

func breaks(err error) bool {
	e, ok := errors.AsType[*ProtocolError](err)
	return ok && e.Rule == "RFC 6455 4.1"
}

// TestDialRequest: what is sent, and what is refused before anything is.
func TestDialRequest(t *testing.T) {
	t.Parallel()
	near, far := tcpPair(t)
	var addr string
	go Dial(background(t), "ws://ann:s3cret@test.example:8080/a%20b?c=d#e", &DialOptions{
		Header:       http.Header{"X-A": {"1", "2"}, "sec-websocket-key": {"mine"}, "Host": {"other.example"}, "Cookie": {"a=b"}},
		Subprotocols: []string{"chat", "superchat"},
		Deflate:      &Deflate{ContextTakeover: true},
		Dial:         func(_ context.Context, _, a string) (net.Conn, error) { addr = a; return near, nil },
	})
	r, err := http.ReadRequest(bufio.NewReader(far))
	must(t, "request", err)
	user, password, _ := r.BasicAuth()
	got := fmt.Sprintln(addr, r.Method, r.RequestURI, r.Host, user, password, r.Header["X-A"], r.Header.Get("Cookie"),
		r.Header[headerProtocol], r.Header[headerExtensions], r.Header[headerVersion], len(r.Header[headerKey]), validKey(r.Header.Get(headerKey)))
	want := "test.example:8080 GET /a%20b?c=d other.example ann s3cret [1 2] a=b [chat, superchat] [permessage-deflate; client_max_window_bits] [13] 1 true\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	far.Close()
	for _, u := range []string{"ftp://a/", "ws:///x", "://", "a.example"} {
		if _, err := Dial(background(t), u, nil); err == nil {
			t.Errorf("%s was dialled", u)
		}
	}
	for _, o := range []*DialOptions{
		{Header: http.Header{"A b": {"c"}}},
		{Header: http.Header{"A": {"c\r\nX: y"}}},
		{Subprotocols: []string{"a,b"}},
	} {
		if _, err := Dial(background(t), "ws://127.0.0.1:1/", o); err == nil || strings.Contains(err.Error(), "refused") {
			t.Errorf("%+v was sent: %v", o, err)
		}
	}
}

// TestDialTimeout: a server that does not answer, and a context that ends.
func TestDialTimeout(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(d func(context.Context, string, string) (net.Conn, error)) error{
		"timeout": func(d func(context.Context, string, string) (net.Conn, error)) error {
			_, err := Dial(context.Background(), "ws://a/", &DialOptions{Dial: d, HandshakeTimeout: 50 * time.Millisecond})
			return err
		},
		"context": func(d func(context.Context, string, string) (net.Conn, error)) error {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			_, err := Dial(ctx, "ws://a/", &DialOptions{Dial: d})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, _ := tcpPair(t)
			if err := dial(func(context.Context, string, string) (net.Conn, error) { return near, nil }); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
	}
}
