package httpd

import (
	"net/http"
	"strconv"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/http1"
)

// notTLS goes out before there is HTTP, and so without a Date.
var notTLS = appendRefusal(nil, 400, "Client sent an HTTP request to an HTTPS server: use https:// instead of http://.", "", nil)

// appendRefusal appends a whole answer that ends its connection. date is the line of
// that field.
func appendRefusal(b []byte, status int, text, method string, date []byte) []byte {
	b = http1.AppendStatusLine(b, 1, status, "")
	if status == http.StatusServiceUnavailable {
		b = http1.AppendField(b, "Retry-After", "5")
	}
	b = append(b, "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"...)
	b = http1.AppendLength(b, int64(len(text))+1)
	b = append(append(b, date...), "\r\n"...)
	if method == http.MethodHead {
		return b // RFC 9110 9.3.2
	}
	return append(append(b, text...), '\n')
}

// refusal is the answer to what has arrived of a request that is refused.
func (s *serving) refusal(c *engine.Conn, request []byte, status int, text string) []byte {
	u := s.unhandled(c, request, status)
	b := appendRefusal(nil, status, text, u.Method, s.dateAt(c.Now()).line)
	if u.Method != http.MethodHead {
		u.Bytes = int64(len(text)) + 1
	}
	s.tell(u)
	return b
}

// refuse answers a request that breaks a rule, and ends the connection: nobody
// knows where a next request would begin.
func (x *exchange) refuse(request []byte, e *http1.Error) {
	x.end, x.polite = true, true
	text := strconv.Itoa(e.Status) + " " + http1.StatusText(e.Status) + ": " + e.Reason
	x.out = append(x.out, x.s.refusal(x.c, request, e.Status, text)...)
	x.in = nil
}

// answerError is refuse for a request that is well formed.
func (x *exchange) answerError(status int, text string) {
	x.refuse(x.head, &http1.Error{Status: status, Reason: text})
	x.body.abandon()
}

// dateLine is a Date field and the second it is right for.
type dateLine struct {
	unix int64
	line []byte
}

// appendDate appends the Date field (RFC 9110 6.6.1). On the loop the time is when
// it woke, for all that it answers then.
func (x *exchange) appendDate() {
	d := x.date
	if d == nil || !x.c.OnLoop() {
		d = x.s.dateAt(x.c.Now())
		x.date = d
	}
	x.out = append(x.out, d.line...)
}

func (s *serving) dateAt(now time.Time) *dateLine {
	d := s.date.Load()
	if sec := now.Unix(); d == nil || d.unix != sec {
		d = &dateLine{unix: sec, line: []byte("Date: " + now.UTC().Format(http.TimeFormat) + "\r\n")}
		s.date.Store(d)
	}
	return d
}
