package httpd

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/burrownet/burrow/internal/radix"
)

// maxRewrites is how many rewrites one request may go through.
const maxRewrites = 8

// Router sends each request to the handler of the most specific pattern that
// matches it. Patterns, precedence, redirects to the clean path and to the path
// with a slash at its end, 405 and Request.PathValue are those of http.ServeMux;
// its documentation holds here too. What there is beside that:
//
//   - {name:int} matches one segment of decimal digits only. It is more specific
//     than {name}, and less than literal text.
//   - Rewrite answers a pattern with another path of the same Router, a redirect
//     or a status.
//   - Handlers may be registered while requests are served: every request sees
//     all or nothing of a registration.
//   - "%2F" is text inside a segment wherever it stands, and redirects keep the
//     escapes of the path they were asked for: /a//b%20c goes to /a/b%20c.
//
// The zero value is ready, and answers every request 404. Methods may be called
// concurrently. A Router must not be copied after first use.
type Router struct {
	mu   sync.Mutex // held to replace tree
	tree atomic.Pointer[radix.Tree[*action]]
}

// Route is one registration of a Router.
type Route struct {
	Pattern string
	Handler http.Handler // nil for a rewrite
	Target  string       // of a rewrite, as given to Rewrite; else ""
}

// action is what is done with a request that matched. It is immutable.
type action struct {
	handler http.Handler // nil: a rewrite, described by the rest
	target  string
	method  string          // to go on with; "" keeps the request's
	status  int             // to answer with; 0: route the request again
	to      *radix.Template // path, or location of a redirect; nil: none
	where   string          // file:line of the registration
}

// Handle registers the handler for the pattern. It panics when the pattern is
// malformed or conflicts with one that is registered, naming both.
func (rt *Router) Handle(pattern string, handler http.Handler) {
	if f, ok := handler.(http.HandlerFunc); handler == nil || ok && f == nil {
		panic(fmt.Errorf("httpd: router: pattern %q: nil handler", pattern))
	}
	rt.register(pattern, func(*radix.Pattern) (*action, error) { return &action{handler: handler}, nil })
}

// HandleFunc registers the handler function for the pattern, as Handle does.
func (rt *Router) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	if handler == nil {
		panic(fmt.Errorf("httpd: router: pattern %q: nil handler", pattern))
	}
	h := http.HandlerFunc(handler)
	rt.register(pattern, func(*radix.Pattern) (*action, error) { return &action{handler: h}, nil })
}

// Rewrite registers target as the answer to the pattern. A target is one of
//
//	/path?query        route the request again, as if it had asked for that
//	METHOD /path       the same, and with this method
//	STATUS             answer with this status, 200 to 599 but no redirect
//	STATUS LOCATION    redirect (301, 302, 303, 307, 308) to a path or an http(s) URL
//
// {name} in a path or query stands for the value of the pattern's wildcard of
// that name, also of {name...} and {name:int}. The request's own query is
// appended to that of the target. A path and a query are given percent-encoded.
//
// The handler sees the new URL, method and path values, and RequestURI as the
// client sent it. A request that is rewritten more than 8 times gets 500.
//
// Rewrite panics as Handle does, and when the target is malformed.
func (rt *Router) Rewrite(pattern, target string) {
	rt.register(pattern, func(p *radix.Pattern) (*action, error) { return parseTarget(target, p) })
}

// Routes yields what is registered, in the order of registration. It yields the
// routes of one moment: later registrations do not appear.
func (rt *Router) Routes() iter.Seq[Route] {
	tree := rt.tree.Load()
	return func(yield func(Route) bool) {
		for r := range tree.All() {
			if !yield(Route{Pattern: r.Pattern.String(), Handler: r.Value.handler, Target: r.Value.target}) {
				return
			}
		}
	}
}

