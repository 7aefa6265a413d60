package httpd_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// directCases are direct handlers, and requests for them beside the usual ones.
var directCases = []struct {
	name string
	h    httpd.Direct
}{
	{"text", func(c *httpd.Ctx) { c.Text(200, "abc") }},
	{"nothing", func(*httpd.Ctx) {}},
	{"nothing but a field", func(c *httpd.Ctx) { c.SetHeader("X-A", "b") }},
	{"bytes without a type", func(c *httpd.Ctx) { c.Bytes(200, "", []byte("<html>")) }},
	{"empty", func(c *httpd.Ctx) { c.Bytes(200, "text/css", nil) }},
	{"static", func(c *httpd.Ctx) { c.Static(httpd.NewStatic(201, "text/css", []byte("a{}"))) }},
	{"twice", func(c *httpd.Ctx) { c.Text(404, "first"); c.Text(200, "second") }},
	{"own type", func(c *httpd.Ctx) { c.SetHeader("content-TYPE", "text/html"); c.Text(200, "abc") }},
	{"own type, two", func(c *httpd.Ctx) {
		c.SetHeader("Content-Type", "text/html")
		c.SetHeader("Content-Type", "text/css")
		c.Text(200, "abc")
	}},
	{"own type of static", func(c *httpd.Ctx) {
		c.SetHeader("Content-Type", "text/html")
		c.Static(httpd.NewStatic(200, "text/css", []byte("a{}")))
	}},
	{"no type", func(c *httpd.Ctx) { c.SetHeader("Content-Type", ""); c.Text(200, "abc") }},
	{"own date", func(c *httpd.Ctx) { c.SetHeader("date", "Thu, 01 Jan 1970 00:00:00 GMT"); c.Text(200, "abc") }},
	{"fields", func(c *httpd.Ctx) {
		c.SetHeader("X-A", "1")
		c.SetHeader("x-a", "2\r\nX-Injected: 3")
		c.SetHeader("Bad Name", "4")
		c.SetHeader("X-Empty", "")
		c.Text(200, "abc")
	}},
	{"framing fields", func(c *httpd.Ctx) {
		c.SetHeader("connection", "close")
		c.SetHeader("Content-Length", "77")
		c.SetHeader("transfer-encoding", "chunked")
		c.Text(200, "abc")
	}},
	{"handler", func(c *httpd.Ctx) {
		c.SetHeader("X-A", "1")
		c.SetHeader("Content-Type", "text/css")
		c.SetHeader("Connection", "close")
		c.ServeHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("X-A", "2")
			io.WriteString(w, "<html>")
		}))
	}},
	{"request", func(c *httpd.Ctx) {
		body, err := io.ReadAll(c.Body())
		c.Text(200, fmt.Sprintf("%s %s %s %q %q %q %q %s %v", c.Method(), c.Path(), c.Query(), c.Host(), c.Header("hOST"),
			c.Header("X-a"), c.QueryValue("a"), body, err))
	}},
	{"missing field", func(c *httpd.Ctx) { c.Text(200, fmt.Sprint(c.Header("Cookie") == nil)) }},
	{"status 204", func(c *httpd.Ctx) { c.Bytes(204, "text/plain", []byte("abc")) }},
	{"status 205", func(c *httpd.Ctx) { c.Text(205, "abc") }},
	{"status 304", func(c *httpd.Ctx) { c.Text(304, "abc") }},
	{"status 304 with a type", func(c *httpd.Ctx) { c.SetHeader("Content-Type", "text/css"); c.Text(304, "abc") }},
	{"status 304 static", func(c *httpd.Ctx) { c.Static(httpd.NewStatic(304, "text/plain", []byte("abc"))) }},
	{"status 299", func(c *httpd.Ctx) { c.Text(299, "abc") }},
	{"status 999", func(c *httpd.Ctx) { c.Text(999, "abc") }},
	{"status 99", func(c *httpd.Ctx) { c.Text(99, "abc") }},
	{"status 100", func(c *httpd.Ctx) { c.Text(100, "abc") }},
	{"status 101", func(c *httpd.Ctx) { c.Bytes(101, "", nil) }},
	{"status 1000", func(c *httpd.Ctx) { c.Text(1000, "abc") }},
	{"status 100 static", func(c *httpd.Ctx) { c.Static(httpd.NewStatic(100, "", nil)) }},
}

