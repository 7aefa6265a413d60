package httpd_test

import (
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What a handler finds in its *http.Request.
var requestBehaviours = []behaviour{
	{"targets", (*trial).requestTargets},
	{"fields", (*trial).requestFields},
	{"protocol", (*trial).requestProtocol},
	{"lengths", (*trial).requestLengths},
	{"context-values", (*trial).requestContextValues},
	{"trailer-declared", (*trial).requestTrailerDeclared},
	{"trailer-undeclared", (*trial).requestTrailerUndeclared},
	{"options-asterisk", (*trial).requestOptionsAsterisk},
	{"strings-outlive-handler", (*trial).requestStringsOutlive},
	{"methods", (*trial).requestMethods},
	{"form", (*trial).requestForm},
	{"multipart", (*trial).requestMultipart},
	{"cookies", (*trial).requestCookies},
	{"dribbled-head", (*trial).requestDribbled},
	{"crlf-before-request", (*trial).requestLeadingCRLF},
}

func (t *trial) requestTargets() {
	type seen struct{ uri, host, scheme, urlHost, path, raw, query, force string }
	got := make(chan seen, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		got <- seen{
			r.RequestURI, r.Host, r.URL.Scheme, r.URL.Host, r.URL.Path, r.URL.RawPath, r.URL.RawQuery,
			fmt.Sprint(r.URL.ForceQuery),
		}
	})
	for _, c := range []struct {
		method, target string
		want           seen
	}{
		{"GET", "/", seen{host: "burrow.test", path: "/", force: "false"}},
		{"GET", "/a/b?x=1&y=%20", seen{host: "burrow.test", path: "/a/b", query: "x=1&y=%20", force: "false"}},
		{"GET", "/a%2Fb%20c", seen{host: "burrow.test", path: "/a/b c", raw: "/a%2Fb%20c", force: "false"}},
		{"GET", "/%C3%A9", seen{host: "burrow.test", path: "/é", force: "false"}},
		{"GET", "//x//y", seen{host: "burrow.test", path: "//x//y", force: "false"}},
		{"GET", "/a/../b/./c", seen{host: "burrow.test", path: "/a/../b/./c", force: "false"}},
		{"GET", "/p?", seen{host: "burrow.test", path: "/p", force: "true"}},
		{"GET", "/p?a?b", seen{host: "burrow.test", path: "/p", query: "a?b", force: "false"}},
		{"GET", "/p?a=%zz", seen{host: "burrow.test", path: "/p", query: "a=%zz", force: "false"}},
		{"GET", "/p;v=1", seen{host: "burrow.test", path: "/p;v=1", force: "false"}},
		// RFC 9112 3.2.2: the authority of an absolute-form target replaces Host.
		{"GET", "http://other.test:81/p?q", seen{host: "other.test:81", scheme: "http", urlHost: "other.test:81", path: "/p", query: "q", force: "false"}},
		{"GET", "http://other.test", seen{host: "other.test", scheme: "http", urlHost: "other.test", force: "false"}},
		{"GET", "https://[::1]:8443/", seen{host: "[::1]:8443", scheme: "https", urlHost: "[::1]:8443", path: "/", force: "false"}},
		// RFC 9112 3.2.3
		{"CONNECT", "/_goRPC_", seen{host: "burrow.test", path: "/_goRPC_", force: "false"}}, // net/rpc
		{"CONNECT", "far.test:443", seen{host: "far.test:443", urlHost: "far.test:443", force: "false"}},
	} {
		w := t.dial(s)
		w.send(head(c.method, c.target))
		w.answerTo(c.method)
		c.want.uri = c.target
		equal(t, c.method+" "+c.target, await(t, "the handler of "+c.target, got), c.want)
	}
}

func (t *trial) requestFields() {
	got := make(chan http.Header, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Clone() })
	w := t.dial(s)
	w.send("POST / HTTP/1.1\r\nhOsT: burrow.test\r\nx-fOO: 1\r\nX-Foo:2\r\nX-FOO: \t 3 , 4\t \r\nX-Empty:\r\n" +
		"x_under: u\r\nConnection: keep-alive\r\nX-Latin: \xe9\r\ncontent-length: 2\r\nEtag: \"q\"\r\n\r\nhi")
	w.wantStatus(http.StatusOK)
	h := await(t, "the header", got)
	for name, want := range map[string][]string{
		"X-Foo": {"1", "2", "3 , 4"}, "X-Empty": {""}, "X_under": {"u"}, "Connection": {"keep-alive"},
		"X-Latin": {"\xe9"}, "Content-Length": {"2"}, "Etag": {`"q"`},
	} {
		if !slices.Equal(h[name], want) {
			t.Errorf("%s: got %q, want %q", name, h[name], want)
		}
	}
	equal(t, "number of fields", len(h), 7) // Host is not among them
	w.send("POST / HTTP/1.1\r\nHost: burrow.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	w.wantStatus(http.StatusOK)
	equal(t, "fields beside Host and Transfer-Encoding", len(await(t, "the header", got)), 0)
}