// register is called by the exported methods only, so that the file and line it
// notes are their caller's.
func (rt *Router) register(pattern string, build func(*radix.Pattern) (*action, error)) {
	p, err := radix.Parse(pattern)
	if err != nil {
		panic(fmt.Errorf("httpd: router: %w", err))
	}
	a, err := build(p)
	if err != nil {
		panic(fmt.Errorf("httpd: router: pattern %q: %w", pattern, err))
	}
	a.where = "unknown location"
	if _, file, line, ok := runtime.Caller(2); ok {
		a.where = file + ":" + strconv.Itoa(line)
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	tree := rt.tree.Load()
	next, err := tree.Insert(p, a)
	if conflict, ok := errors.AsType[*radix.ConflictError](err); ok {
		panic(fmt.Errorf("httpd: router: %w\n\t%q registered at %s\n\t%q registered at %s",
			err, pattern, a.where, conflict.Existing, registration(tree, conflict.Existing)))
	}
	rt.tree.Store(next)
}

func registration(tree *radix.Tree[*action], p *radix.Pattern) string {
	for r := range tree.All() {
		if r.Pattern == p {
			return r.Value.where
		}
	}
	return "unknown location"
}

// parseTarget parses the target of a rewrite of p.
func parseTarget(target string, p *radix.Pattern) (*action, error) {
	a := &action{target: target}
	word, location, found := strings.Cut(target, " ")
	location = strings.TrimLeft(location, " ")
	if !found && strings.HasPrefix(word, "/") {
		word, location = "", target
	}
	if n, err := strconv.Atoi(word); err == nil {
		a.status = n
		switch redirect := isRedirect(n); {
		case n < 200 || n > 599:
			return nil, fmt.Errorf("target %q: status must be 200 to 599", target)
		case redirect && location == "":
			return nil, fmt.Errorf("target %q: a redirect needs a location", target)
		case !redirect && found:
			return nil, fmt.Errorf("target %q: only a redirect has a location", target)
		case !redirect:
			return a, nil
		}
	} else if word != "" && !radix.ValidMethod(word) {
		return nil, fmt.Errorf("target %q: bad method %q", target, word)
	} else {
		a.method = word
	}
	web := strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
	if !strings.HasPrefix(location, "/") && (a.status == 0 || !web) {
		return nil, fmt.Errorf("target %q: the path must begin with '/'", target)
	}
	var err error
	a.to, err = radix.ParseTemplate(location, p)
	return a, err
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// ServeHTTP answers the request with the handler of the most specific pattern.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// RFC 9112 3.2.4: the asterisk-form names no resource, so nothing to route.
	if r.RequestURI == "*" {
		if r.ProtoAtLeast(1, 1) {
			w.Header().Set("Connection", "close")
		}
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	tree := rt.tree.Load()
	for range maxRewrites + 1 {
		var m match
		m.find(tree, r)
		r.Pattern = m.pattern
		switch {
		case m.location != "":
			http.Redirect(w, r, m.location, http.StatusTemporaryRedirect)
			return
		case m.route == nil:
			refuse(w, r, tree.Allowed(m.host, m.path))
			return
		}
		a := m.route.Value
		switch {
		case a.handler != nil:
			m.setPathValues(r)
			a.handler.ServeHTTP(w, r)
			return
		case a.to == nil:
			answer(w, a.status)
			return
		}
		path, query := a.to.Expand(m.path, &m.params)
		query = joinQueries(query, r.URL.RawQuery)
		if path[0] == '/' {
			path = radix.CleanPath(path)
		}
		if a.status != 0 {
			http.Redirect(w, r, withQuery(path, query), a.status)
			return
		}
		r = rewritten(r, a.method, path, query)
	}
	http.Error(w, "the rewrites of this path do not end", http.StatusInternalServerError)
}

// match is what a request was found to match.
type match struct {
	route    *radix.Route[*action] // nil: nothing
	pattern  string                // for Request.Pattern
	location string                // not "": where the request is redirected
	host     string                // the host and the escaped path that were looked up
	path     string
	params   radix.Params // positions in path
}

// find looks the request up, and decides on redirects as http.ServeMux does.
func (m *match) find(tree *radix.Tree[*action], r *http.Request) {
	path := r.URL.EscapedPath()
	// RFC 9110 9.3.6: the target of CONNECT is a host and a port, not a path
	// that could be cleaned.
	if r.Method == http.MethodConnect {
		m.host, m.path = r.URL.Host, path
		route := tree.Lookup(m.host, r.Method, m.path, &m.params)
		if m.subtree(tree, r.Method, route) != nil {
			slashed := radix.CleanPath(m.path) + "/"
			m.pattern, m.location = slashed, withQuery(slashed, r.URL.RawQuery)
			return
		}
		m.route = tree.Lookup(r.Host, r.Method, m.path, &m.params)
		m.setPattern(m.route)
		return
	}
	if tree.HasHosts() {
		m.host = stripPort(r.Host)
	}
	m.path = radix.CleanPath(path)
	m.route = tree.Lookup(m.host, r.Method, m.path, &m.params)
	if sub := m.subtree(tree, r.Method, m.route); sub != nil {
		m.setPattern(sub)
		m.location = withQuery(m.path+"/", r.URL.RawQuery)
		return
	}
	m.setPattern(m.route)
	if m.path != path {
		m.location = withQuery(m.path, r.URL.RawQuery)
	}
}

// subtree returns the route to which a request for m.path is redirected, one
// slash further, when route matches less than exactly.
func (m *match) subtree(tree *radix.Tree[*action], method string, route *radix.Route[*action]) *radix.Route[*action] {
	if route != nil && m.params.Exact() || m.path == "" || m.path[len(m.path)-1] == '/' {
		return nil
	}
	return tree.Subtree(m.host, method, m.path)
}

func (m *match) setPattern(route *radix.Route[*action]) {
	if route != nil {
		m.pattern = route.Pattern.String()
	}
}

func (m *match) setPathValues(r *http.Request) {
	for i, name := range m.route.Pattern.Names() {
		start, end := m.params.At(i)
		r.SetPathValue(name, radix.Unescape(m.path[start:end]))
	}
}

// refuse answers a request that no pattern matches.
func refuse(w http.ResponseWriter, r *http.Request, allowed []string) {
	if len(allowed) == 0 {
		http.NotFound(w, r)
		return
	}
	// RFC 9110 15.5.6: a 405 MUST say which methods the resource has.
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	answer(w, http.StatusMethodNotAllowed)
}

// answer writes a whole response that is nothing but a status.
func answer(w http.ResponseWriter, status int) {
	if status < 400 {
		w.WriteHeader(status)
		return
	}
	text := http.StatusText(status)
	if text == "" {
		text = strconv.Itoa(status)
	}
	http.Error(w, text, status)
}

// rewritten returns a request for another path, escaped and clean. It shares the
// body, the header and the context of r.
func rewritten(r *http.Request, method, path, query string) *http.Request {
	u := *r.URL
	u.Path, u.RawPath, u.RawQuery = radix.Unescape(path), "", query
	if u.EscapedPath() != path {
		u.RawPath = path
	}
	next := new(http.Request)
	*next = *r
	next.URL = &u
	if method != "" {
		next.Method = method
	}
	return next
}

func joinQueries(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}

func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// stripPort returns host without its port.
func stripPort(host string) string {
	if strings.IndexByte(host, ':') < 0 {
		return host
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
