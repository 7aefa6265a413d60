package websocket

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

type visitor struct {
	User  string
	Rooms []int
}

func TestURLSigner(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	key := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	s := &URLSigner[visitor]{Keys: [][]byte{key(1)}, now: func() time.Time { return now }}
	want := visitor{"ann", []int{1, 2}}
	signed, err := s.Sign("wss://server.example/chat/a%20b?x=1", want)
	must(t, "sign", err)
	u, err := url.Parse(signed)
	must(t, "parse", err)
	verify := func(s *URLSigner[visitor], u *url.URL) error {
		got, err := s.VerifyURL(u)
		if err == nil && (got.User != want.User || len(got.Rooms) != 2) {
			t.Errorf("got %+v", got)
		}
		return err
	}
	if err := verify(s, u); err != nil || u.Query().Get("x") != "1" {
		t.Errorf("%s: %v", signed, err)
	}
	if strings.Contains(signed, "ann") || strings.Contains(signed, base64.RawURLEncoding.EncodeToString([]byte("ann"))) {
		t.Error("the record can be read")
	}
	// A server sees the path only.
	if err := verify(s, &url.URL{Path: "/chat/a b", RawQuery: u.RawQuery}); err != nil {
		t.Errorf("as a server sees it: %v", err)
	}
	slash, err := s.Sign("/chat/a%2Fb", want)
	must(t, "sign", err)
	for path, want := range map[string]error{"/chat/a%2Fb": nil, "/chat/a/b": ErrToken} {
		_, query, _ := strings.Cut(slash, "?")
		v, err := url.ParseRequestURI(path + "?" + query)
		must(t, "parse", err)
		if err := verify(s, v); err != want {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	change := func(f func(u *url.URL, token []byte) []byte) *url.URL {
		c := *u
		token, _ := base64.RawURLEncoding.DecodeString(u.Query().Get("token"))
		q := c.Query()
		q.Set("token", base64.RawURLEncoding.EncodeToString(f(&c, token)))
		c.RawQuery = q.Encode()
		return &c
	}
	for i := range 9 + 12 + 16 + 5 {
		if err := verify(s, change(func(_ *url.URL, b []byte) []byte { b[i] ^= 1; return b })); err != ErrToken {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for name, c := range map[string]*url.URL{
		"other path": {Path: "/chat/c", RawQuery: u.RawQuery},
		"no token":   {Path: u.Path},
		"not base64": {Path: u.Path, RawQuery: "token=%21%21"},
		"huge":       {Path: u.Path, RawQuery: "token=" + strings.Repeat("A", 5000)},
		"cut":        change(func(_ *url.URL, b []byte) []byte { return b[:30] }),
		"longer":     change(func(_ *url.URL, b []byte) []byte { return append(b, 0) }),
	} {
		if err := verify(s, c); err != ErrToken {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := &URLSigner[visitor]{Keys: [][]byte{key(2)}, now: s.now}
	if err := verify(other, u); err != ErrToken {
		t.Errorf("another key: %v", err)
	}
	rotated := &URLSigner[visitor]{Keys: [][]byte{key(2), key(1)}, now: s.now}
	if err := verify(rotated, u); err != nil {
		t.Errorf("after rotation: %v", err)
	}
	newer, err := rotated.Sign("/chat", want)
	must(t, "sign", err)
	nu, _ := url.Parse(newer)
	if err := verify(other, nu); err != nil {
		t.Errorf("the first key signs: %v", err)
	}
	now = now.Add(59 * time.Second)
	if err := verify(s, u); err != nil {
		t.Errorf("after 59 s: %v", err)
	}
	now = now.Add(time.Second)
	if err := verify(s, u); err != ErrTokenExpired {
		t.Errorf("after a minute: %v", err)
	}
	for _, s := range []*URLSigner[visitor]{{}, {Keys: [][]byte{{1, 2, 3}}}} {
		if _, err := s.Sign("/", want); err == nil {
			t.Error("signed without a key")
		}
		if err := verify(s, u); err == nil || err == ErrToken {
			t.Errorf("verified without a key: %v", err)
		}
	}
	if _, err := s.Sign("/", visitor{User: strings.Repeat("x", 5000)}); err == nil {
		t.Error("a record that is too large was signed")
	}
	if _, err := (&URLSigner[int]{Keys: s.Keys, now: s.now}).VerifyURL(nu); err == nil {
		t.Error("a record of another type was read")
	}
}

// TestSignedUpgrade: from the page's URL to the handler.
func TestSignedUpgrade(t *testing.T) {
	t.Parallel()
	s := &URLSigner[visitor]{Keys: [][]byte{bytes.Repeat([]byte{7}, 32)}}
	addr := servers()[0].start(t, &AcceptOptions{Check: func(r *http.Request, header http.Header) error {
		v, err := s.Verify(r)
		header.Set("X-User", v.User)
		return err
	}})
	signed, err := s.Sign("/chat", visitor{User: "ann"})
	must(t, "sign", err)
	p := dialPeer(t, addr, signed)
	if got := p.resp.Header.Get("X-User"); got != "ann" {
		t.Errorf("user %q", got)
	}
	p.send(p.raw(fin|8, ""))
	p.want("close 1005")
	_, err = Dial(background(t), "ws://"+addr+"/chat", nil)
	if e, ok := errors.AsType[*ResponseError](err); !ok || e.StatusCode != http.StatusForbidden || strings.Contains(string(e.Body), "token") {
		t.Errorf("without a token: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	s := &URLSigner[visitor]{Keys: [][]byte{bytes.Repeat([]byte{7}, 32)}}
	signed, _ := s.Sign("/chat", visitor{User: "ann"})
	u, _ := url.Parse(signed)
	f.Add("/chat", u.RawQuery)
	f.Add("/", "token=AQ")
	f.Fuzz(func(t *testing.T, path, query string) {
		if v, err := s.VerifyURL(&url.URL{Path: path, RawQuery: query}); err == nil && (path != "/chat" || v.User != "ann") {
			t.Errorf("%s?%s verifies", path, query)
		}
	})
}

// TestSignLifetime: a URL is valid for all of its Lifetime.
func TestSignLifetime(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 999e6)
	s := &URLSigner[string]{Keys: [][]byte{make([]byte, 32)}, Lifetime: time.Second, now: func() time.Time { return at }}
	signed, err := s.Sign("/ws", "x")
	must(t, "sign", err)
	for after, want := range map[time.Duration]error{0: nil, 2 * time.Millisecond: nil, time.Second - 1: nil, 2 * time.Second: ErrTokenExpired} {
		at = time.Unix(1000, 999e6).Add(after)
		if _, err := s.Verify(httptest.NewRequest(http.MethodGet, signed, nil)); err != want {
			t.Errorf("after %v: %v, want %v", after, err, want)
		}
	}
}

// TestSignUse: a URL that was made for something else is not valid.
func TestSignUse(t *testing.T) {
	t.Parallel()
	type room struct{ Room string }
	type admin struct{ Room, User string }
	keys := [][]byte{make([]byte, 32)}
	signed, err := (&URLSigner[room]{Keys: keys}).Sign("/ws", room{"lobby"})
	must(t, "sign", err)
	r := httptest.NewRequest(http.MethodGet, signed, nil)
	if _, err := (&URLSigner[admin]{Keys: keys}).Verify(r); err != ErrToken {
		t.Errorf("another record: %v", err)
	}
	if _, err := (&URLSigner[room]{Keys: keys, Use: "admin"}).Verify(r); err != ErrToken {
		t.Errorf("another Use: %v", err)
	}
	signed, err = (&URLSigner[room]{Keys: keys, Use: "rooms"}).Sign("/ws", room{"lobby"})
	must(t, "sign", err)
	r = httptest.NewRequest(http.MethodGet, signed, nil)
	if got, err := (&URLSigner[admin]{Keys: keys, Use: "rooms"}).Verify(r); err != nil || got.Room != "lobby" {
		t.Errorf("the same Use: %v, %v", got, err)
	}
}

// TestSignKeys: that the server has no usable keys is not the client's fault.
func TestSignKeys(t *testing.T) {
	t.Parallel()
	signed, err := (&URLSigner[string]{Keys: [][]byte{make([]byte, 32)}}).Sign("/ws", "x")
	must(t, "sign", err)
	r := httptest.NewRequest(http.MethodGet, signed, nil)
	for _, keys := range [][][]byte{nil, {make([]byte, 31)}, {make([]byte, 32), nil}} {
		if _, err := (&URLSigner[string]{Keys: keys}).Verify(r); err == nil || errors.Is(err, ErrToken) {
			t.Errorf("%d keys: %v", len(keys), err)
		}
	}
}

// TestSignQuery: what else is in the query stays as it is.
func TestSignQuery(t *testing.T) {
	t.Parallel()
	s := &URLSigner[string]{Keys: [][]byte{make([]byte, 32)}}
	for query, want := range map[string]string{
		"": "", "?x=a;b&room=%zz": "x=a;b&room=%zz&", "?b=2&a=1&&token=old&to%6ben=old&c": "b=2&a=1&c&",
	} {
		signed, err := s.Sign("/ws"+query, "x")
		must(t, "sign", err)
		if !strings.HasPrefix(signed, "/ws?"+want+"token=") {
			t.Errorf("%q: %s", query, signed)
		}
		u, err := url.Parse(signed)
		must(t, "parse", err)
		if _, err := s.VerifyURL(u); err != nil {
			t.Errorf("%q: %v", query, err)
		}
	}
}
