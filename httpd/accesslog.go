package httpd

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/unwrap"
)

// AccessLog wraps a handler and writes one line per request when the handler
// has returned:
//
//	2026-11-23T10:31:02.125Z 192.0.2.7 GET /a%20b?x=1 HTTP/1.1 200 5120 1.37ms
//
// that is: when the request arrived (UTC), peer address, method, target,
// version, status, bytes of body sent, time taken. A handler that took the
// connection over (Hijack, Upgrade) has status 101, one that panicked before it
// answered 500. As the Handler of a Server it also writes a line for each request
// that the server has answered by itself (UnhandledLogger); what did not arrive is
// "-" there. What the client wrote cannot forge a line, a field or a colour: bytes
// other than visible ASCII, and the backslash, are written \xNN.
//
// Handler is required. Set the fields before the first request; ServeHTTP may
// then be called from any number of goroutines.
type AccessLog struct {
	// Handler answers the requests.
	Handler http.Handler

	// Out takes the lines: one Write each, never two at a time. nil: no lines.
	Out io.Writer

	// Color marks the status by its class with ANSI escape codes.
	Color bool

	mu sync.Mutex // holds Out
}

// ServeHTTP calls Handler with a ResponseWriter that counts and that keeps what
// the server's one can do: it is an io.ReaderFrom, an http.Flusher and an
// http.Hijacker, can be upgraded where that one can, and unwraps for
// http.ResponseController.
func (l *AccessLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.Out == nil {
		l.Handler.ServeHTTP(w, r)
		return
	}
	up, upgrades := unwrap.Find[upgrader](w)
	uw := &upgradingWriter{countingWriter{ResponseWriter: w, head: r.Method == http.MethodHead}, up}
	cw := &uw.countingWriter
	w = cw
	if upgrades {
		w = uw
	}
	// The handler may change the request's URL and method.
	line := accessLine{start: time.Now(), peer: r.RemoteAddr, method: r.Method, target: r.RequestURI, proto: r.Proto}
	if line.target == "" {
		line.target = r.URL.RequestURI()
	}
	returned := false
	defer func() {
		line.status, line.bytes, line.took = cw.status, cw.bytes, time.Since(line.start)
		if line.status == 0 {
			line.status = http.StatusOK
			if !returned {
				line.status = http.StatusInternalServerError
			}
		}
		l.write(&line)
	}()
	l.Handler.ServeHTTP(w, r)
	returned = true
}

// LogUnhandled writes the line of a request that did not come to Handler.
func (l *AccessLog) LogUnhandled(u Unhandled) {
	if l.Out == nil {
		return
	}
	l.write(&accessLine{start: time.Now(), peer: u.RemoteAddr, method: u.Method, target: u.Target, proto: u.Proto, status: u.Status, bytes: u.Bytes})
}

// accessLine is what one line tells.
type accessLine struct {
	start                       time.Time
	peer, method, target, proto string
	status                      int
	bytes                       int64
	took                        time.Duration
}

// maxLogField bounds what one request can add to the log, in bytes of each of method,
// target and version.
const maxLogField = 2048

var accessBuffers = sync.Pool{New: func() any { return new([]byte) }}

func (l *AccessLog) write(line *accessLine) {
	buffer := accessBuffers.Get().(*[]byte)
	*buffer = line.append((*buffer)[:0], l.Color)
	l.mu.Lock()
	_, _ = l.Out.Write(*buffer) // a log that cannot be written has nowhere to say so
	l.mu.Unlock()
	accessBuffers.Put(buffer)
}

func (a *accessLine) append(b []byte, color bool) []byte {
	b = a.start.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, ' ')
	b = appendField(b, peerHost(a.peer))
	b = append(b, ' ')
	b = appendField(b, a.method)
	b = append(b, ' ')
	b = appendField(b, a.target)
	b = append(b, ' ')
	b = appendField(b, a.proto)
	b = append(b, ' ')
	if color {
		b = append(b, statusColor(a.status)...)
	}
	b = strconv.AppendInt(b, int64(a.status), 10)
	if color {
		b = append(b, "\x1b[0m"...)
	}
	b = append(b, ' ')
	b = strconv.AppendInt(b, a.bytes, 10)
	b = append(b, ' ')
	b = append(b, roundDuration(a.took).String()...)
	return append(b, '\n')
}

// peerHost drops the port, which tells nothing and makes grouping hard.
func peerHost(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// appendField writes s so that it is one field: visible ASCII is kept, "" is
// written "-", and more than maxLogField bytes end in "...".
func appendField(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	if len(s) > maxLogField {
		return append(appendField(b, s[:maxLogField]), "..."...)
	}
	const hex = "0123456789abcdef"
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || c == '\\' {
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
			continue
		}
		b = append(b, c)
	}
	return b
}

// statusColor is the ANSI escape code of a status' class.
func statusColor(status int) string {
	switch {
	case status >= 500:
		return "\x1b[31m"
	case status >= 400:
		return "\x1b[33m"
	case status >= 300:
		return "\x1b[36m"
	}
	return "\x1b[32m"
}

// roundDuration keeps about three digits.
func roundDuration(d time.Duration) time.Duration {
	for limit := time.Duration(1000); ; limit *= 10 {
		if d < limit || limit >= time.Duration(1e15) {
			return d.Round(limit / 1000)
		}
	}
}

// countingWriter counts body bytes and remembers the final status.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
	head   bool // answering HEAD: no body is sent, whatever is written
}

// Unwrap lets http.ResponseController find the server's writer.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *countingWriter) WriteHeader(status int) {
	// RFC 9110 15.2: an informational status is not the answer, save 101.
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.count(int64(n))
	return n, err
}

// ReadFrom forwards to the server's writer, which may use sendfile.
func (w *countingWriter) ReadFrom(r io.Reader) (int64, error) {
	var n int64
	var err error
	// Not io.Copy first: it would hand the writer a file in disguise.
	if inner, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		n, err = inner.ReadFrom(r)
	} else {
		n, err = io.Copy(w.ResponseWriter, r)
	}
	if n > 0 { // nothing begins no answer
		w.count(n)
	}
	return n, err
}

func (w *countingWriter) count(n int64) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if !w.head {
		w.bytes += n
	}
}

// Flush implements http.Flusher.
func (w *countingWriter) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *countingWriter) FlushError() error {
	if w.status == 0 {
		w.status = http.StatusOK // flushing sends the head
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker.
func (w *countingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, buffered, err
}

// upgrader is the ResponseWriter of a Server, for HTTP/1.
type upgrader interface {
	Upgrade(p engine.Protocol) (*engine.Conn, error)
}

// upgradingWriter is the countingWriter of a ResponseWriter that can be upgraded.
type upgradingWriter struct {
	countingWriter
	upgrader upgrader
}

// Upgrade has p take the place of HTTP.
func (w *upgradingWriter) Upgrade(p engine.Protocol) (*engine.Conn, error) {
	c, err := w.upgrader.Upgrade(p)
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return c, err
}
