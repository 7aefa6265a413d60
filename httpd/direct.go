package httpd

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/burrownet/burrow/internal/http1"
	"github.com/burrownet/burrow/internal/radix"
)

// DirectHandler is an http.Handler that a Server, or a Router, calls without an
// http.Request: bytes are borrowed from the connection and nothing is allocated.
// Its ServeHTTP must do the same job; Direct makes both of one function.
//
// Answers to pipelined requests leave together, after the last handler has run:
// one that blocks holds back those before it, until its path is known to block.
type DirectHandler interface {
	http.Handler
	ServeDirect(c *Ctx)
}

// Direct is the DirectHandler of a function. Under a server that is not ours its
// ServeHTTP runs the same function.
type Direct func(c *Ctx)

// ServeDirect calls f.
func (f Direct) ServeDirect(c *Ctx) { f(c) }

// ServeHTTP calls f with a Ctx made of w and r.
func (f Direct) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &Ctx{w: w, r: r}
	f(c)
	c.finish()
}

// Ctx is one request and its response, for a DirectHandler. It and all bytes it
// gives are valid until the handler returns, and the bytes of a request with a
// body until Body is read. Not safe for concurrent use. A handler that answers
// nothing answers 200 without content.
type Ctx struct {
	x *exchange // nil: behind ServeHTTP, w and r are what there is
	w http.ResponseWriter
	r *http.Request

	params      radix.Params // filled by the Router: positions in Path
	names       []string
	pattern     string
	call        *call  // of an ordinary handler that is running
	lines       []byte // fields that the handler has set
	contentType string // Content-Type, where it has
	hasType     bool
	hasDate     bool // Date is among lines
	answered    bool
	done        bool // the handler has returned
}

func (c *Ctx) reset() {
	c.contentType, c.hasType, c.hasDate = "", false, false
	c.w, c.r, c.names, c.pattern, c.call = nil, nil, nil, "", nil
	c.lines, c.answered = c.lines[:0], false
}

// serveDirect runs a direct handler.
func (x *exchange) serveDirect(h DirectHandler) {
	c := &x.ctx
	c.reset()
	c.x = x
	h.ServeDirect(c)
	if !c.answered && !x.hijacked {
		c.begin(http.StatusOK, "", 0)
	}
	x.body.finish()
}

// Method is the request method, case as sent.
func (c *Ctx) Method() []byte {
	if c.x == nil {
		return []byte(c.r.Method)
	}
	return c.x.req.Method
}

// Path is the path of the request target, not unescaped.
func (c *Ctx) Path() []byte {
	if c.x == nil {
		if raw := c.r.URL.RawPath; raw != "" {
			return []byte(raw) // also where EscapedPath would escape more
		}
		return []byte(c.r.URL.EscapedPath())
	}
	return c.x.req.Path
}

// Query is what follows the "?" of the request target, not unescaped.
func (c *Ctx) Query() []byte {
	if c.x == nil {
		return []byte(c.r.URL.RawQuery)
	}
	return c.x.req.Query
}

// QueryValue is the first value of a query parameter, unescaped; "" without one.
func (c *Ctx) QueryValue(name string) string {
	v, _ := url.ParseQuery(string(c.Query()))
	return v.Get(name)
}

// Host is the host and port that the request is for.
func (c *Ctx) Host() []byte {
	if c.x == nil {
		return []byte(c.r.Host)
	}
	return c.x.req.Host
}

// Header is the first value of a request field; nil without one. The name's case
// does not matter. "Host" is what Host gives, nil where that is empty.
func (c *Ctx) Header(name string) []byte {
	if len(name) == 4 && strings.EqualFold(name, "Host") {
		if host := c.Host(); len(host) > 0 {
			return host
		}
		return nil
	}
	if c.x != nil {
		return c.x.req.Get(name)
	}
	if vv := c.r.Header.Values(name); len(vv) > 0 {
		return []byte(vv[0])
	}
	return nil
}

