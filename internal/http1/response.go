package http1

// Response is the head of a response. The zero value is ready to Parse with
// default Limits, and is meant to be reused. Its slices borrow the bytes they were
// parsed from and are valid as long as those. It is used by one goroutine at a
// time.
type Response struct {
	Fields         // the header section
	Framing        // what it says about body and connection; Body decides
	Limits  Limits // read by Parse; the zero value means the defaults

	// Minor is the y of HTTP/1.y: 0 or 1. A higher one is taken for 1 (RFC 9110 2.5).
	Minor uint8
	// Status is 100 to 999.
	Status int
	// Reason is the reason phrase, which may be empty and means nothing.
	Reason []byte
}

// Parse reads one response head from the start of b. n > 0: the head took n bytes.
// n == 0 without an error: b holds no complete head; call again with more bytes
// after the same beginning and seen = the len(b) of now, or 0 at first. An error
// is always an *Error; the connection is then of no further use. What r holds has a
// meaning only after n > 0.
func (r *Response) Parse(b []byte, seen int) (n int, err error) {
	n, fault := r.parse(b, seen)
	if fault != nil {
		return 0, fault
	}
	return n, nil
}

func (r *Response) parse(b []byte, seen int) (int, *Error) {
	limit := r.Limits.maxHead()
	if len(b) > limit {
		b = b[:limit]
	}
	n, err := r.head(b, min(seen, len(b)))
	if n == 0 && err == nil && len(b) == limit {
		return 0, ErrHeadTooLarge
	}
	return n, err
}

func (r *Response) head(b []byte, seen int) (int, *Error) {
	if seen > 0 {
		if ends, err := headEnds(r, b, seen); !ends {
			return 0, err
		}
	}
	i, err := r.startLine(b)
	if i > 0 {
		i, err = r.Fields.parse(b, i, r.Limits.maxFields())
	}
	if i == 0 {
		r.Fields.reset()
		return 0, err
	}
	return i, r.interpret()
}

// startLine reads the status line. The SP before an empty reason phrase may be
// missing, because some servers leave it out.
//
//	status-line = HTTP-version SP status-code SP [ reason-phrase ] CRLF
func (r *Response) startLine(b []byte) (int, *Error) {
	const reason = len("HTTP/1.1 200")
	if len(b) <= reason || b[8] != ' ' || b[9] == '0' || !digit(b[9]) || !digit(b[10]) || !digit(b[11]) {
		return 0, statusLineFault(b)
	}
	if c := b[reason]; c != ' ' && c != '\r' && c != '\n' {
		return 0, statusLineFault(b)
	}
	minor, err := parseVersion(b[:8])
	if err != nil {
		return 0, statusLineFault(b)
	}
	i := scanValue(b, reason)
	if !crlfAt(b, i) {
		return 0, lineFault(b, i, ErrBadStatusLine)
	}
	r.Minor = minor
	r.Status = int(b[9]-'0')*100 + int(b[10]-'0')*10 + int(b[11]-'0')
	r.Reason = trim(b[reason:i:i])
	return i + 2, nil
}

// statusLineFault says what is wrong with the line at the start of b; nil while it
// is incomplete.
func statusLineFault(b []byte) *Error {
	if i := len("HTTP/2.0"); len(b) > i && b[i] == ' ' {
		if _, err := parseVersion(b[:i]); err == ErrVersion {
			return wholeLineFault(b, 0, ErrVersion)
		}
	}
	return wholeLineFault(b, 0, ErrBadStatusLine)
}

// interpret decides what the header section means.
func (r *Response) interpret() *Error {
	r.Framing = Framing{ContentLength: -1}
	f := framer{Framing: &r.Framing, minor: r.Minor}
	for i := range r.spans {
		s := &r.spans[i]
		if uint64(1)<<(s.nameEnd-s.nameStart)&knownLengths == 0 {
			continue
		}
		if err := f.field(knownField(r.Name(i)), r.Value(i)); err != nil {
			return err
		}
	}
	return f.finish()
}

// Body is the reader of the body that follows the head when the response answers a
// request of that method (RFC 9112 6.3): none (to HEAD, 1xx, 204, 304, 2xx to
// CONNECT), chunked, of Content-Length bytes, or all until the connection closes.
func (r *Response) Body(method string) Body {
	switch {
	case method == "HEAD", r.Status < 200, r.Status == 204, r.Status == 304:
		return Body{}
	case method == "CONNECT" && r.Status < 300:
		return Body{} // what follows is the tunnel
	case r.Chunked:
		return ChunkedBody(r.Limits)
	case r.ContentLength >= 0:
		return LengthBody(r.ContentLength)
	}
	return UntilCloseBody()
}
