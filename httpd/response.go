package httpd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

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
	head      bool // a HEAD request: content is counted and dropped
	duplex    bool
	has       hasField
	err       error
	log       *slog.Logger
}

// hasField are the fields of the handler that the server would add otherwise.
type hasField struct{ contentType, date, encoding, connection, chunked bool }

func (w *response) begin(x *exchange, r *http.Request) {
	w.x, w.req, w.length, w.head, w.log = x, r, -1, r.Method == "HEAD", x.s.log
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
	if x.req.Minor == 0 {
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

// serialise writes the handler's fields: later changes have no effect.
func (w *response) serialise() {
	x := w.x
	for name, values := range w.header {
		switch name {
		case "Content-Length":
			w.declareLength(values)
			continue
		case "Transfer-Encoding":
			// The server frames; this only says that the length is not wanted.
			w.has.chunked = httpguts.HeaderValuesContainsToken(values, "chunked")
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
	if w.has.chunked {
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
	content := x.buf
	x.out = http1.AppendStatusLine(x.out, x.req.Minor, w.status, "")
	x.out = append(x.out, x.line...)
	w.frame(last, content)
	if !w.has.contentType && !w.has.encoding && len(content) > 0 && bodyAllowed(w.status) {
		x.out = http1.AppendContentType(x.out, contentType(content))
	}
	if !w.has.date {
		x.appendDate()
	}
	w.connectionField()
	x.out = append(x.out, "\r\n"...)
}

// frame decides how the client knows where the content ends (RFC 9112 6).
func (w *response) frame(last bool, content []byte) {
	x := w.x
	trailers := len(w.x.trailers) > 0 || last && w.prefixedTrailers()
	switch {
	case !bodyAllowed(w.status):
		w.length = -1
		return
	case w.length < 0 && last && !trailers && !w.has.chunked && (!w.head || len(content) > 0 || w.written > 0):
		w.length = int64(len(content))
		if w.head {
			w.length = w.written
		}
	}
	switch {
	case w.length >= 0:
		x.out = http1.AppendLength(x.out, w.length)
	case w.head:
	case x.req.Minor == 1:
		w.chunked = true
		x.out = append(x.out, "Transfer-Encoding: chunked\r\n"...)
	default:
		x.end = true // RFC 9112 6.3: the end of the connection ends it
	}
}

// connectionField says what becomes of the connection (RFC 9112 9.6).
func (w *response) connectionField() {
	x := w.x
	switch {
	case w.status == http.StatusSwitchingProtocols || w.has.connection && !x.end:
	case !w.duplex && x.mustEnd() || x.end:
		if x.req.Minor == 1 {
			x.out = append(x.out, "Connection: close\r\n"...)
		}
	case x.req.Minor == 0:
		x.out = append(x.out, "Connection: keep-alive\r\n"...)
	}
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
	if len(x.buf)+n > contentBuffer {
		if err := w.flush(false); err != nil {
			return 0, err
		}
		if n > contentBuffer {
			for rest := p[:n]; len(rest) > 0; {
				m := min(len(rest), pieceSize)
				x.buf = append(x.buf[:0], rest[:m]...)
				if err := w.flush(false); err != nil {
					return n - len(rest), err
				}
				rest = rest[m:]
			}
			return n, err
		}
	}
	x.buf = append(x.buf, p[:n]...)
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
		x.end = true
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
	if !last && !w.duplex {
		// From now on the client may take the answer for complete.
		x.body.answered()
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
	x.send()
	if !x.broken && x.c.Backlog() > maxLag {
		if err := x.c.Flush(x.patience()); err != nil {
			x.fail(err)
		}
	}
	if x.broken && w.err == nil {
		w.err = x.err
	}
	return w.err
}

// maxLag is how much may be unsent before the handler waits, in bytes.
const maxLag = 64 << 10

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

// ReadFrom implements io.ReaderFrom: a file of known length goes from the disk to
// the socket without passing through the process, where the connection can.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if w.x != nil && !w.x.hijacked && !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if f, off, n, ok := w.fileOf(src); ok {
		return w.sendFile(src, f, off, n)
	}
	buf := make([]byte, pieceSize)
	return io.CopyBuffer(struct{ io.Writer }{w}, src, buf)
}

// sendable is the least file that is worth a system call of its own, in bytes.
const sendable = 16 << 10

// fileOf finds the regular file behind a reader, and which part of it is meant.
func (w *response) fileOf(src io.Reader) (f *os.File, off, n int64, ok bool) {
	x := w.x
	if x == nil || x.hijacked || w.head || w.length < 0 || w.err != nil || !bodyAllowed(w.status) || x.s.std.TLSConfig != nil {
		return nil, 0, 0, false
	}
	n = w.length - w.written
	lr, limited := src.(*io.LimitedReader)
	if limited {
		src, n = lr.R, min(n, lr.N)
	}
	f, ok = src.(*os.File)
	if !ok || n < sendable {
		return nil, 0, 0, false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0, 0, false
	}
	off, err = f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, 0, 0, false
	}
	if !limited && info.Size()-off > n {
		return nil, 0, 0, false // more than was declared: the slow way refuses it
	}
	n = min(n, info.Size()-off)
	return f, off, n, n >= sendable
}

func (w *response) sendFile(src io.Reader, f *os.File, off, n int64) (int64, error) {
	x := w.x
	if err := w.flush(false); err != nil {
		return 0, err
	}
	sent, err := x.c.SendFile(f, off, n, x.patience())
	w.written += sent
	f.Seek(off+sent, io.SeekStart) // as if it had been read
	if lr, ok := src.(*io.LimitedReader); ok {
		lr.N -= sent
	}
	if err != nil {
		x.fail(err)
		w.err = x.err
	}
	return sent, err
}

// Hijack implements http.Hijacker.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	x := w.x
	switch {
	case x == nil:
		return nil, nil, errDone
	case x.hijacked:
		return nil, nil, http.ErrHijacked
	}
	if w.wrote {
		if err := w.flush(false); err != nil {
			return nil, nil, err
		}
	}
	x.send()
	// The unread input, body included, is the handler's from now on.
	in := x.body.takeInput(x)
	if w.req.Body != http.NoBody {
		w.req.Body = http.NoBody
	}
	x.hijacked = true
	x.h.s.open.Add(-1)
	if x.ctx.call != nil {
		x.ctx.call.ctx.unwatch()
	}
	nc, unread, err := x.c.Detach(in)
	if err != nil {
		x.hijacked = false
		x.h.s.open.Add(1)
		x.end, x.broken = true, true
		return nil, nil, fmt.Errorf("httpd: hijack: %w", err)
	}
	br := bufio.NewReader(&readAhead{nc, unread})
	if len(unread) > 0 {
		br.Peek(min(len(unread), br.Size())) // so that Buffered tells of it
	}
	return nc, bufio.NewReadWriter(br, bufio.NewWriter(nc)), nil
}

// readAhead reads what was received before the connection was hijacked, then the
// connection.
type readAhead struct {
	nc net.Conn
	b  []byte
}

func (r *readAhead) Read(p []byte) (int, error) {
	if len(r.b) > 0 {
		n := copy(p, r.b)
		r.b = r.b[n:]
		return n, nil
	}
	return r.nc.Read(p)
}

// SetReadDeadline is for http.ResponseController: the request body must be read
// by then.
func (w *response) SetReadDeadline(t time.Time) error {
	if w.x == nil {
		return errDone
	}
	w.x.body.setDeadline(t)
	return nil
}

// SetWriteDeadline is for http.ResponseController: the response must be written
// by then.
func (w *response) SetWriteDeadline(t time.Time) error {
	if w.x == nil {
		return errDone
	}
	w.x.until = t
	return nil
}

// EnableFullDuplex is for http.ResponseController: the handler may go on reading
// the request after it has begun to answer. It may in any case; this says that the
// connection is to be kept.
func (w *response) EnableFullDuplex() error {
	w.duplex = true
	return nil
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
