package httpd_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/burrownet/burrow/httpd"
)

// registrar is what Router and http.ServeMux have in common.
type registrar interface {
	http.Handler
	Handle(pattern string, handler http.Handler)
}

// routeNames are the wildcard names that the patterns of these tests use.
var routeNames = []string{"a", "b", "c", "d", "id", "name", "rest"}

// routeEcho answers with what routing told it.
func routeEcho(pattern string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s", pattern, r.Method, r.URL.RequestURI())
		for _, name := range routeNames {
			if v := r.PathValue(name); v != "" {
				fmt.Fprintf(w, " %s=%s", name, v)
			}
		}
	}
}

// tryHandle registers pattern and reports whether that was accepted.
func tryHandle(rt registrar, pattern string) (ok bool) {
	defer func() { ok = recover() == nil }()
	rt.Handle(pattern, routeEcho(pattern))
	return true
}

// routed is all that can be seen of the routing of one request.
type routed struct {
	status                         int
	pattern, location, allow, body string
}

func route(h http.Handler, method, host, target string) routed {
	r := httptest.NewRequest(method, target, nil)
	if host != "" {
		r.Host = host
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return routed{w.Code, r.Pattern, w.Header().Get("Location"), w.Header().Get("Allow"), w.Body.String()}
}

// randomPattern makes a pattern of few words, so that patterns meet often. It
// leaves out what ServeMux gets wrong: see TestRouterBetterThanServeMux.
func randomPattern(rng *rand.Rand) string {
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	var b strings.Builder
	b.WriteString(pick("", "", "", "GET ", "GET ", "HEAD ", "POST ", "CONNECT "))
	b.WriteString(pick("", "", "", "", "h.example", "::1"))
	for i := range rng.IntN(4) {
		b.WriteString("/" + pick("x", "xy", "y", "7", "x%2Fy", "%79", "{"+routeNames[i]+"}", "{"+routeNames[i]+"}"))
	}
	tail := pick("", "", "/", "/{$}", "/{rest...}")
	if b.Len() == 0 || !strings.Contains(b.String(), "/") {
		tail = pick("/", "/{$}", "/{rest...}")
	}
	return b.String() + tail
}

func randomTarget(rng *rand.Rand, connect bool) string {
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	var b strings.Builder
	for range 1 + rng.IntN(4) {
		seg := pick("x", "xy", "y", "7", "x", "y", "z", ".", "..", "", "x%2fy", "%78", "z%20z", "%2e")
		// ServeMux loses count of the values when a CONNECT path has an empty
		// segment, and its redirects lose escapes.
		for connect && (seg == "" || strings.Contains(seg, "%")) {
			seg = pick("x", "xy", "y", "..", "7")
		}
		b.WriteString("/" + seg)
	}
	return b.String() + pick("", "", "", "/", "?q=1&r=%20")
}

// TestRouterAgainstServeMux registers random patterns with both and sends both the
// same requests: all that can be seen must be equal.
func TestRouterAgainstServeMux(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	seen := make(map[string]int)
	for range 3000 {
		router, mux := &httpd.Router{}, http.NewServeMux()
		var patterns []string
		for range 1 + rng.IntN(10) {
			pattern := randomPattern(rng)
			got, want := tryHandle(router, pattern), tryHandle(mux, pattern)
			if got != want {
				t.Fatalf("%q after %q: accepted %v, want %v", pattern, patterns, got, want)
			}
			if want {
				patterns = append(patterns, pattern)
			} else {
				seen["conflict"]++
			}
		}
		for range 15 {
			method := []string{"GET", "GET", "HEAD", "POST", "PUT", "CONNECT"}[rng.IntN(6)]
			host := []string{"", "h.example", "h.example:80", "[::1]:80", "::1", "H.example"}[rng.IntN(6)]
			target := randomTarget(rng, method == "CONNECT")
			want := route(mux, method, host, target)
			got := route(router, method, host, target)
			seen[http.StatusText(want.status)]++
			if want.status == http.StatusTemporaryRedirect && strings.Contains(target, "%") {
				seen["escaped redirect"]++
				escaped, query, _ := strings.Cut(target, "?")
				if !keepsEscapes(got.location, escaped, query) {
					t.Fatalf("%s %q with %q: redirected to %q", method, target, patterns, got.location)
				}
				got.location, got.body = want.location, want.body
			}
			if got != want {
				t.Fatalf("%s %q %q with %q:\n got %+v\nwant %+v", method, host, target, patterns, got, want)
			}
		}
	}
	for _, what := range []string{"OK", "Not Found", "Method Not Allowed", "Temporary Redirect", "conflict", "escaped redirect"} {
		if seen[what] < 500 {
			t.Errorf("%s came up %d times only: the test says little", what, seen[what])
		}
	}
}

// keepsEscapes reports whether location is the clean form of escaped, with or
// without one more slash, and has the query.
func keepsEscapes(location, escaped, query string) bool {
	got, gotQuery, _ := strings.Cut(location, "?")
	return gotQuery == query && strings.TrimSuffix(got, "/") == strings.TrimSuffix(path.Clean(escaped), "/")
}

// TestRouterBetterThanServeMux has the requests that http.ServeMux does not
// answer as its documentation says, or panics at.
func TestRouterBetterThanServeMux(t *testing.T) {
	t.Parallel()
	var rt httpd.Router
	for _, pattern := range []string{"/one/{id}", "/end/{$}", "/sub/{id}/", "/two/{a}/{b}", "/two//{b}", "/%2F/x"} {
		rt.Handle(pattern, routeEcho(pattern))
	}
	for _, c := range []struct {
		method, target string
		status         int
		location       string
		body           string
	}{
		// An escaped slash is text of a segment, not the end of the path.
		{"GET", "/one/%2F", 200, "", "/one/{id} GET /one/%2F id=/"},
		{"GET", "/end/%2F", 404, "", "404 page not found\n"},
		{"GET", "/%2F/x", 200, "", "/%2F/x GET /%2F/x"},
		// A redirect keeps the escapes of the path: not once more, and not decoded.
		{"GET", "/one//b%20c", 307, "/one/b%20c", ""},
		{"GET", "/sub/a%2Fb", 307, "/sub/a%2Fb/", ""},
		{"GET", "/sub/a%3Fb?q", 307, "/sub/a%3Fb/?q", ""},
		// A wildcard is never empty, also where paths are not cleaned.
		{"CONNECT", "/two//y", 200, "", "/two//{b} CONNECT /two//y b=y"},
		{"CONNECT", "/one//", 404, "", "404 page not found\n"},
	} {
		got := route(&rt, c.method, "", c.target)
		if got.status != c.status || got.location != c.location || c.body != "" && got.body != c.body {
			t.Errorf("%s %s: got %+v, want %d %q %q", c.method, c.target, got, c.status, c.location, c.body)
		}
	}
}

func TestRouterInt(t *testing.T) {
	t.Parallel()
	var rt httpd.Router
	for _, pattern := range []string{"/u/{id:int}", "/u/{name}", "/u/42", "/u/{rest...}", "GET /u/{id:int}/x"} {
		rt.Handle(pattern, routeEcho(pattern))
	}
	for target, want := range map[string]string{
		"/u/17":    "/u/{id:int} GET /u/17 id=17",
		"/u/42":    "/u/42 GET /u/42",
		"/u/1%37":  "/u/{id:int} GET /u/1%37 id=17",
		"/u/17a":   "/u/{name} GET /u/17a name=17a",
		"/u/-1":    "/u/{name} GET /u/-1 name=-1",
		"/u/17/x":  "GET /u/{id:int}/x GET /u/17/x id=17",
		"/u/17a/x": "/u/{rest...} GET /u/17a/x rest=17a/x",
		"/u/":      "/u/{rest...} GET /u/",
	} {
		if got := route(&rt, "GET", "", target); got.status != 200 || got.body != want {
			t.Errorf("%s: got %d %q, want %q", target, got.status, got.body, want)
		}
	}
}

func TestRouterZeroValue(t *testing.T) {
	t.Parallel()
	var rt httpd.Router
	if got := route(&rt, "GET", "", "/x"); got.status != 404 {
		t.Errorf("a router without routes: got status %d, want 404", got.status)
	}
	for range rt.Routes() {
		t.Error("a router without routes lists one")
	}
}

func TestRouterAsterisk(t *testing.T) {
	t.Parallel()
	for _, rt := range []registrar{&httpd.Router{}, http.NewServeMux()} {
		rt.Handle("/", routeEcho("/"))
		r := httptest.NewRequest("OPTIONS", "*", nil)
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, r)
		if got := w.Header().Get("Connection"); w.Code != 400 || got != "close" {
			t.Errorf("%T: OPTIONS *: got %d, Connection %q; want 400, close", rt, w.Code, got)
		}
	}
}

