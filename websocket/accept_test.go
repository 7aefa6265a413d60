package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// upgradeRequest is a valid one, with changes: "Name: value" sets, "-Name" deletes.
func upgradeRequest(changes ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://server.example/chat", nil)
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Connection", "keep-alive, Upgrade")
	r.Header.Set(headerVersion, "13")
	r.Header.Set(headerKey, "dGhlIHNhbXBsZSBub25jZQ==")
	for _, c := range changes {
		if name, ok := strings.CutPrefix(c, "-"); ok {
			r.Header.Del(name)
			continue
		}
		name, value, _ := strings.Cut(c, ": ")
		r.Header.Set(name, value)
	}
	return r
}

func TestAcceptKey(t *testing.T) {
	t.Parallel()
	// RFC 6455 1.3.
	if got, want := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestAcceptRefuses: what is no opening handshake, and how it is answered.
func TestAcceptRefuses(t *testing.T) {
	t.Parallel()
	method := func(m string) func(*http.Request) { return func(r *http.Request) { r.Method = m } }
	none := func(*http.Request) {}
	for _, tc := range []struct {
		name   string
		change []string
		more   func(*http.Request)
		status int
		header string // of the answer, that must be there
	}{
		{"no upgrade", []string{"-Upgrade", "-Connection"}, none, 426, "Upgrade: websocket"},
		{"upgrade to h2c", []string{"Upgrade: h2c"}, none, 426, "Sec-Websocket-Version: 13"},
		{"no connection", []string{"Connection: close"}, none, 426, "Connection: Upgrade"},
		{"post", nil, method("POST"), 405, "Allow: GET"},
		{"HTTP/1.0", nil, func(r *http.Request) { r.ProtoMinor = 0 }, 400, ""},
		{"HTTP/2 without CONNECT", nil, func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 2, 0 }, 426, ""},
		{"version 8", []string{"Sec-WebSocket-Version: 8"}, none, 426, "Sec-Websocket-Version: 13"},
		{"no version", []string{"-Sec-WebSocket-Version"}, none, 426, "Sec-Websocket-Version: 13"},
		{"version 13, 8", []string{"Sec-WebSocket-Version: 13, 8"}, none, 426, "Sec-Websocket-Version: 13"},
		{"no key", []string{"-Sec-WebSocket-Key"}, none, 400, ""},
		{"short key", []string{"Sec-WebSocket-Key: c2hvcnQ="}, none, 400, ""},
		{"key not base64", []string{"Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!!!"}, none, 400, ""},
		{"two keys", nil, func(r *http.Request) { r.Header.Add(headerKey, "dGhlIHNhbXBsZSBub25jZQ==") }, 400, ""},
		{"other origin", []string{"Origin: https://evil.example"}, none, 403, ""},
		{"null origin", []string{"Origin: null"}, none, 403, ""},
		{"sub-domain", []string{"Origin: https://sub.server.example"}, none, 403, ""},
		{"host as prefix", []string{"Origin: https://server.example.evil.example"}, none, 403, ""},
		{"other port", []string{"Origin: https://server.example:8443"}, none, 403, ""},
		{"two origins", nil, func(r *http.Request) { r.Header["Origin"] = []string{"http://server.example", "http://server.example"} }, 403, ""},
		{"cannot hijack", nil, none, 501, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := upgradeRequest(tc.change...)
			tc.more(r)
			w := httptest.NewRecorder()
			_, err := Accept(w, r, nil)
			refusal, ok := errors.AsType[*RefusedError](err)
			if !ok || refusal.Status != tc.status || w.Code != tc.status {
				t.Errorf("answered %d with %v, want %d", w.Code, err, tc.status)
			}
			if name, value, ok := strings.Cut(tc.header, ": "); ok && w.Header().Get(name) != value {
				t.Errorf("%s is %q, want %q", name, w.Header().Get(name), value)
			}
		})
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		origin  string
		allowed []string
		ok      bool
	}{
		{"http://server.example", nil, true},
		{"https://server.example", nil, true},
		{"HTTPS://SERVER.example:443", nil, true},
		{"https://server.example:80", nil, false},
		{"https://app.example.com", []string{"https://app.example.com"}, true},
		{"http://app.example.com", []string{"https://app.example.com"}, false},
		{"https://app.example.com", []string{"app.example.com"}, true},
		{"https://app.example.com:8443", []string{"app.example.com"}, true},
		{"https://app.example.com:8443", []string{"app.example.com:8443"}, true},
		{"https://app.example.com:8444", []string{"app.example.com:8443"}, false},
		{"https://app.example.com", []string{"*.example.com"}, true},
		{"https://a.b.example.com", []string{"*.example.com"}, true}, // "*" is anything but a slash
		{"https://example.com", []string{"*.example.com"}, false},
		{"https://evil-example.com", []string{"*.example.com"}, false},
		{"https://app.example.com", []string{"https://*.example.com"}, true},
		{"https://evil.example/.example.com", []string{"https://*.example.com"}, false},
		{"null", []string{"null"}, true},
		{"null", []string{"*.example.com"}, false},
		{"https://anybody.example", []string{"*"}, true},
		{"null", []string{"*"}, true},
		{"nonsense://", []string{"["}, false},
		{"https://app.example.com", []string{"[", "app.example.com"}, true},
	} {
		refusal := checkOrigin(upgradeRequest("Origin: "+tc.origin), tc.allowed)
		if (refusal == nil) != tc.ok {
			t.Errorf("origin %s with %v: %v, want %v", tc.origin, tc.allowed, refusal == nil, tc.ok)
		}
	}
}