// RemoteAddr is the client's address.
func (c *Ctx) RemoteAddr() netip.AddrPort {
	if c.x != nil {
		return c.x.c.RemoteAddr()
	}
	a, _ := netip.ParseAddrPort(c.r.RemoteAddr)
	return a
}

// PathValue is the part of the path that matched {name} of the Router's pattern,
// unescaped; empty when the pattern has no such name.
func (c *Ctx) PathValue(name string) []byte {
	if c.x == nil {
		return []byte(c.r.PathValue(name))
	}
	i := slices.Index(c.names, name)
	if i < 0 {
		return nil
	}
	start, end := c.params.At(i)
	return radix.UnescapeBytes(c.x.req.Path[start:end])
}

func (c *Ctx) setPathValues(pattern string, names []string) { c.pattern, c.names = pattern, names }

// Pattern is the pattern of the Router that matched; "" without a Router.
func (c *Ctx) Pattern() string {
	if c.x == nil {
		return c.r.Pattern
	}
	return c.pattern
}

// Body is the content of the request. Reading it may move the bytes that other
// methods gave before.
func (c *Ctx) Body() io.Reader {
	if c.x == nil {
		return c.r.Body
	}
	if c.x.body == nil {
		return http.NoBody
	}
	return c.x.body
}

// SetHeader adds a field to the response, before it is answered. Content-Type takes
// the place of what the answer says ("": none is sent), Date that of the server's.
// Fields that frame the response
// (Content-Length, Transfer-Encoding, Connection) are the server's and are left out.
func (c *Ctx) SetHeader(name, value string) {
	switch canonical, _ := http1.CanonicalName([]byte(name)); canonical {
	case "Content-Length", "Transfer-Encoding", "Connection":
		return
	case "Content-Type":
		c.contentType, c.hasType = value, true
		return
	case "Date":
		c.hasDate = true
	}
	if c.x == nil {
		c.w.Header().Add(name, value)
		return
	}
	c.lines = http1.AppendField(c.lines, name, value)
}

// Text answers with plain text in UTF-8. Like the other answers it panics when the
// status is not a final one, 200 to 999.
func (c *Ctx) Text(status int, text string) {
	if c.x == nil {
		c.write(status, "text/plain; charset=utf-8", []byte(text))
		return
	}
	if x := c.begin(status, "text/plain; charset=utf-8", len(text)); x != nil {
		x.out = append(x.out, text...)
	}
}

// Bytes answers with content of a media type.
func (c *Ctx) Bytes(status int, contentType string, content []byte) {
	if c.x == nil {
		c.write(status, contentType, content)
		return
	}
	if x := c.begin(status, contentType, len(content)); x != nil {
		x.out = append(x.out, content...)
	}
}

// write answers behind ServeHTTP.
func (c *Ctx) write(status int, contentType string, content []byte) {
	checkStatus(status)
	if c.answered {
		return
	}
	c.answered = true
	h := c.w.Header()
	if !c.hasType {
		c.contentType = contentType
	}
	c.setType(h)
	if bodyAllowed(status) {
		h.Set("Content-Length", strconv.Itoa(len(content)))
	}
	c.w.WriteHeader(status)
	if len(content) > 0 && bodyAllowed(status) {
		c.w.Write(content)
	}
}

func (c *Ctx) setType(h http.Header) {
	if c.contentType == "" {
		h["Content-Type"] = nil // nor is it to be told from the content
		return
	}
	h.Set("Content-Type", c.contentType)
}

func (c *Ctx) finish() {
	if !c.answered {
		c.write(http.StatusOK, "", nil)
	}
}

// begin writes the head of the answer. It returns nil when no content is to
// follow, or when the request was answered before.
func (c *Ctx) begin(status int, contentType string, length int) *exchange {
	checkStatus(status)
	if c.answered {
		return nil
	}
	c.answered = true
	if c.hasType {
		contentType = c.contentType
	}
	return c.x.begin(status, contentType, c.lines, c.hasDate, length)
}

