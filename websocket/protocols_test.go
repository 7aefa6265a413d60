package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
)

// TestRegistry: which sub-protocol is found.
func TestRegistry(t *testing.T) {
	t.Parallel()
	var g Registry
	serve := func(ctx context.Context, c *Conn) {
		c.Write(ctx, MessageText, []byte("served "+c.Subprotocol()))
		c.Close(StatusNormal, "")
	}
	must(t, "add", g.Add(Protocol{Path: "/chat", Name: "chat.v1", Serve: serve}))
	must(t, "add", g.Add(Protocol{Path: "/chat", Serve: serve}))
	must(t, "add", g.Add(Protocol{Name: "any.where", Serve: serve}))
	fresh := 0
	must(t, "add", g.Add(Protocol{Path: "/count", Name: "counter", Handler: func(r *http.Request) (Handler, error) {
		if r.URL.Query().Has("no") {
			return nil, Refuse(http.StatusPaymentRequired, "pay first")
		}
		fresh++
		seen := 0 // one for each connection
		return &Funcs{OnMessage: func(c *Conn, _ MessageType, _ []byte) {
			seen++
			c.Write(context.Background(), MessageText, fmt.Append(nil, seen))
		}}, nil
	}}))
	if err := g.Add(Protocol{Path: "/CHAT", Name: "chat.v1", Serve: serve}); err != ErrRegistered {
		t.Errorf("twice: %v", err)
	}
	for _, p := range []Protocol{{Serve: serve}, {Path: "/a"}, {Name: "a b", Serve: serve}} {
		if err := g.Add(p); err == nil {
			t.Errorf("%+v was added", p)
		}
	}
	addr := serveHTTP(t, &g)
	for _, tc := range []struct {
		path, names, want string
	}{
		{"/chat", "chat.v1", "text served chat.v1"},
		{"/chat", "chat.v9, chat.v1", "text served chat.v1"},
		{"/Chat?x=y", "chat.v1", "text served chat.v1"},
		{"/chat", "", "text served "},
		{"/nowhere", "any.where", "text served any.where"},
		{"/chat", "any.where, chat.v1", "text served any.where"},
	} {
		header := []string{}
		if tc.names != "" {
			header = append(header, "Sec-WebSocket-Protocol: "+tc.names)
		}
		p := dialPeer(t, addr, tc.path, header...)
		p.want(tc.want)
		p.want("close 1000")
		p.send(p.raw(fin|8, "\x03\xe8"))
	}
	for _, tc := range []struct {
		path   string
		names  []string
		status int
	}{
		{"/chat", []string{"chat.v2"}, 400},
		{"/nowhere", nil, 404},
		{"/nowhere", []string{"chat.v1"}, 400},
		{"/count", nil, 400},
		{"/count?no", []string{"counter"}, 402},
	} {
		_, err := Dial(background(t), "ws://"+addr+tc.path, &DialOptions{Subprotocols: tc.names})
		if e, ok := errors.AsType[*ResponseError](err); !ok || e.StatusCode != tc.status {
			t.Errorf("%s %v: %v, want %d", tc.path, tc.names, err, tc.status)
		}
	}
	for range 2 {
		p := dialPeer(t, addr, "/count", "Sec-WebSocket-Protocol: counter")
		for i := range 3 {
			p.send(p.raw(fin|1, "x"))
			p.want(fmt.Sprint("text ", i+1))
		}
		p.send(p.raw(fin|8, ""))
		p.want("close 1005")
	}
	if fresh != 2 {
		t.Errorf("%d handlers were made, want 2", fresh)
	}
	must(t, "replace", g.Replace(Protocol{Path: "/chat", Name: "chat.v1", Serve: serve}))
	if !g.Remove("/chat", "chat.v1") || g.Remove("/chat", "chat.v1") || g.Len() != 3 {
		t.Errorf("after Remove there are %d", g.Len())
	}
	resp, err := http.Get("http://" + addr + "/chat")
	must(t, "get", err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a plain GET: %s", resp.Status)
	}
}

// TestRegistryRefuses: no Handler is made for a request that is refused.
func TestRegistryRefuses(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*AcceptOptions{
		"check":  {Check: func(*http.Request, http.Header) error { return Refuse(http.StatusUnauthorized, "no") }},
		"origin": {},
	} {
		made := 0
		g := &Registry{}
		g.Options.Check = o.Check
		must(t, "add", g.Add(Protocol{Path: "/", Handler: func(*http.Request) (Handler, error) {
			made++
			return &Funcs{}, nil
		}}))
		addr := serveHTTP(t, g)
		_, err := Dial(background(t), "ws://"+addr+"/", &DialOptions{Header: http.Header{"Origin": {"https://evil.example"}}})
		if e, ok := errors.AsType[*ResponseError](err); !ok || e.StatusCode < 401 || made != 0 {
			t.Errorf("%s: %v; %d Handlers were made", name, err, made)
		}
	}
}