// TestCheck: the hook refuses with any status, and adds fields to the answer.
func TestCheck(t *testing.T) {
	t.Parallel()
	o := &AcceptOptions{
		Header:       http.Header{"X-Always": {"yes"}, "Connection": {"close"}},
		Subprotocols: []string{"v2", "v1"},
		Check: func(r *http.Request, header http.Header) error {
			switch r.URL.Path {
			case "/teapot":
				return &RefusedError{Status: 418, Reason: "short and stout", Header: http.Header{"Retry-After": {"5"}}}
			case "/any":
				return fmt.Errorf("wrapped: %w", Refuse(429, "slowly"))
			case "/plain":
				return errors.New("a secret reason")
			}
			header.Set("X-User", "ann")
			header.Set("Sec-WebSocket-Accept", "forged")
			return nil
		},
	}
	addr := servers()[1].start(t, o)
	for path, want := range map[string]string{"/teapot": "418 short and stout", "/any": "429 slowly", "/plain": "403 the connection is not allowed"} {
		_, err := Dial(background(t), "ws://"+addr+path, nil)
		e, ok := errors.AsType[*ResponseError](err)
		if !ok {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := fmt.Sprintf("%d %s", e.StatusCode, strings.TrimSpace(string(e.Body))); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
		if path == "/teapot" && e.Header.Get("Retry-After") != "5" {
			t.Errorf("header %v", e.Header)
		}
	}
	p := dialPeer(t, addr, "/", "Sec-WebSocket-Protocol: v0, v1", "Sec-WebSocket-Protocol: v2")
	for name, want := range map[string]string{"X-Always": "yes", "X-User": "ann", "Connection": "Upgrade", headerProtocol: "v2"} {
		if got := p.resp.Header.Get(name); got != want || len(p.resp.Header[name]) != 1 {
			t.Errorf("%s: %q, want %q", name, p.resp.Header[name], want)
		}
	}
	p.send(p.raw(fin|8, ""))
	p.want("close 1005")
	p = dialPeer(t, addr, "/", "Sec-WebSocket-Protocol: v0")
	if got := p.resp.Header.Get(headerProtocol); got != "" {
		t.Errorf("sub-protocol %q, want none", got)
	}
}

// TestWrappedWriter: middleware that wraps the ResponseWriter is seen through.
func TestWrappedWriter(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	addr := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		c, err := Accept(wrapper{w}, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		_, data, err := c.Read(context.Background())
		if string(data) != "sent with the request" || err != nil {
			t.Errorf("got %q, %v", data, err)
		}
	}))
	// What comes in one piece with the request is not lost.
	nc, err := net.Dial("tcp", addr)
	must(t, "dial", err)
	defer nc.Close()
	p := &peer{t: t, nc: nc, client: true}
	req := "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	p.send(append([]byte(req), p.raw(fin|1, "sent with the request")...))
	await(t, "the handler", done)
}

type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestOriginsIPv6: an address in brackets is no class of characters, and a class is one.
func TestOriginsIPv6(t *testing.T) {
	t.Parallel()
	const origin = "http://[2001:DB8::1]:3000"
	for pattern, want := range map[string]bool{
		"http://[2001:db8::1]:3000": true, "[2001:db8::1]:3000": true, "[2001:db8::1]": true, "2001:db8::1": true,
		"http://[2001:db8::1]:*": true, "*://[2001:db8::1]:300[0-9]": true, "http://[2001:db8::*]:3000": true,
		"http://[2001:db8::2]:3000": false, "[2001:db8::1]:3001": false, "::1": false, "http://[2001:db8::1]": false,
		"[": false, "http://[": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "http://other.example/", nil)
		r.Header.Set("Origin", origin)
		if got := checkOrigin(r, []string{pattern}) == nil; got != want {
			t.Errorf("%q matches: %v, want %v", pattern, got, want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "http://other.example/", nil)
	r.Header.Set("Origin", "https://app3.example.com")
	if e := checkOrigin(r, []string{"https://app[1-5].example.com"}); e != nil {
		t.Error(e)
	}
}

// TestOriginsReported: a pattern that is none is logged, once.
func TestOriginsReported(t *testing.T) {
	t.Parallel()
	var l logs
	o := &AcceptOptions{Origins: []string{"https://*.example.com", "https://app[.example.com"}, Logger: textLogger(&l)}
	for range 2 {
		Accept(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), o)
	}
	if n := strings.Count(l.String(), "app["); n != 1 || strings.Contains(l.String(), "https://*") {
		t.Errorf("logged %q", l.String())
	}
}

// TestRefusedAnswer: the answer is what the hook says.
func TestRefusedAnswer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		refusal *RefusedError
		status  int
		typ     string
	}{
		{Refuse(http.StatusUnauthorized, "who is there?"), 401, "text/plain; charset=utf-8"},
		{&RefusedError{Status: 422, Reason: "{}", Header: http.Header{"Content-Type": {"application/json"}}}, 422, "application/json"},
		{Refuse(http.StatusOK, "no refusal"), 403, "text/plain; charset=utf-8"},
	} {
		w := httptest.NewRecorder()
		_, err := Accept(w, upgradeRequest(), &AcceptOptions{Check: func(*http.Request, http.Header) error { return tc.refusal }})
		if err != tc.refusal || w.Code != tc.status || strings.Join(w.Header()["Content-Type"], "|") != tc.typ || w.Body.String() != tc.refusal.Reason+"\n" {
			t.Errorf("%v: %d %v %q", err, w.Code, w.Header(), w.Body)
		}
	}
}
