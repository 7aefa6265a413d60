package httpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing/fstest"
	"time"
)

// Handlers of the standard library, each of which leans on the server in its own way.
var stdBehaviours = []behaviour{
	{"timeout-handler", (*trial).stdTimeoutHandler},
	{"reverse-proxy", (*trial).stdReverseProxy},
	{"reverse-proxy-early-answer", (*trial).stdReverseProxyEarly},
	{"reverse-proxy-upgrade", (*trial).stdReverseProxyUpgrade},
	{"mux", (*trial).stdMux},
	{"mux-redirect", (*trial).stdMuxRedirect},
	{"file-server", (*trial).stdFileServer},
	{"max-bytes-handler", (*trial).stdMaxBytesHandler},
	{"helpers", (*trial).stdHelpers},
	{"client", (*trial).stdClient},
	{"cross-origin", (*trial).stdCrossOrigin},
}

func (t *trial) stdTimeoutHandler() {
	ended := make(chan error, 1)
	s := t.serve(setup{Handler: http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-A", "b")
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
			ended <- r.Context().Err()
		}
		fmt.Fprint(w, "in time")
	}), short, "out of time")})
	w := t.dial(s)
	w.get("/")
	equal(t, "X-A", w.want(http.StatusOK, "in time").Header.Get("X-A"), "b")
	w.get("/slow")
	equal(t, "X-A", w.want(http.StatusServiceUnavailable, "out of time").Header.Get("X-A"), "")
	equal(t, "context", await(t, "the end", ended), context.DeadlineExceeded)
	w.alive()
}

// upstream is a backend of its own behind the server under trial.
func (t *trial) upstream(h http.HandlerFunc) http.Handler {
	up := httptest.NewServer(h)
	t.Cleanup(up.Close)
	u, err := url.Parse(up.URL)
	if err != nil {
		t.Fatalf("url: %v", err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(u); r.SetXForwarded() },
		Transport: tr, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	}
}

func (t *trial) stdReverseProxy() {
	s := t.serve(setup{Handler: t.upstream(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			b, _ := io.ReadAll(r.Body)
			w.Header().Set("X-For", r.Header.Get("X-Forwarded-For"))
			w.Write(b)
		case "/trailer":
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.Header().Set("X-Sum", "7")
		case "/hints":
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(http.StatusEarlyHints)
			io.WriteString(w, "final")
		case "/broken":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "part")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	})})
	w := t.dial(s)
	w.send(head("POST", "/echo", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n")
	equal(t, "X-Forwarded-For", w.want(http.StatusOK, "hello").Header.Get("X-For"), "127.0.0.1")
	big := string(pattern(2 << 20))
	w.send(head("POST", "/echo", fmt.Sprintf("Content-Length: %d", len(big))) + big)
	w.want(http.StatusOK, big)
	w.get("/trailer")
	equal(t, "trailer", w.want(http.StatusOK, "body").Trailer.Get("X-Sum"), "7")
	w.get("/hints")
	w.wantStatus(http.StatusEarlyHints)
	w.want(http.StatusOK, "final")
	w.get("/broken") // the proxy panics with ErrAbortHandler: the cut must be passed on
	a := w.answer()
	equal(t, "cut answer", say(a.body, a.err), "part unexpected EOF")
	w.closed()
}

// stdReverseProxyEarly: the backend answers while the request still arrives; the proxy reads and writes at the same time.
func (t *trial) stdReverseProxyEarly() {
	s := t.serve(setup{Handler: t.upstream(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusAccepted)
		w.(http.Flusher).Flush()
		io.Copy(w, r.Body)
	})})
	for range 5 {
		w := t.dial(s)
		w.send(head("POST", "/", "Content-Length: 6") + "ab")
		w.send("cd")
		w.send("ef")
		equal(t, "status", w.answer().StatusCode, http.StatusAccepted)
	}
}

func (t *trial) stdReverseProxyUpgrade() {
	s := t.serve(setup{Handler: t.upstream(func(w http.ResponseWriter, _ *http.Request) {
		c, rw := t.take(w)
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		io.Copy(c, rw)
	})})
	w := t.dial(s)
	w.get("/", "Connection: Upgrade", "Upgrade: echo")
	a := w.headTo("GET")
	equal(t, "status", a.StatusCode, http.StatusSwitchingProtocols)
	for _, line := range []string{"one", "two", "three"} {
		w.send(line)
		w.read(line)
	}
}

