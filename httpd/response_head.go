package httpd

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/burrownet/burrow/internal/http1"
)

// The head of a response: the handler's fields, and what the server adds to them.

// serialise writes the handler's fields: later changes have no effect.
func (w *response) serialise() {
	x := w.x
	for name, values := range w.header {
		switch name {
		case "Content-Length":
			w.declareLength(values)
			continue
		case "Transfer-Encoding":
			// The server frames; this only says that the length is not wanted, or, as
			// "identity", that the end of the connection is to end the content.
			w.has.coding = len(values) > 0 && values[0] != ""
			w.has.identity = w.has.coding && values[0] == "identity"
			continue
		case "Connection":
			if w.connection(values) {
				continue
			}
		case "Content-Type":
			w.has.contentType = true
			if w.status == http.StatusNotModified {
				continue
			}
		case "Date":
			w.has.date = true
		case "Content-Encoding":
			w.has.encoding = len(values) > 0 && values[0] != ""
		case "Trailer":
			w.declareTrailers(values)
		default:
			if strings.HasPrefix(name, http.TrailerPrefix) {
				continue
			}
		}
		for _, v := range values {
			x.line = http1.AppendField(x.line, name, v)
		}
	}
	if w.has.coding && !w.has.identity {
		w.length = -1 // RFC 9112 6.2: never both
	}
	if len(w.x.trailers) > 0 {
		w.dropTrailers()
	}
}

// dropTrailers serialises again, without the fields that belong in the trailer
// section: they were declared after they had been written.
func (w *response) dropTrailers() {
	early := false
	for _, name := range w.x.trailers {
		if _, ok := w.header[name]; ok {
			early = true
		}
	}
	if !early {
		return
	}
	all := w.header
	w.header = all.Clone()
	for _, name := range w.x.trailers {
		delete(w.header, name)
	}
	declared := w.x.trailers
	w.x.trailers = nil
	w.x.line = w.x.line[:0]
	trailer := w.header["Trailer"]
	delete(w.header, "Trailer")
	w.serialise()
	for _, v := range trailer {
		w.x.line = http1.AppendField(w.x.line, "Trailer", v)
	}
	w.header, w.x.trailers = all, declared
}

func (w *response) declareTrailers(values []string) {
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if httpguts.ValidTrailerHeader(name) {
				w.x.trailers = append(w.x.trailers, name)
			}
		}
	}
}

func (w *response) declareLength(values []string) {
	if len(values) == 0 {
		return
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || n < 0 {
		w.complain("invalid Content-Length of " + strconv.Quote(values[0]))
		return
	}
	w.length = n
}

// connection works off the handler's Connection field; it reports whether the
// server says it itself.
func (w *response) connection(values []string) bool {
	if httpguts.HeaderValuesContainsToken(values, "close") {
		w.x.end = true
		return true
	}
	if httpguts.HeaderValuesContainsToken(values, "keep-alive") && !httpguts.HeaderValuesContainsToken(values, "upgrade") {
		return true
	}
	w.has.connection = true
	return false
}

// commit writes the head. last says that no more content follows what is gathered.
func (w *response) commit(last bool) {
	x := w.x
	w.committed = true
	if x.broken {
		return
	}
	if x.body.answered() {
		// RFC 9110 10.1.1: a client that was not told to continue may or may not send
		// the body: nobody knows where the next request begins.
		x.end = true
	}
	content := x.buf
	x.out = http1.AppendStatusLine(x.out, w.minor, w.status, "")
	x.out = append(x.out, x.line...)
	w.frame(last, content)
	if len(content) > 0 && w.sniffs() {
		x.out = http1.AppendContentType(x.out, contentType(content))
	}
	if !w.has.date {
		x.appendDate()
	}
	w.connectionField()
	x.out = append(x.out, "\r\n"...)
}

// sniffs reports whether the content tells its type.
func (w *response) sniffs() bool {
	return !w.has.contentType && !w.has.encoding && !w.has.coding && bodyAllowed(w.status)
}

// frame decides how the client knows where the content ends (RFC 9112 6).
func (w *response) frame(last bool, content []byte) {
	x := w.x
	trailers := len(w.x.trailers) > 0 || last && w.prefixedTrailers()
	switch {
	case !bodyAllowed(w.status):
		w.length = -1
		return
	case w.length < 0 && last && !trailers && !w.has.coding && (!w.head || len(content) > 0 || w.written > 0):
		w.length = int64(len(content))
		if w.head {
			w.length = w.written
		}
	}
	switch {
	case w.length >= 0:
		x.out = http1.AppendLength(x.out, w.length)
	case w.head:
	case w.minor == 1 && !w.has.identity:
		w.chunked = true
		x.out = append(x.out, "Transfer-Encoding: chunked\r\n"...)
	default:
		x.end = true // RFC 9112 6.3: the end of the connection ends the content
	}
}

// connectionField says what becomes of the connection (RFC 9112 9.6).
func (w *response) connectionField() {
	x := w.x
	switch {
	case w.status == http.StatusSwitchingProtocols:
	case x.end || x.body.failed() || !w.duplex && x.mustEnd():
		if w.minor == 1 {
			x.out = append(x.out, "Connection: close\r\n"...)
		}
	case w.has.connection:
	case w.minor == 0:
		x.out = append(x.out, "Connection: keep-alive\r\n"...)
	}
}

func (w *response) prefixedTrailers() bool {
	for name := range w.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// appendTrailers writes the trailer section (RFC 9112 7.1.2).
func (w *response) appendTrailers() {
	x := w.x
	add := func(name string, values []string) {
		for _, v := range values {
			x.out = http1.AppendField(x.out, name, v)
		}
	}
	for name, values := range w.header {
		if t, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			add(t, values)
		} else if slices.Contains(w.x.trailers, name) {
			add(name, values)
		}
	}
}
