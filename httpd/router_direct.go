package httpd

import (
	"bytes"

	"github.com/burrownet/burrow/internal/radix"
)

var _ DirectHandler = (*Router)(nil)

// ServeDirect answers the request like ServeHTTP. When the most specific route's
// handler is a DirectHandler and nothing stands between, it is called without an
// http.Request and without allocating; everything else (redirects, rewrites, 404
// and 405, CONNECT, ordinary handlers) goes the way of ServeHTTP.
func (rt *Router) ServeDirect(c *Ctx) {
	if h := rt.direct(c); h != nil {
		h.ServeDirect(c)
		return
	}
	c.ServeHTTP(rt)
}

// direct returns the DirectHandler that the request leads to at once, or nil.
func (rt *Router) direct(c *Ctx) DirectHandler {
	tree := rt.tree.Load()
	method, path := c.Method(), c.Path()
	// RFC 9110 9.3.6: CONNECT has no path to clean. What is unclean or badly
	// escaped gets the redirect or the 400 of the ordinary way.
	if string(method) == "CONNECT" || !radix.IsClean(path) || !radix.ValidEscapes(path) {
		return nil
	}
	var host []byte
	if tree.HasHosts() {
		host = stripPortBytes(c.Host())
	}
	route := tree.LookupBytes(host, method, path, &c.params)
	if route == nil {
		return nil
	}
	h, ok := route.Value.handler.(DirectHandler)
	if !ok {
		return nil
	}
	if !c.params.Exact() && path[len(path)-1] != '/' && tree.SubtreeBytes(host, method, path) != nil {
		return nil
	}
	c.setPathValues(route.Pattern.String(), route.Pattern.Names())
	return h
}

// stripPortBytes is stripPort for bytes; only an IPv6 literal costs it memory.
func stripPortBytes(host []byte) []byte {
	name, port, ok := bytes.Cut(host, []byte{':'})
	if !ok {
		return host
	}
	if bytes.IndexByte(port, ':') < 0 && !bytes.ContainsAny(host, "[]") {
		return name
	}
	return []byte(stripPort(string(host)))
}