func (t *trial) stdMux() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.PathValue("id"), " ", r.Pattern)
	})
	mux.HandleFunc("POST /more/{id}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.PathValue("id"), " ", r.PathValue("rest"))
	})
	mux.HandleFunc("other.test/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "other host") })
	s := t.serve(setup{Handler: mux})
	w := t.dial(s)
	w.get("/items/7%2F8")
	w.want(http.StatusOK, "7/8 GET /items/{id}")
	w.send(head("POST", "/more/7/a/b", "Content-Length: 0"))
	w.want(http.StatusOK, "7 a/b")
	w.send(head("DELETE", "/items/7"))
	equal(t, "Allow", w.wantStatus(http.StatusMethodNotAllowed).Header.Get("Allow"), "GET, HEAD")
	w.send("GET /any HTTP/1.1\r\nHost: other.test:80\r\n\r\n")
	w.want(http.StatusOK, "other host")
	w.get("/missing")
	w.want(http.StatusNotFound, "404 page not found\n")
}

func (t *trial) stdMuxRedirect() {
	mux := http.NewServeMux()
	mux.HandleFunc("/dir/", nothing)
	s := t.serve(setup{Handler: mux})
	w := t.dial(s)
	for in, want := range map[string]string{"/dir?a=b": "/dir/?a=b", "/x/../dir/": "/dir/", "//dir//": "/dir/"} {
		w.get(in)
		a := w.answer()
		equal(t, in, fmt.Sprint(a.StatusCode/100, a.Header.Get("Location")), "3"+want)
	}
}

func (t *trial) stdFileServer() {
	s := t.serve(setup{Handler: http.FileServerFS(fstest.MapFS{
		"index.html": {Data: []byte("<h1>index</h1>"), ModTime: time.Unix(1e9, 0)},
		"a/b.css":    {Data: []byte("p{}"), ModTime: time.Unix(1e9, 0)},
	})})
	w := t.dial(s)
	w.get("/")
	equal(t, "Content-Type", w.want(http.StatusOK, "<h1>index</h1>").Header.Get("Content-Type"), "text/html; charset=utf-8")
	w.get("/a/b.css")
	equal(t, "Last-Modified", w.want(http.StatusOK, "p{}").Header.Get("Last-Modified"), "Sun, 09 Sep 2001 01:46:40 GMT")
	w.get("/index.html")
	equal(t, "Location", w.wantStatus(http.StatusMovedPermanently).Header.Get("Location"), "./")
	w.get("/../../etc/passwd")
	w.wantStatus(http.StatusNotFound)
}

func (t *trial) stdMaxBytesHandler() {
	s := t.serve(setup{Handler: http.MaxBytesHandler(http.HandlerFunc(echo), 5)})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5") + "hello")
	w.want(http.StatusOK, "hello")
	w.send(head("POST", "/", "Content-Length: 6") + "hello!")
	w.want(http.StatusOK, "hello (http: request body too large)")
}

func (t *trial) stdHelpers() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/error":
			w.Header().Set("Content-Length", "999")
			http.Error(w, "no <b>", http.StatusBadGateway)
		case "/redirect":
			http.Redirect(w, r, "elsewhere?x=y", http.StatusFound)
		case "/notfound":
			http.NotFound(w, r)
		}
	})
	w := t.dial(s)
	w.get("/error")
	a := w.want(http.StatusBadGateway, "no <b>\n")
	equal(t, "X-Content-Type-Options", a.Header.Get("X-Content-Type-Options"), "nosniff")
	w.get("/redirect")
	a = w.answer()
	equal(t, "Location", a.Header.Get("Location"), "/elsewhere?x=y")
	equal(t, "redirect page", strings.Contains(a.body, `href="/elsewhere?x=y"`), true)
	w.get("/notfound")
	w.wantStatus(http.StatusNotFound)
	w.alive()
}

// stdClient lets the ordinary client have its way, connection reuse and all.
func (t *trial) stdClient() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.RemoteAddr, b)
	})
	tr := &http.Transport{ExpectContinueTimeout: patience}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: patience}
	addrs := make(map[string]bool)
	for i := range 30 {
		req, err := http.NewRequest("POST", "http://"+s.addr, bufio.NewReader(strings.NewReader("body")))
		if err != nil {
			t.Fatalf("request: %v", err)
		}
		if i%3 == 0 {
			req.Header.Set("Expect", "100-continue")
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatalf("Do: %v", err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		addr, body, _ := strings.Cut(string(b), " ")
		equal(t, "body", fmt.Sprint(body, err), "body<nil>")
		addrs[addr] = true
	}
	equal(t, "connections used", len(addrs), 1)
}

func (t *trial) stdCrossOrigin() {
	s := t.serve(setup{Handler: http.NewCrossOriginProtection().Handler(http.HandlerFunc(echo))})
	w := t.dial(s)
	w.send(head("POST", "/", "Sec-Fetch-Site: cross-site", "Content-Length: 2") + "hi")
	w.wantStatus(http.StatusForbidden)
	w.send(head("POST", "/", "Sec-Fetch-Site: same-origin", "Content-Length: 2") + "hi")
	w.want(http.StatusOK, "hi")
}