// TestRouterNested has a router below a ServeMux and a StripPrefix.
func TestRouterNested(t *testing.T) {
	t.Parallel()
	var rt httpd.Router
	rt.HandleFunc("/{id}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.PathValue("id"), " ", r.PathValue("rest"), " ", r.PathValue("a"), " ", r.Pattern)
	})
	mux := http.NewServeMux()
	mux.Handle("/api/{a}/", http.StripPrefix("/api", &rt))
	if got, want := route(mux, "GET", "", "/api/x%2Fy/b/c").body, "x/y b/c x/y /{id}/{rest...}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRouterPanics(t *testing.T) {
	t.Parallel()
	h := routeEcho("")
	for _, c := range []struct {
		what     string
		register func(rt *httpd.Router)
		want     []string
	}{
		{"conflict", func(rt *httpd.Router) { rt.Handle("/{name}/x", h) }, []string{`"/{name}/x"`, `"/y/{id}"`, "/y/x", "router_test.go:"}},
		{"same", func(rt *httpd.Router) { rt.HandleFunc("/y/{name}", h) }, []string{`"/y/{name}"`, `"/y/{id}"`, "same requests"}},
		{"rewrite conflict", func(rt *httpd.Router) { rt.Rewrite("/y/{name}", "/z") }, []string{`"/y/{name}"`, `"/y/{id}"`}},
		{"malformed", func(rt *httpd.Router) { rt.Handle("/{", h) }, []string{`"/{"`, "whole segment"}},
		{"nil handler", func(rt *httpd.Router) { rt.Handle("/n", nil) }, []string{`"/n"`, "nil handler"}},
		{"nil func", func(rt *httpd.Router) { rt.HandleFunc("/n", nil) }, []string{`"/n"`, "nil handler"}},
		{"nil HandlerFunc", func(rt *httpd.Router) { rt.Handle("/n", http.HandlerFunc(nil)) }, []string{`"/n"`, "nil handler"}},
		{"unknown name", func(rt *httpd.Router) { rt.Rewrite("/n", "/{x}") }, []string{`"/n"`, `"x"`}},
		{"empty target", func(rt *httpd.Router) { rt.Rewrite("/n", "") }, []string{"must begin"}},
		{"relative target", func(rt *httpd.Router) { rt.Rewrite("/n", "x") }, []string{"must begin"}},
		{"absolute target", func(rt *httpd.Router) { rt.Rewrite("/n", "GET http://h.example/") }, []string{"must begin"}},
		{"script target", func(rt *httpd.Router) { rt.Rewrite("/n", "302 javascript:alert(1)/") }, []string{"must begin"}},
		{"bad method", func(rt *httpd.Router) { rt.Rewrite("/n", "G(T /") }, []string{"bad method"}},
		{"low status", func(rt *httpd.Router) { rt.Rewrite("/n", "199") }, []string{"200 to 599"}},
		{"high status", func(rt *httpd.Router) { rt.Rewrite("/n", "600") }, []string{"200 to 599"}},
		{"redirect to nowhere", func(rt *httpd.Router) { rt.Rewrite("/n", "301") }, []string{"needs a location"}},
		{"404 with location", func(rt *httpd.Router) { rt.Rewrite("/n", "404 /x") }, []string{"only a redirect"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			var rt httpd.Router
			rt.Handle("/y/{id}", h)
			defer func() {
				text := fmt.Sprint(recover())
				for _, want := range append(c.want, "httpd: router: ") {
					if !strings.Contains(text, want) {
						t.Errorf("panic %q does not say %q", text, want)
					}
				}
				if n := len(slices.Collect(rt.Routes())); n != 1 {
					t.Errorf("%d routes after the panic, want 1", n)
				}
			}()
			c.register(&rt)
		})
	}
}

