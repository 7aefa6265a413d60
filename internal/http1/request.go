package http1

import "encoding/binary"

// TargetForm is the form of a request target (RFC 9112 3.2).
type TargetForm uint8

// The forms of a request target.
const (
	Origin    TargetForm = iota // "/path?query"
	Absolute                    // "http://host/path?query"
	Authority                   // "host:port", for CONNECT only
	Asterisk                    // "*", for OPTIONS
)

// String is the name RFC 9112 gives the form.
func (f TargetForm) String() string {
	switch f {
	case Origin:
		return "origin-form"
	case Absolute:
		return "absolute-form"
	case Authority:
		return "authority-form"
	}
	return "asterisk-form"
}

// Request is the head of a request. The zero value is ready to Parse with default
// Limits, and is meant to be reused. Its slices borrow the bytes they were parsed
// from and are valid as long as those. It is used by one goroutine at a time.
type Request struct {
	Fields         // the header section
	Framing        // what it says about body and connection
	Limits  Limits // read by Parse; the zero value means the defaults

	// Method is a token, case as sent.
	Method []byte
	// Target is the request target as sent.
	Target []byte
	// Minor is the y of HTTP/1.y: 0 or 1. A higher one is taken for 1 (RFC 9110 2.5).
	Minor uint8
	// Form is the form of Target, which decides the fields below.
	Form TargetForm
	// Path is raw, not unescaped: from the "/" of Origin and Absolute form (empty if
	// the URI of the latter has none), "*" for Asterisk, empty for Authority.
	// Each "%" in it is followed by two hex digits.
	Path []byte
	// Query is raw, what follows the "?".
	Query []byte
	// HasQuery tells an empty query ("/?") from none ("/").
	HasQuery bool
	// Scheme is that of Absolute form, case as sent; empty otherwise.
	Scheme []byte
	// Host is the one that counts, host[:port]: that of an Absolute or Authority form
	// target, else that of the Host field (RFC 9112 3.2.2, 7.2). It can be empty: for
	// HTTP/1.0, or if the client says there is none.
	Host []byte
	// ExpectContinue says that the client waits for a 100 (Continue).
	ExpectContinue bool
}

// Parse reads one request head from the start of b. n > 0: the head took n bytes.
// n == 0 without an error: b holds no complete head; call again with more bytes
// after the same beginning and seen = the len(b) of now, or 0 at first. An error
// is always an *Error; the connection is then of no further use but to answer.
// What r holds has a meaning only after n > 0.
func (r *Request) Parse(b []byte, seen int) (n int, err error) {
	n, fault := r.parse(b, seen)
	if fault != nil {
		return 0, fault
	}
	return n, nil
}

func (r *Request) parse(b []byte, seen int) (int, *Error) {
	limit := r.Limits.maxHead()
	if len(b) > limit {
		b = b[:limit]
	}
	n, err := r.head(b, min(seen, len(b)))
	if n == 0 && err == nil && len(b) == limit {
		if next, _ := r.startLine(b); next == 0 {
			return 0, ErrTargetTooLong
		}
		return 0, ErrHeadTooLarge
	}
	return n, err
}

func (r *Request) head(b []byte, seen int) (int, *Error) {
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

// startLine reads the request line.
//
//	request-line = method SP request-target SP HTTP-version CRLF
func (r *Request) startLine(b []byte) (int, *Error) {
	start := 0
	if crlfAt(b, 0) {
		start = 2 // RFC 9112 2.2: an empty line before the request line is ignored
	}
	if len(b) > 0 && b[0] == 0x16 {
		return 0, ErrTLSHello
	}
	i := scanToken(b, start)
	if i == start || i == len(b) || b[i] != ' ' {
		return 0, lineFault(b, i, methodFault(b, start, i))
	}
	r.Method = b[start:i:i]
	end, err := r.target(b, i+1)
	if end == 0 {
		return 0, err
	}
	return r.version(b, end)
}

// methodFault tells a method with a bad byte from a line that has nothing but a
// token or nothing at all.
func methodFault(b []byte, start, i int) *Error {
	if i < len(b) && b[i] != '\r' && (b[i] != ' ' || i == start) {
		return ErrBadMethod
	}
	return ErrBadRequestLine
}

// version reads SP HTTP-version CRLF at b[i:], which follow the target, and
// returns the index after them.
func (r *Request) version(b []byte, i int) (int, *Error) {
	if i+11 > len(b) || b[i] != ' ' || !crlfAt(b, i+9) {
		return 0, wholeLineFault(b, i, ErrBadRequestLine)
	}
	minor, err := parseVersion(b[i+1 : i+9])
	if err != nil {
		return 0, wholeLineFault(b, i, err)
	}
	r.Minor = minor
	return i + 11, nil
}

const (
	version11 = 'H' | 'T'<<8 | 'T'<<16 | 'P'<<24 | '/'<<32 | '1'<<40 | '.'<<48 | '1'<<56
	version10 = version11 &^ (1 << 56)
)

// parseVersion reads the eight bytes of an HTTP-version (RFC 9112 2.3).
func parseVersion(b []byte) (minor uint8, err *Error) {
	switch binary.LittleEndian.Uint64(b) {
	case version11:
		return 1, nil
	case version10:
		return 0, nil
	}
	if string(b[:5]) != "HTTP/" || b[6] != '.' || !digit(b[5]) || !digit(b[7]) {
		return 0, ErrBadRequestLine
	}
	if b[5] != '1' {
		return 0, ErrVersion
	}
	return 1, nil // RFC 9110 2.5: a higher minor version is read as the highest known
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// interpret decides what the header section means.
func (r *Request) interpret() *Error {
	r.Framing = Framing{ContentLength: -1}
	r.ExpectContinue = false
	f := framer{Framing: &r.Framing, minor: r.Minor}
	hosts, expectation := 0, true
	var host []byte
	for i := range r.spans {
		s := &r.spans[i]
		if uint64(1)<<(s.nameEnd-s.nameStart)&knownLengths == 0 {
			continue
		}
		switch k := knownField(r.Name(i)); k {
		case unknown:
		case hostField:
			hosts++
			host = r.Value(i)
		case expectField:
			if r.Minor > 0 { // RFC 9110 10.1.1: ignored in HTTP/1.0
				r.ExpectContinue = true
				expectation = expectation && equalFold(r.Value(i), "100-continue")
			}
		default:
			if err := f.field(k, r.Value(i)); err != nil {
				return err
			}
		}
	}
	if err := r.effectiveHost(hosts, host); err != nil {
		return err
	}
	if err := f.finish(); err != nil {
		return err
	}
	if !expectation {
		return ErrExpectation
	}
	return nil
}

// effectiveHost checks the Host field, of which there are n, and takes it unless
// the target has an authority.
func (r *Request) effectiveHost(n int, host []byte) *Error {
	switch {
	case n > 1:
		return ErrDuplicateHost
	case n == 0 && r.Minor > 0:
		return ErrMissingHost // RFC 9112 3.2: also when the target has an authority
	case n == 1 && !validAuthority(host, true):
		return ErrBadHost
	}
	if r.Form == Origin || r.Form == Asterisk {
		r.Host = host
	}
	return nil
}

// HasBody reports whether a body follows the head (RFC 9112 6.3).
func (r *Request) HasBody() bool { return r.Chunked || r.ContentLength > 0 }

// Body is the reader of the body that follows the head (RFC 9112 6.3): chunked, of
// Content-Length bytes, or none.
func (r *Request) Body() Body {
	if r.Chunked {
		return ChunkedBody(r.Limits)
	}
	return LengthBody(r.ContentLength)
}
