package httpd

import (
	"bytes"
	"net/http"

	"github.com/burrownet/burrow/engine"
)

// UnhandledLogger is a Server's Handler that is told of the requests which the
// server has answered by itself, so that a log of requests can be complete.
// LogUnhandled may be called concurrently, and must not block.
//
// That are requests that break a rule or a limit, those that did not arrive in time,
// connections beyond MaxConns, and "OPTIONS *". It does not hear of what fails before
// there is HTTP (a TLS handshake), nor of what an HTTP/2 connection refuses.
type UnhandledLogger interface {
	http.Handler
	LogUnhandled(u Unhandled)
}

var _ UnhandledLogger = (*AccessLog)(nil)

// Unhandled is a request that the server has answered by itself.
type Unhandled struct {
	// RemoteAddr is the peer's address, as in http.Request.
	RemoteAddr string
	// Method, Target and Proto are what the client has sent as such, valid or not: cut
	// off where it is long, and empty where there is nothing.
	Method, Target, Proto string
	// Status of the answer.
	Status int
	// Bytes of content in the answer.
	Bytes int64
}

// unhandled takes down what has arrived of a request.
func (s *serving) unhandled(c *engine.Conn, request []byte, status int) Unhandled {
	u := Unhandled{Status: status}
	line, _, _ := bytes.Cut(bytes.TrimPrefix(request, []byte("\r\n")), []byte("\n"))
	line = bytes.TrimSuffix(line[:min(len(line), 2*maxLogField)], []byte("\r"))
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, proto := rest, []byte(nil)
	if i := bytes.LastIndexByte(rest, ' '); i >= 0 {
		target, proto = rest[:i], rest[i+1:]
	}
	u.Method, u.Target, u.Proto = string(method), string(target), string(proto)
	if s.unhandledLog != nil {
		u.RemoteAddr = string(s.appendRemote(nil, c))
	}
	return u
}

func (s *serving) tell(u Unhandled) {
	if s.unhandledLog != nil {
		s.unhandledLog.LogUnhandled(u)
	}
}
