package httpd_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Requests that must not reach a handler: each is answered with its status, readable, and the connection closes.
var refuseBehaviours = refusals([]refusal{
	{"garbage", "NONSENSE\r\n\r\n", 400},
	{"http09", "GET /\r\n\r\n", 400},
	{"version-name", "GET / HTTX/1.1\r\nHost: a\r\n\r\n", 400},
	{"version-lower-case", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
	{"version-20", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
	{"version-30", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
	{"h2-preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
	{"tls-hello", "\x16\x03\x01\x00\xf0\x01\x00\x00\xec\x03\x03\r\n\r\n", 400},
	{"method-token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"method-empty", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"two-spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"space-in-target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"control-in-target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"percent-in-target", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"target-without-slash", "GET foo HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"target-fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"asterisk-get", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"host-missing", "GET / HTTP/1.1\r\n\r\n", 400},
	{"host-missing-absolute", "GET http://a/ HTTP/1.1\r\n\r\n", 400},
	{"host-twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
	{"host-twice-same", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
	{"host-space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
	{"host-path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
	{"field-space-before-colon", "GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", 400},
	{"field-name", "GET / HTTP/1.1\r\nHost: a\r\nX(: 1\r\n\r\n", 400},
	{"field-name-empty", "GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n", 400},
	{"field-without-colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400},
	{"field-nul", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400},
	{"field-bare-cr", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
	{"field-first-folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
	{"obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400},
	{"bare-lf", "GET / HTTP/1.1\nHost: a\n\n", 400},
	{"length-sign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", 400},
	{"length-negative", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nhello", 400},
	{"length-word", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: five\r\n\r\nhello", 400},
	{"length-empty", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello", 400},
	{"length-overflow", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nhello", 400},
	{"length-differing", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
	{"length-list-differing", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello", 400},
	{"te-unknown", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
	{"te-chunked-not-last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\nhello", 400},
	{"te-chunked-twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400},
	{"te-vertical-tab", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
	{"te-and-length", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
	{"te-http10", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"expectation", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", 417},
	{"trailer-forbidden", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n", 400},
	{"head-too-large", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 40_000) + "\r\n\r\n", 431},
	{"head-endless", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 40_000), 431},
	{"too-many-fields", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 1000) + "\r\n", 431},
	{"target-too-long", "GET /" + strings.Repeat("a", 40_000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
})

// refusal is a request that is refused with a status.
type refusal struct {
	name, in string
	status   int
}

func refusals(list []refusal) []behaviour {
	out := []behaviour{
		{"after-good-ones", (*trial).refuseAfterGood},
		{"body-too-large-declared", (*trial).refuseBodyDeclared},
		{"too-many-connections", (*trial).refuseConnections},
		{"head", (*trial).refuseHead},
		{"head-body-too-large", (*trial).refuseHeadBody},
		{"date", (*trial).refuseDate},
	}
	for _, r := range list {
		out = append(out, behaviour{r.name, func(t *trial) { t.refuse(r) }})
	}
	return out
}

func (t *trial) refuse(r refusal) {
	s := t.serve(setup{MaxHeaderBytes: 16 << 10, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {})})
	w := t.dial(s)
	w.send(r.in)
	a := w.answer()
	if a.StatusCode != r.status {
		t.Fatalf("got status %d, want %d", a.StatusCode, r.status)
	}
	equal(t, "Close of the answer", a.Close, true) // RFC 9112 9.6: the last answer says so
	if a.err != nil || a.body == "" {
		t.Errorf("an explanation is missing: %q, %v", a.body, a.err)
	}
	w.closed()
	t.dial(s).alive()
}

// refuseAfterGood puts rubbish into the middle of a pipeline.
func (t *trial) refuseAfterGood() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	w := t.dial(s)
	w.send(head("GET", "/1") + head("GET", "/2") + "RUBBISH\r\n\r\n" + head("GET", "/3"))
	w.want(http.StatusOK, "/1")
	w.want(http.StatusOK, "/2")
	w.wantStatus(http.StatusBadRequest)
	w.closed()
}

// refuseBodyDeclared announces more than MaxBodyBytes: the server need not bother the handler.
func (t *trial) refuseBodyDeclared() {
	s := t.serve(setup{MaxBodyBytes: 1000, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 1000") + strings.Repeat("a", 1000))
	w.wantStatus(http.StatusOK)
	w.send(head("POST", "/", "Content-Length: 1001") + strings.Repeat("a", 1001))
	if a := w.answer(); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatalf("got status %d, want 413", a.StatusCode)
	}
	w.closed()
}

func (t *trial) refuseConnections() {
	s := t.serve(setup{MaxConns: 2, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	a, b := t.dial(s), t.dial(s)
	a.alive()
	b.alive()
	c := t.dial(s)
	c.get("/")
	if x := c.answer(); x.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("got status %d, want 503", x.StatusCode)
	}
	c.closed()
	a.alive()
	b.Close()
	t.eventually("a place is free again", func() bool {
		d := t.dial(s)
		defer d.Close()
		d.get("/")
		return d.answer().StatusCode == http.StatusOK
	})
}

// refuseHead: the answer to HEAD has no content, also when the request is refused (RFC 9110 9.3.2).
func (t *trial) refuseHead() {
	s := t.handle(func(http.ResponseWriter, *http.Request) {})
	for _, in := range []string{"HEAD / HTTP/1.1\r\n\r\n", "\r\nHEAD /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n"} {
		w := t.dial(s)
		w.send(in)
		a := w.headTo("HEAD")
		equal(t, "status", a.StatusCode, http.StatusBadRequest)
		w.closed()
	}
}

func (t *trial) refuseHeadBody() {
	s := t.serve(setup{MaxBodyBytes: 3, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	w := t.dial(s)
	w.send(head("HEAD", "/", "Content-Length: 10") + "0123456789")
	if a := w.headTo("HEAD"); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatalf("got status %d, want 413", a.StatusCode)
	}
	w.closed()
}

// refuseDate: a server with a clock dates what it refuses as well (RFC 9110 6.6.1).
func (t *trial) refuseDate() {
	s := t.handle(func(http.ResponseWriter, *http.Request) {})
	w := t.dial(s)
	w.send("RUBBISH\r\n\r\n")
	a := w.wantStatus(http.StatusBadRequest)
	if d, err := http.ParseTime(a.Header.Get("Date")); err != nil || time.Since(d).Abs() > 10*time.Second {
		t.Fatalf("Date: %v, %v; want about now", d, err)
	}
}