func TestRouterRoutes(t *testing.T) {
	t.Parallel()
	var rt httpd.Router
	rt.Handle("GET /b", routeEcho("b"))
	rt.Rewrite("/a/{id}", "/b?id={id}")
	routes := rt.Routes()
	rt.HandleFunc("h.example/c", routeEcho("c"))
	var got []string
	for r := range routes {
		got = append(got, fmt.Sprint(r.Pattern, "|", r.Target, "|", r.Handler != nil))
	}
	want := []string{"GET /b||true", "/a/{id}|/b?id={id}|false"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for range rt.Routes() {
		break
	}
}

// TestRouterRegisterWhileServing registers from several goroutines while others
// send requests: no registration is lost and every request finds its route.
func TestRouterRegisterWhileServing(t *testing.T) {
	t.Parallel()
	const writers, each = 4, 100
	var rt httpd.Router
	rt.Handle("/r/{a}/{b}", routeEcho("any"))
	var readers, registering sync.WaitGroup
	done := make(chan struct{})
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if got := route(&rt, "GET", "", "/r/0/5"); got.status != 200 {
				t.Errorf("while registering: got status %d, want 200", got.status)
				return
			}
		}
	})
	for writer := range writers {
		registering.Go(func() {
			for i := range each {
				rt.Handle(fmt.Sprintf("/r/%d/%d", writer, i), routeEcho("one"))
			}
		})
	}
	registering.Wait()
	close(done)
	readers.Wait()
	for writer := range writers {
		for i := range each {
			target := fmt.Sprintf("/r/%d/%d", writer, i)
			if got := route(&rt, "GET", "", target).pattern; got != target {
				t.Errorf("%s: routed to %q", target, got)
			}
		}
	}
	if n := len(slices.Collect(rt.Routes())); n != writers*each+1 {
		t.Errorf("%d routes, want %d", n, writers*each+1)
	}
}