func (t *trial) requestProtocol() {
	got := make(chan string, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		got <- say(r.Proto, r.ProtoMajor, r.ProtoMinor, r.Close, r.TLS == nil, r.Host, r.ProtoAtLeast(1, 1))
	})
	for _, c := range []struct{ in, want, proto string }{
		{"GET / HTTP/1.1\r\nHost: a.test:8\r\n\r\n", "HTTP/1.1 1 1 false true a.test:8 true", "HTTP/1.1"},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 1 1 true true a true", "HTTP/1.1"},
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", "HTTP/1.1 1 1 false true  true", "HTTP/1.1"},
		{"GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 1 0 true true  false", "HTTP/1.0"},
		{"GET / HTTP/1.0\r\nHost: b\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.0 1 0 false true b false", "HTTP/1.0"},
	} {
		w := t.dial(s)
		w.send(c.in)
		equal(t, "protocol of the answer", w.wantStatus(http.StatusOK).Proto, c.proto)
		equal(t, "request", await(t, "the handler", got), c.want)
	}
}

func (t *trial) requestLengths() {
	got := make(chan string, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		got <- say(r.ContentLength, r.TransferEncoding, r.Body == http.NoBody, string(b), err)
	})
	for in, want := range map[string]string{
		head("GET", "/"):                                                        "0 [] true  <nil>",
		head("POST", "/"):                                                       "0 [] true  <nil>",
		head("POST", "/", "Content-Length: 0"):                                  "0 [] true  <nil>",
		head("POST", "/", "Content-Length: 5") + "hello":                        "5 [] false hello <nil>",
		head("GET", "/", "Content-Length: 5") + "hello":                         "5 [] false hello <nil>",
		head("PUT", "/", "Transfer-Encoding: Chunked") + "2\r\nhi\r\n0\r\n\r\n": "-1 [chunked] false hi <nil>",
		"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nold":                       "3 [] false old <nil>",
	} {
		w := t.dial(s)
		w.send(in)
		w.wantStatus(http.StatusOK)
		equal(t, in, await(t, "the handler", got), want)
	}
}

func (t *trial) requestContextValues() {
	got := make(chan [2]string, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		if r.Context().Value(http.ServerContextKey) == nil {
			t.Errorf("http.ServerContextKey is not in the context")
		}
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		got <- [2]string{r.RemoteAddr, fmt.Sprint(local)}
	})
	w := t.dial(s)
	w.get("/")
	w.wantStatus(http.StatusOK)
	v := await(t, "the handler", got)
	equal(t, "RemoteAddr", v[0], w.LocalAddr().String())
	equal(t, "http.LocalAddrContextKey", v[1], s.addr)
}

func (t *trial) requestTrailerDeclared() {
	got := make(chan string, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		before := fmt.Sprint(r.Trailer, r.Header["Trailer"])
		b, err := io.ReadAll(r.Body)
		got <- say(before, string(b), err, r.Trailer)
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Transfer-Encoding: chunked", "Trailer: x-sum, X-End") +
		"2\r\nhi\r\n0\r\nX-Sum: 7\r\nx-end:  8 \r\n\r\n")
	w.wantStatus(http.StatusOK)
	equal(t, "trailer", await(t, "the handler", got), "map[X-End:[] X-Sum:[]] [] hi <nil> map[X-End:[8] X-Sum:[7]]")
	w.alive()
}

func (t *trial) requestTrailerUndeclared() {
	got := make(chan http.Header, 2)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		got <- r.Trailer
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Transfer-Encoding: chunked") + "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")
	w.wantStatus(http.StatusOK)
	equal(t, "X-Sum", await(t, "the handler", got).Get("X-Sum"), "7")
	w.alive()
}

func (t *trial) requestOptionsAsterisk() {
	called := make(chan string, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) { called <- r.RequestURI })
	w := t.dial(s)
	w.send(head("OPTIONS", "*"))
	a := w.want(http.StatusOK, "")
	equal(t, "Content-Length", a.Header.Get("Content-Length"), "0")
	w.alive()
	equal(t, "first request that the handler saw", await(t, "the handler", called), "/alive")
}

