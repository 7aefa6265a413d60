package httpd

import (
	"net/http"
	"strconv"
	"time"

	"github.com/burrownet/burrow/internal/http1"
)

// The answers that need no request.
var (
	notTLS         = plainAnswer(400, "Client sent an HTTP request to an HTTPS server: use https:// instead of http://.")
	tooManyConns   = plainAnswer(503, "There are too many connections; try again later.")
	requestTimeout = plainAnswer(408, "The request took too long to arrive.")
)

// plainAnswer is a whole response that ends its connection.
func plainAnswer(status int, text string) []byte {
	b := http1.AppendStatusLine(nil, 1, status, "")
	if status == 503 {
		b = http1.AppendField(b, "Retry-After", "5")
	}
	b = append(b, "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"...)
	b = http1.AppendLength(b, int64(len(text))+1)
	return append(append(append(b, "\r\n"...), text...), '\n')
}

// refuse answers a request that breaks a rule, and ends the connection: nobody
// knows where a next request would begin.
func (x *exchange) refuse(e *http1.Error) {
	x.end, x.polite = true, true
	x.out = append(x.out, plainAnswer(e.Status, strconv.Itoa(e.Status)+" "+http1.StatusText(e.Status)+": "+e.Reason)...)
	x.in = nil
}

// answerError is refuse for a request that is well formed.
func (x *exchange) answerError(status int, text string) {
	x.refuse(&http1.Error{Status: status, Reason: text})
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