func TestRouterRewrite(t *testing.T) {
	t.Parallel()
	var rt httpd.Router
	for _, pattern := range []string{"/user", "/static/{rest...}", "POST /form/{id}", "/tree/", "GET /get", "/x/{a}", "/clean"} {
		rt.Handle(pattern, routeEcho(pattern))
	}
	for pattern, target := range map[string]string{
		"/u/{id:int}":        "/user?id={id}",
		"/u/{id:int}/{name}": "/static/{name}/{id}",
		"/files/{rest...}":   "/static/{rest}",
		"/submit/{id}":       "POST /form/{id}",
		"/totree":            "/tree",
		"/toget":             "POST /get",
		"/tox/{id}":          "/x/{id}",
		"/unclean":           "/./a/..//clean",
		"/gone":              "410",
		"/empty":             "204",
		"/odd":               "599",
		"/old/{id}":          "301 /new/{id}",
		"/out/{rest...}":     "302 https://other.example/{rest}?from=us",
		"/up":                "308 /a/../b/",
		"/chain0":            "/chain1",
		"/chain1":            "/chain2?b",
		"/chain2":            "/user?c",
		"/loop":              "/loop",
		"/loop/{id}":         "/loop/{id}{id}",
	} {
		rt.Rewrite(pattern, target)
	}
	for _, c := range []struct {
		target   string
		status   int
		location string
		body     string
	}{
		{"/u/1234", 200, "", "/user GET /user?id=1234"},
		{"/u/1234?fmt=json", 200, "", "/user GET /user?id=1234&fmt=json"},
		{"/u/12/a%2Fb", 200, "", "/static/{rest...} GET /static/a%2Fb/12 rest=a/b/12"},
		{"/files/a/b%20c?q", 200, "", "/static/{rest...} GET /static/a/b%20c?q rest=a/b c"},
		{"/submit/7", 200, "", "POST /form/{id} POST /form/7 id=7"},
		{"/totree", 307, "/tree/", ""},
		{"/toget", 405, "", "Method Not Allowed\n"},
		{"/tox/v", 200, "", "/x/{a} GET /x/v a=v"},
		{"/unclean", 200, "", "/clean GET /clean"},
		{"/gone", 410, "", "Gone\n"},
		{"/empty", 204, "", ""},
		{"/odd", 599, "", "599\n"},
		{"/old/a%2Fb?x=1", 301, "/new/a%2Fb?x=1", ""},
		{"/out/a/b?x=1", 302, "https://other.example/a/b?from=us&x=1", ""},
		{"/up", 308, "/b/", ""},
		{"/chain0?a", 200, "", "/user GET /user?c&b&a"},
		{"/loop", 500, "", "the rewrites of this path do not end\n"},
		{"/loop/1", 500, "", "the rewrites of this path do not end\n"},
	} {
		got := route(&rt, "GET", "", c.target)
		if got.status != c.status || got.location != c.location || c.location == "" && got.body != c.body {
			t.Errorf("%s: got %+v, want %d %q %q", c.target, got, c.status, c.location, c.body)
		}
	}
}