// requestStringsOutlive keeps what the handler was given and looks at it after the connection's memory was reused.
func (t *trial) requestStringsOutlive() {
	kept := make(chan *http.Request, 3)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) { kept <- r })
	w := t.dial(s)
	w.get("/first?a=b", "X-Name: first value", "Cookie: k=first")
	w.wantStatus(http.StatusOK)
	w.get("/other?c=d", "X-Name: other value", "Cookie: k=other")
	w.wantStatus(http.StatusOK)
	t.dial(s).get("/third?e=f", "X-Name: third value", "Cookie: k=third")
	r := await(t, "the first request", kept)
	await(t, "the second request", kept)
	await(t, "the third request", kept)
	equal(t, "kept request", say(r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Host, r.Header, r.RemoteAddr),
		say("GET", "/first?a=b", "/first", "a=b", "burrow.test",
			http.Header{"X-Name": {"first value"}, "Cookie": {"k=first"}}, w.LocalAddr()))
}

func (t *trial) requestMethods() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Method", r.Method) })
	w := t.dial(s)
	for _, m := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get", "X-!#$%&'*+.^_`|~9"} {
		w.send(head(m, "/"))
		equal(t, "method", w.answer().Header.Get("X-Method"), m)
	}
}

func (t *trial) requestForm() {
	got := make(chan string, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		err := r.ParseForm()
		user, pass, ok := r.BasicAuth()
		got <- say(r.Form.Encode(), r.PostForm.Encode(), err, user, pass, ok)
	})
	w := t.dial(s)
	body := url.Values{"b": {"2 &"}, "a": {"3"}}.Encode()
	w.send(head("POST", "/?a=1", "Content-Type: application/x-www-form-urlencoded",
		fmt.Sprintf("Content-Length: %d", len(body)), "Authorization: Basic dTpw") + body)
	w.wantStatus(http.StatusOK)
	equal(t, "form", await(t, "the form", got), "a=3&a=1&b=2+%26 a=3&b=2+%26 <nil> u p true")
}

func (t *trial) requestMultipart() {
	got := make(chan string, 1)
	big := string(pattern(200_000))
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		f, fh, err := r.FormFile("file")
		if err != nil {
			t.Errorf("FormFile: %v", err)
			got <- ""
			return
		}
		b, err := io.ReadAll(f)
		got <- say(r.FormValue("field"), fh.Filename, fh.Size, string(b) == big, err)
		r.MultipartForm.RemoveAll()
	})
	var body strings.Builder
	mw := multipart.NewWriter(&body)
	mw.WriteField("field", "value")
	part, err := mw.CreateFormFile("file", "big.bin")
	if err != nil {
		t.Fatalf("multipart: %v", err)
	}
	io.WriteString(part, big)
	mw.Close()
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Type: "+mw.FormDataContentType(), fmt.Sprintf("Content-Length: %d", body.Len())) + body.String())
	w.wantStatus(http.StatusOK)
	equal(t, "multipart", await(t, "the form", got), "value big.bin 200000 true <nil>")
}

func (t *trial) requestCookies() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range r.Cookies() {
			http.SetCookie(w, &http.Cookie{Name: c.Name, Value: c.Value + "!", Path: "/", HttpOnly: true})
		}
	})
	w := t.dial(s)
	w.get("/", "Cookie: a=1; b=2", "Cookie: c=3")
	a := w.wantStatus(http.StatusOK)
	equal(t, "Set-Cookie", strings.Join(a.Header["Set-Cookie"], " | "),
		"a=1!; Path=/; HttpOnly | b=2!; Path=/; HttpOnly | c=3!; Path=/; HttpOnly")
}

func (t *trial) requestDribbled() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.URL.Path, r.Header.Get("X-A"), b)
	})
	w := t.dial(s)
	w.Conn.(*net.TCPConn).SetNoDelay(true)
	for _, b := range []byte(head("POST", "/dribble", "X-A: 1", "Transfer-Encoding: chunked") + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") {
		w.send(string(b))
	}
	w.want(http.StatusOK, "/dribble 1 abcde")
	w.alive()
}

func (t *trial) requestLeadingCRLF() {
	s := t.handle(func(http.ResponseWriter, *http.Request) {})
	w := t.dial(s)
	w.send("\r\n" + head("GET", "/")) // RFC 9112 2.2: at least one empty line before the request-line is to be ignored
	w.wantStatus(http.StatusOK)
	w.alive()
}
