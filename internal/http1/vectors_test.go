package http1

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/burrownet/burrow/internal/wiretest"
)

// The vectors are documents: each archive in testdata is about one rule, and its
// events are what a reader of the standard expects.

func TestRequestVectors(t *testing.T) {
	t.Parallel()
	runVectors(t, "testdata/request/*.txtar", requestEvents)
}

func TestResponseVectors(t *testing.T) {
	t.Parallel()
	runVectors(t, "testdata/response/*.txtar", responseEvents)
}

func TestBodyVectors(t *testing.T) {
	t.Parallel()
	runVectors(t, "testdata/body/*.txtar", bodyEvents)
}

func runVectors(t *testing.T, pattern string, events func(v wiretest.Vector, pieces iter.Seq[[]byte]) string) {
	for _, v := range wiretest.Vectors(t, pattern) {
		t.Run(v.Name, func(t *testing.T) {
			v.Check(t, wiretest.Feed(t, v.Input, func(pieces iter.Seq[[]byte]) string { return events(v, pieces) }))
		})
	}
}

// stream is the input of one connection as a driver keeps it: what was received and
// not used.
type stream struct {
	next   func() ([]byte, bool)
	unused []byte
}

// more receives the next piece; false when the input has ended.
func (s *stream) more() bool {
	piece, ok := s.next()
	// As a driver would: the unused bytes move, so nothing may point at the old ones.
	s.unused = append(append(make([]byte, 0, len(s.unused)+len(piece)), s.unused...), piece...)
	return ok
}

// head parses one head; false when there is none.
func (s *stream) head(log *strings.Builder, parse func(b []byte, seen int) (int, error)) bool {
	for seen := 0; ; {
		n, err := parse(s.unused, seen)
		switch {
		case err != nil:
			logError(log, err)
			return false
		case n > 0:
			s.unused = s.unused[n:]
			return true
		}
		seen = len(s.unused)
		if !s.more() {
			if seen > 0 {
				fmt.Fprintf(log, "incomplete head\n")
			}
			return false
		}
	}
}

// body reads one body; false when it does not end well.
func (s *stream) body(log *strings.Builder, d Body) bool {
	var content []byte
	defer func() {
		if f := d.Trailer(); f != nil {
			logFields(log, "trailer", f)
		}
	}()
	for {
		data, n, err := d.Next(s.unused)
		content = append(content, data...)
		s.unused = s.unused[n:]
		switch {
		case err == io.EOF:
			if !d.Done() || d.Close() != nil {
				fmt.Fprintf(log, "not done after EOF\n")
			}
			fmt.Fprintf(log, "body %q\n", content)
			return true
		case err != nil:
			if d.Done() || d.Close() == nil {
				fmt.Fprintf(log, "done after an error\n")
			}
			fmt.Fprintf(log, "body %q\n", content)
			logError(log, err)
			return false
		case n > 0:
		case !s.more():
			fmt.Fprintf(log, "body %q\n", content)
			if err := d.Close(); err != nil {
				fmt.Fprintf(log, "%v\n", err)
			}
			return d.Done()
		}
	}
}

func logError(log *strings.Builder, err error) {
	var e *Error
	if !errors.As(err, &e) {
		fmt.Fprintf(log, "error of type %T: %v\n", err, err)
		return
	}
	fmt.Fprintf(log, "error %d: %s (%s)\n", e.Status, e.Reason, e.Rule)
}

func logFields(log *strings.Builder, what string, f *Fields) {
	for i := range f.Len() {
		fmt.Fprintf(log, "%s %s: %q\n", what, f.Name(i), f.Value(i))
	}
}

func logFraming(log *strings.Builder, m *Framing, more ...string) {
	s := more
	if m.ContentLength >= 0 {
		s = append(s, fmt.Sprint("length=", m.ContentLength))
	}
	for _, flag := range []struct {
		name string
		set  bool
	}{
		{"chunked", m.Chunked},
		{"close", m.Close},
		{"keep-alive-1.0", m.KeepAlive10},
		{"upgrade", m.Upgrade},
		{"trailer-declared", m.TrailerDeclared},
	} {
		if flag.set {
			s = append(s, flag.name)
		}
	}
	if len(s) > 0 {
		fmt.Fprintf(log, "framing %s\n", strings.Join(s, " "))
	}
}

// requestEvents reads the requests of a connection until it ends or fails.
func requestEvents(_ wiretest.Vector, pieces iter.Seq[[]byte]) string {
	next, stop := iter.Pull(pieces)
	defer stop()
	s := stream{next: next}
	var log strings.Builder
	var r Request
	for s.head(&log, r.Parse) {
		logRequest(&log, &r)
		if !s.body(&log, r.Body()) {
			break
		}
	}
	return log.String()
}

func logRequest(log *strings.Builder, r *Request) {
	fmt.Fprintf(log, "request %s %s HTTP/1.%d\n", r.Method, r.Target, r.Minor)
	fmt.Fprintf(log, "%v host=%q path=%q", r.Form, r.Host, r.Path)
	if r.HasQuery || len(r.Query) > 0 {
		fmt.Fprintf(log, " query=%q", r.Query)
	}
	if len(r.Scheme) > 0 {
		fmt.Fprintf(log, " scheme=%q", r.Scheme)
	}
	log.WriteByte('\n')
	logFields(log, "field", &r.Fields)
	if r.ExpectContinue {
		logFraming(log, &r.Framing, "expect-continue")
	} else {
		logFraming(log, &r.Framing)
	}
}

// responseEvents reads the responses to a request of the method given, until the
// final one.
func responseEvents(v wiretest.Vector, pieces iter.Seq[[]byte]) string {
	next, stop := iter.Pull(pieces)
	defer stop()
	s := stream{next: next}
	method := v.Params["method"]
	if method == "" {
		method = "GET"
	}
	var log strings.Builder
	var r Response
	for s.head(&log, r.Parse) {
		fmt.Fprintf(&log, "response HTTP/1.%d %d %q\n", r.Minor, r.Status, r.Reason)
		logFields(&log, "field", &r.Fields)
		logFraming(&log, &r.Framing)
		if !s.body(&log, r.Body(method)) || r.Status == 101 || method == "CONNECT" {
			break
		}
	}
	if r.Status == 101 || method == "CONNECT" {
		for s.more() {
		}
		fmt.Fprintf(&log, "left %q\n", s.unused)
	}
	return log.String()
}

// bodyEvents reads one chunked body.
func bodyEvents(_ wiretest.Vector, pieces iter.Seq[[]byte]) string {
	next, stop := iter.Pull(pieces)
	defer stop()
	s := stream{next: next}
	var log strings.Builder
	if s.body(&log, ChunkedBody(Limits{MaxHead: 100, MaxFields: 3})) {
		for s.more() {
		}
		if len(s.unused) > 0 {
			fmt.Fprintf(&log, "left %q\n", s.unused)
		}
	}
	return log.String()
}