// TestRouterRewriteHops: eight rewrites are followed, nine are too many.
func TestRouterRewriteHops(t *testing.T) {
	t.Parallel()
	var rt httpd.Router
	rt.Handle("/hop0", routeEcho("end"))
	for i := range 9 {
		rt.Rewrite(fmt.Sprintf("/hop%d", i+1), fmt.Sprintf("/hop%d", i))
	}
	for target, want := range map[string]int{"/hop8": 200, "/hop9": 500} {
		if got := route(&rt, "GET", "", target).status; got != want {
			t.Errorf("%s: got status %d, want %d", target, got, want)
		}
	}
}

// TestRouterRewriteRequest: the handler gets the new URL and the old RequestURI,
// body and header; the caller's request keeps its URL and method.
func TestRouterRewriteRequest(t *testing.T) {
	t.Parallel()
	var rt httpd.Router
	rt.Rewrite("/from/{id}", "PUT /to/{id}/%C3%A9")
	rt.HandleFunc("/to/{name}/{b}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %q %s %s %s id=%q name=%q b=%q %s", r.Method, r.URL.Path, r.URL.RawPath,
			r.RequestURI, r.Pattern, body, r.PathValue("id"), r.PathValue("name"), r.PathValue("b"), r.Header.Get("X-Test"))
	})
	for target, want := range map[string]string{
		"/from/1":     `PUT /to/1/é "" /from/1 /to/{name}/{b} body id="" name="1" b="é" v`,
		"/from/a%2Fb": `PUT /to/a/b/é "/to/a%2Fb/%C3%A9" /from/a%2Fb /to/{name}/{b} body id="" name="a/b" b="é" v`,
	} {
		r := httptest.NewRequest("POST", target, strings.NewReader("body"))
		r.Header.Set("X-Test", "v")
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, r)
		if got := w.Body.String(); got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
		if r.Method != "POST" || r.URL.EscapedPath() != target || r.Pattern != "/from/{id}" {
			t.Errorf("%s: the caller's request became %s %s, pattern %q", target, r.Method, r.URL, r.Pattern)
		}
	}
}