// checkStatus refuses, as WriteHeader does, what is no status of an answer. Interim
// ones (1xx) would leave the client waiting for it.
func checkStatus(status int) {
	if status < 200 || status > 999 {
		panic(fmt.Sprintf("httpd: invalid status %d of an answer", status))
	}
}

// Static is a response that was serialised in advance, for Ctx.Static. It may be
// used by any number of requests at the same time.
type Static struct {
	status      int
	contentType string
	head, body  []byte // the head up to the fields that differ each time
}

// NewStatic serialises a response. It panics when the status is not a final one,
// 200 to 999.
func NewStatic(status int, contentType string, body []byte) *Static {
	checkStatus(status)
	s := &Static{status: status, contentType: contentType, body: slices.Clone(body)}
	s.head = appendHead(nil, 1, status, contentType, len(body))
	return s
}

// Static answers with a response that was serialised in advance.
func (c *Ctx) Static(s *Static) {
	x := c.x
	if x == nil {
		c.write(s.status, s.contentType, s.body)
		return
	}
	if x.req.Minor != 1 || x.mustEnd() || len(c.lines) > 0 || c.hasType || !bodyAllowed(s.status) {
		c.Bytes(s.status, s.contentType, s.body)
		return
	}
	if c.answered {
		return
	}
	c.answered = true
	x.out = append(x.out, s.head...)
	x.appendDate()
	x.out = append(x.out, "\r\n"...)
	if string(x.req.Method) != "HEAD" {
		x.out = append(x.out, s.body...)
	}
}

// ServeHTTP answers the request with an ordinary handler, whose header begins with
// what SetHeader was given.
func (c *Ctx) ServeHTTP(h http.Handler) {
	if c.answered {
		return
	}
	c.answered = true
	if c.x == nil {
		if c.hasType {
			c.setType(c.w.Header())
		}
		h.ServeHTTP(c.w, c.r)
		return
	}
	c.x.serveHTTP(h)
}

// handOn gives the fields that were set to an ordinary handler.
func (c *Ctx) handOn(w *response) {
	if c.hasType {
		c.setType(w.Header())
	}
	for line := range strings.Lines(string(c.lines)) {
		name, value, _ := strings.Cut(line, ":")
		w.Header().Add(name, strings.TrimSpace(value))
	}
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// appendHead appends the status line and the fields that depend on nothing else.
func appendHead(dst []byte, minor uint8, status int, contentType string, length int) []byte {
	dst = http1.AppendStatusLine(dst, minor, status, "")
	if contentType != "" && status != http.StatusNotModified {
		dst = http1.AppendContentType(dst, contentType)
	}
	if bodyAllowed(status) {
		dst = http1.AppendLength(dst, int64(length))
	}
	return dst
}

// mustEnd reports whether the response has to end the connection.
func (x *exchange) mustEnd() bool {
	if x.s.draining.Load() || x.body.spoils() {
		x.end = true
	}
	return x.end
}

// begin writes the head of an answer whose length is known. It returns nil when
// no content is to follow.
func (x *exchange) begin(status int, contentType string, lines []byte, dated bool, length int) *exchange {
	x.out = appendHead(x.out, x.req.Minor, status, contentType, length)
	x.out = append(x.out, lines...)
	if !dated {
		x.appendDate()
	}
	switch end := x.mustEnd(); {
	case end && x.req.Minor == 1:
		x.out = append(x.out, "Connection: close\r\n"...)
	case !end && x.req.Minor == 0:
		x.out = append(x.out, "Connection: keep-alive\r\n"...)
	}
	x.out = append(x.out, "\r\n"...)
	if !bodyAllowed(status) || string(x.req.Method) == "HEAD" {
		return nil
	}
	return x
}

// answer is a whole answer.
func (x *exchange) answer(status int, contentType string, content []byte) {
	if y := x.begin(status, contentType, nil, false, len(content)); y != nil {
		y.out = append(y.out, content...)
	}
}