// TestDirectLikeAdapter compares what a direct handler answers with what the same function answers behind ServeHTTP.
func TestDirectLikeAdapter(t *testing.T) {
	t.Parallel()
	requests := []string{
		head("GET", "/a%20b%2fc?a=1&a=2", "X-A: b"),
		head("GET", "/a\"<>\\^`{|}\xff%41"),
		head("HEAD", "/"),
		head("POST", "/", "Content-Length: 4") + "body",
		head("GET", "http://other.test:81/x?a=%20"),
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost:\r\n\r\n",
		head("GET", "/", "Connection: close"),
	}
	for _, c := range directCases {
		t.Run(c.name, func(t *testing.T) {
			direct := stressServe(t, engine.DriverGoroutine, 0, &httpd.Server{Handler: c.h})
			adapter := stressServe(t, engine.DriverGoroutine, 0, &httpd.Server{Handler: http.HandlerFunc(c.h.ServeHTTP)})
			for _, request := range requests {
				got, want := plainTalk(t, direct, request), plainTalk(t, adapter, request)
				if got != want {
					t.Errorf("%.30q\n direct:  %s\n adapter: %s", request, got, want)
				}
				if t.Name() == "TestDirectLikeAdapter/status_100" && !strings.Contains(got, "no answer") {
					t.Errorf("an interim status is an answer: %s", got)
				}
			}
		})
	}
}

// plainTalk sends a request, ends its side, and puts what comes into a form that can be compared.
func plainTalk(t *testing.T, s *site, request string) string {
	t.Helper()
	nc, err := stressDial(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, request)
	br := bufio.NewReader(nc)
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		return "no answer: " + err.Error()
	}
	body, err := io.ReadAll(res.Body)
	var b strings.Builder
	fmt.Fprint(&b, res.Proto, " ", res.Status, " close=", res.Close, " ", string(body), " ", err)
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		if name == "Date" && strings.HasPrefix(res.Header.Get(name), "Thu, 01 Jan 1970") {
			res.Header["Date"] = []string{"own"}
		} else if name == "Date" {
			res.Header["Date"] = slices.Repeat([]string{"now"}, len(res.Header["Date"]))
		}
		fmt.Fprintf(&b, " %s:%q", name, res.Header[name])
	}
	fmt.Fprint(&b, " ", res.ContentLength, res.TransferEncoding)
	return b.String()
}

// TestDirectHandsBodyOn has direct handlers read a part of the body, or all of it, before an ordinary one, which gets what
// is left, and the trailers. The next request begins where it begins.
func TestDirectHandsBodyOn(t *testing.T) {
	t.Parallel()
	rest := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/unread" {
			return
		}
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, r.URL.Path, " ", string(b), " ", err, " ", r.Trailer.Get("X-T"))
	})
	h := httpd.Direct(func(c *httpd.Ctx) {
		n := int64(5)
		if string(c.Path()) != "/part" {
			n = 100
		}
		io.Copy(io.Discard, io.LimitReader(c.Body(), n))
		c.ServeHTTP(rest)
	})
	const (
		counted = "Content-Length: 10\r\n\r\nabcdefghij"
		chunked = "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n4\r\nabcd\r\n6\r\nefghij\r\n0\r\nX-T: t\r\n\r\n"
	)
	requests := []struct{ path, body, want string }{
		{"/part", counted, "/part fghij <nil> "},
		{"/whole", counted, "/whole  <nil> "},
		{"/unread", counted, ""},
		{"/part", chunked, "/part fghij <nil> t"},
		{"/whole", chunked, "/whole  <nil> t"},
		{"/unread", chunked, ""},
		{"/part", "\r\n", "/part  <nil> "},
	}
	for _, driver := range engine.Drivers() {
		for name, h := range map[string]http.Handler{"direct": h, "adapter": http.HandlerFunc(h.ServeHTTP)} {
			t.Run(driver.String()+"/"+name, func(t *testing.T) {
				needsDriver(t, driver)
				s := stressServe(t, driver, 1, &httpd.Server{Handler: h})
				nc, err := stressDial(s.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(patience))
				for _, r := range requests {
					io.WriteString(nc, "POST "+r.path+" HTTP/1.1\r\nHost: a\r\n"+r.body)
				}
				br := bufio.NewReader(nc)
				for _, r := range requests {
					if _, text, err := stressAnswer(br); text != r.want || err != nil {
						t.Fatalf("%s %.20q: %q, %v; want %q", r.path, r.body, text, err, r.want)
					}
				}
			})
		}
	}
}
