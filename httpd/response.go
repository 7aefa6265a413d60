package httpd

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"

	"github.com/burrownet/burrow/internal/http1"
)

// response is the http.ResponseWriter of an ordinary handler. It gathers what is
// written until it knows the length, or there is too much; then it goes out in
// chunks. As with net/http, its methods are not safe for concurrent use.
//
//	WriteHeader: the handler's fields are serialised (exchange.line)
//	Write:       content is gathered (exchange.buf)
//	commit:      status line, fields and what the server adds -> exchange.out
//	flush:       content -> exchange.out, as chunks where the length is not known
type response struct {
	x      *exchange // nil once the handler has returned
	req    *http.Request
	header http.Header

	status    int
	length    int64 // declared by the handler; -1: not
	written   int64
	wrote     bool // WriteHeader
	committed bool // the head is on its way
	chunked   bool
	head      bool  // a HEAD request: content is counted and dropped
	minor     uint8 // of the request's version; its head moves while the body is read
	duplex    bool
	has       hasField
	err       error
	log       *slog.Logger
}

// hasField are the fields of the handler that the server would add otherwise.
type hasField struct{ contentType, date, encoding, connection, coding, identity bool }

func (w *response) begin(x *exchange, r *http.Request) {
	w.x, w.req, w.length, w.head, w.log = x, r, -1, r.Method == "HEAD", x.s.log
	w.minor = x.req.Minor
	x.trailers = nil
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

var errDone = errors.New("httpd: write: the handler has returned")

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	x := w.x
	switch {
	case x == nil || x.hijacked:
		w.complain("WriteHeader on a connection that was hijacked or answered")
		return
	case w.wrote:
		w.complain("superfluous WriteHeader call")
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("httpd: invalid WriteHeader code %d", status))
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.inform(status)
		return
	}
	w.wrote, w.status = true, status
	x.line = x.line[:0]
	w.serialise()
}

// inform sends a 1xx response at once (RFC 9110 15.2).
func (w *response) inform(status int) {
	x := w.x
	if w.minor == 0 {
		return // RFC 9110 15.2: never to an HTTP/1.0 client
	}
	if status == http.StatusContinue {
		if !x.body.answered() {
			return // it was sent, or nobody waits for it
		}
	}
	x.out = http1.AppendStatusLine(x.out, 1, status, "")
	for name, values := range w.header {
		if name == "Content-Length" || name == "Transfer-Encoding" {
			continue // RFC 9110 8.6, RFC 9112 6.1
		}
		for _, v := range values {
			x.out = http1.AppendField(x.out, name, v)
		}
	}
	x.out = append(x.out, "\r\n"...)
	x.send()
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) { return write(w, p) }

// WriteString implements io.StringWriter.
func (w *response) WriteString(s string) (int, error) { return write(w, s) }

func write[T []byte | string](w *response, p T) (int, error) {
	n, err := w.admit(len(p))
	if n == 0 {
		return n, err
	}
	x := w.x
	if w.head {
		// Its beginning tells the Content-Type; it is dropped in flush.
		x.buf = append(x.buf, p[:min(n, max(sniffLen-len(x.buf), 0))]...)
		return n, err
	}
	// Even the first piece is gathered before it leaves: commit looks at it.
	rest := p[:n]
	for len(x.buf)+len(rest) > contentBuffer {
		m := min(len(rest), pieceSize-len(x.buf))
		x.buf = append(x.buf, rest[:m]...)
		if err := w.flush(false); err != nil {
			return n - len(rest), err
		}
		rest = rest[m:]
	}
	x.buf = append(x.buf, rest...)
	return n, err
}

// pieceSize is how much content goes to the engine at once, in bytes.
const pieceSize = 32 << 10

// admit checks that n more bytes of content may be written; it returns how many.
func (w *response) admit(n int) (int, error) {
	x := w.x
	switch {
	case x == nil:
		return 0, errDone
	case x.hijacked:
		return 0, http.ErrHijacked
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if n == 0 {
		return 0, nil
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if w.err != nil {
		return 0, w.err
	}
	if w.length >= 0 && !(w.head && !w.wrote) && w.written+int64(n) > w.length {
		w.written += int64(n)
		x.end = x.end || !w.head // without content nothing is out of step
		return 0, http.ErrContentLength
	}
	w.written += int64(n)
	return n, nil
}

// flush sends the head, if it was not, and the gathered content. last says that
// no more follows.
func (w *response) flush(last bool) error {
	x := w.x
	if !w.committed {
		w.commit(last)
	}
	switch {
	case len(x.buf) == 0 || w.head:
	case w.chunked:
		x.out = http1.AppendChunk(x.out, x.buf)
	default:
		x.out = append(x.out, x.buf...)
	}
	x.buf = x.buf[:0]
	if last {
		return nil
	}
	return w.push()
}

// push hands the answer to the engine and waits while the client lags behind.
func (w *response) push() error {
	x := w.x
	x.pace()
	if x.broken && w.err == nil {
		w.err = x.err
	}
	return w.err
}

// FlushError sends what was written so far; see http.ResponseController.
func (w *response) FlushError() error {
	x := w.x
	switch {
	case x == nil:
		return errDone
	case x.hijacked:
		return http.ErrHijacked
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.flush(false)
}

// Flush implements http.Flusher.
func (w *response) Flush() { w.FlushError() }

// finish completes the response when the handler has returned.
func (w *response) finish() {
	x := w.x
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if !w.committed && !w.duplex {
		x.body.discard() // so that the head can tell what becomes of the connection
	}
	w.flush(true)
	if w.chunked {
		x.out = http1.AppendLastChunk(x.out)
		w.appendTrailers()
		x.out = append(x.out, "\r\n"...)
	}
	if w.length >= 0 && w.written != w.length && !w.head && bodyAllowed(w.status) {
		x.end = true // the client waits for more, or has got too much
	}
	if w.status == http.StatusSwitchingProtocols {
		x.end = true // the handler has switched to nothing
	}
	if w.duplex {
		x.send() // a Read that goes on must not hold it back
	}
}

// complain logs a mistake of the handler, with the place where it was made.
func (w *response) complain(what string) {
	at := "?"
	for skip := 1; skip < 10; skip++ {
		pc, file, line, ok := runtime.Caller(skip)
		if !ok {
			break
		}
		at = file + ":" + strconv.Itoa(line)
		if f := runtime.FuncForPC(pc); f != nil && !strings.Contains(f.Name(), "httpd.(*response)") && !strings.Contains(f.Name(), "httpd.write") {
			break
		}
	}
	w.log.Warn("httpd: "+what, "op", w.req.Method, "path", w.req.URL.Path, "at", at)
}
