package httpd

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/http1"
)

// call is one request for an ordinary http.Handler, in one piece of memory. A
// handler may keep its parts, so a call is made anew each time.
type call struct {
	req http.Request
	url url.URL
	ctx requestContext
	w   response
}

// The only way in for a context costs a copy, of nothing.
var noRequest http.Request

// serveHTTP runs an ordinary handler.
func (x *exchange) serveHTTP(h http.Handler) {
	k := new(call)
	x.ctx.call = k
	k.ctx.begin(x)
	k.req = *noRequest.WithContext(&k.ctx)
	r := &k.req
	if err := x.fill(r, k); err != nil {
		x.ctx.call = nil
		x.answerError(http.StatusBadRequest, "the request target is not a valid URI")
		return
	}
	k.w.begin(x, r)
	if c := &x.ctx; c.hasType || len(c.lines) > 0 {
		c.handOn(&k.w)
	}
	h.ServeHTTP(&k.w, r)
	if !x.hijacked {
		k.w.finish()
		x.meet()
		x.body.finish()
		if r.MultipartForm != nil {
			r.MultipartForm.RemoveAll()
		}
	}
	k.w.x = nil
	k.ctx.finish()
	x.ctx.call = nil
}

// fill makes r the request whose head was parsed, as net/http would.
func (x *exchange) fill(r *http.Request, k *call) error {
	q := &x.req
	// One string holds the head and the peer's address; all others are parts of it.
	own := append(x.own[len(x.own):], x.head...)
	own = x.s.appendRemote(own, x.c)
	head := string(own)
	r.RemoteAddr = head[len(x.head):]
	if len(x.own) == 0 {
		x.own = own[:0]
	}
	start := 0
	if head[0] == '\r' {
		start = 2 // RFC 9112 2.2: the empty line before the request line
	}
	target := start + len(q.Method) + 1
	r.Method = head[start : target-1]
	r.RequestURI = head[target : target+len(q.Target)]
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	if q.Minor == 0 {
		r.Proto, r.ProtoMinor = "HTTP/1.0", 0
	}
	if err := x.fillURL(r, k); err != nil {
		return err
	}
	if q.Form == http1.Absolute || q.Form == http1.Authority {
		r.Host = string(q.Host) // RFC 9112 3.2.2: that of the target counts
	}
	x.fillHeader(r, head)
	r.Close = q.Close
	r.ContentLength = max(q.ContentLength, 0)
	if q.Chunked {
		r.ContentLength = -1
		r.TransferEncoding = []string{"chunked"}
	}
	if x.s.std.TLSConfig != nil {
		r.TLS = x.c.TLS() // made anew: kept, it would be a part of what an idle connection costs
	}
	if x.body == nil {
		r.Body = http.NoBody
		return nil
	}
	if q.TrailerDeclared && q.Chunked { // RFC 9112 7.1.2: no other body has trailers
		declareTrailer(r)
	}
	x.body.giveTrailer(func(f *http1.Fields) { fillTrailer(r, f) })
	r.Body, x.spare = x.body, nil
	return nil
}

// appendRemote appends the peer's address. The other end of a unix socket has no
// name: package net writes "@" for that.
func (s *serving) appendRemote(b []byte, c *engine.Conn) []byte {
	if a := c.RemoteAddr(); a.IsValid() {
		return a.AppendTo(b)
	}
	if s.local.Network() == "unix" {
		return append(b, '@')
	}
	return b
}

// fillURL sets r.URL. Plain paths, the rule, are taken as they are.
func (x *exchange) fillURL(r *http.Request, k *call) error {
	q := &x.req
	if q.Form == http1.Origin && plainPath(q.Path) {
		k.url.Path = r.RequestURI[:len(q.Path)]
		if q.HasQuery {
			k.url.RawQuery = r.RequestURI[len(q.Path)+1:]
			k.url.ForceQuery = len(q.Query) == 0
		}
		r.URL = &k.url
		return nil
	}
	uri := r.RequestURI
	authority := q.Form == http1.Authority && !strings.HasPrefix(uri, "/")
	if authority {
		uri = "http://" + uri
	}
	u, err := url.ParseRequestURI(uri)
	if err != nil {
		return err
	}
	if authority {
		u.Scheme = ""
	}
	r.URL = u
	return nil
}

// plain holds the bytes of a path that are themselves, escaped or not, to
// net/url.
var plain = func() (t [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~$&+,/:;=@") {
		t[c] = true
	}
	return t
}()

func plainPath(b []byte) bool {
	for _, c := range b {
		if !plain[c] {
			return false
		}
	}
	return true
}

// fillHeader sets r.Header: all fields but Host, with canonical names.
func (x *exchange) fillHeader(r *http.Request, head string) {
	f := &x.req.Fields
	n := f.Len()
	r.Header = make(http.Header, max(n-1, 0))
	values := make([]string, 0, max(n-1, 0))
	for i := range n {
		ns, ne, vs, ve := f.Span(i)
		name, known := http1.CanonicalName(f.Name(i))
		if !known {
			name = textproto.CanonicalMIMEHeaderKey(head[ns:ne])
		}
		if name == "Host" {
			if r.Host == "" {
				r.Host = head[vs:ve]
			}
			continue
		}
		value := head[vs:ve]
		if old, ok := r.Header[name]; ok {
			r.Header[name] = append(old, value)
			continue
		}
		values = append(values, value)
		r.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	// net/http gives these in fields of the Request only.
	if x.req.Chunked {
		delete(r.Header, "Transfer-Encoding")
	}
	// RFC 9111 5.4: HTTP/1.0 caches know Pragma only.
	if p := r.Header["Pragma"]; len(p) > 0 && p[0] == "no-cache" && r.Header["Cache-Control"] == nil {
		r.Header["Cache-Control"] = []string{"no-cache"}
	}
}

// declareTrailer moves what the Trailer field announces to r.Trailer.
func declareTrailer(r *http.Request) {
	r.Trailer = http.Header{}
	for _, v := range r.Header["Trailer"] {
		for name := range strings.SplitSeq(v, ",") {
			if name = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)); name != "" {
				r.Trailer[name] = nil
			}
		}
	}
	delete(r.Header, "Trailer")
}

// fillTrailer adds a trailer section to r.Trailer, once the body has been read.
func fillTrailer(r *http.Request, f *http1.Fields) {
	if r.Trailer == nil && f.Len() > 0 {
		r.Trailer = http.Header{}
	}
	for i := range f.Len() {
		r.Trailer.Add(string(f.Name(i)), string(f.Value(i)))
	}
}
