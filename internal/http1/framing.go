package http1

import "math"

// Framing is what the header section of a request or a response says about where
// its body ends and what becomes of the connection.
type Framing struct {
	// ContentLength is the value of Content-Length in bytes; -1 when there is none.
	ContentLength int64
	// Chunked says that the body is chunked.
	Chunked bool
	// Close says that the connection ends with this message: "Connection: close",
	// or HTTP/1.0 without keep-alive.
	Close bool
	// KeepAlive10 says that the message is HTTP/1.0 and asks to keep the connection.
	KeepAlive10 bool
	// Upgrade says that Connection lists upgrade, an Upgrade field is there, and the
	// message is HTTP/1.1.
	Upgrade bool
	// TrailerDeclared says that there is a Trailer field.
	TrailerDeclared bool
}

// known is a field that decides framing.
type known uint8

const (
	unknown known = iota
	hostField
	expectField
	upgradeField
	trailerField
	connectionField
	contentLengthField
	transferEncodingField
)

// knownLengths has a bit for each length of a name that knownField recognises.
const knownLengths = 1<<4 | 1<<6 | 1<<7 | 1<<10 | 1<<14 | 1<<17

// knownField recognises the name of a field that decides framing. The usual case is
// compared first, which is one or two words.
func knownField(name []byte) known {
	switch len(name) {
	case 4:
		if string(name) == "Host" || equalFold(name, "host") {
			return hostField
		}
	case 6:
		if equalFold(name, "expect") {
			return expectField
		}
	case 7:
		switch {
		case equalFold(name, "upgrade"):
			return upgradeField
		case equalFold(name, "trailer"):
			return trailerField
		}
	case 10:
		if string(name) == "Connection" || equalFold(name, "connection") {
			return connectionField
		}
	case 14:
		if string(name) == "Content-Length" || equalFold(name, "content-length") {
			return contentLengthField
		}
	case 17:
		if string(name) == "Transfer-Encoding" || equalFold(name, "transfer-encoding") {
			return transferEncodingField
		}
	}
	return unknown
}

// framer collects what the fields say until the section is complete.
type framer struct {
	*Framing
	minor        uint8
	lengthText   []byte // first Content-Length
	codings      int    // Transfer-Encoding lines
	coding       []byte // the last of them
	trailers     bool   // Trailer announces a framing field
	close        bool   // options of Connection
	keepAlive    bool
	upgrade      bool
	upgradeField bool
}

// field takes note of one field.
func (f *framer) field(k known, value []byte) *Error {
	switch k {
	case connectionField:
		f.connection(value)
	case contentLengthField:
		return f.contentLength(value)
	case transferEncodingField:
		f.codings++
		f.coding = value
	case upgradeField:
		f.upgradeField = true
	case trailerField:
		f.TrailerDeclared = true
		f.trailer(value)
	}
	return nil
}

// connection reads the options of a Connection field (RFC 9110 7.6.1).
func (f *framer) connection(value []byte) {
	for more := true; more; {
		var option []byte
		option, value, more = nextElement(value)
		switch {
		case equalFold(option, "close"):
			f.close = true
		case equalFold(option, "keep-alive"):
			f.keepAlive = true
		case equalFold(option, "upgrade"):
			f.upgrade = true
		}
	}
}

// contentLength reads a Content-Length field. Repeated ones must be the same, byte
// for byte; a list in one field is refused although its members may be the same
// (RFC 9110 8.6 leaves both open).
func (f *framer) contentLength(value []byte) *Error {
	n, ok := parseLength(value)
	if !ok {
		return ErrContentLength
	}
	if f.lengthText != nil && string(f.lengthText) != string(value) {
		return ErrConflictingLength
	}
	f.lengthText = value
	f.ContentLength = n
	return nil
}

// parseLength reads 1*DIGIT that fits an int64.
func parseLength(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := int64(c - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}

// trailer looks for the announcement of a trailer that would change the framing
// after the fact.
func (f *framer) trailer(value []byte) {
	for more := true; more; {
		var name []byte
		name, value, more = nextElement(value)
		switch {
		case equalFold(name, "content-length"), equalFold(name, "transfer-encoding"), equalFold(name, "trailer"):
			f.trailers = true
		}
	}
}

// finish decides what the fields say together.
func (f *framer) finish() *Error {
	if f.codings > 0 {
		if err := f.transferEncoding(); err != nil {
			return err
		}
		f.Chunked = true
		if f.trailers {
			return ErrTrailer
		}
	}
	// RFC 9112 9.3: how long the connection lives.
	f.Close = f.close || f.minor == 0 && !f.keepAlive
	f.KeepAlive10 = f.minor == 0 && !f.Close
	// RFC 9110 7.8: an Upgrade in HTTP/1.0 is ignored.
	f.Upgrade = f.upgrade && f.upgradeField && f.minor > 0
	return nil
}

// transferEncoding decides whether the transfer codings are the one we decode.
func (f *framer) transferEncoding() *Error {
	if f.lengthText != nil {
		// RFC 9112 6.1: may be an attempt at smuggling, ought to be an error.
		return ErrTransferEncodingAndLength
	}
	if f.minor == 0 {
		// RFC 9112 6.1: the framing is faulty.
		return ErrTransferEncoding10
	}
	if f.codings == 1 && equalFold(f.coding, "chunked") {
		return nil
	}
	chunked, last := 0, false
	for list, more := f.coding, true; more; {
		var coding []byte
		coding, list, more = nextElement(list)
		last = equalFold(coding, "chunked")
		if last {
			chunked++
		}
	}
	if !last || chunked > 1 || f.codings > 1 {
		// RFC 9112 6.3: chunked must be the last, else the answer MUST be 400, which
		// outranks the 501 that 6.1 recommends for an unknown coding; 7.1: and it must
		// not be applied twice.
		return ErrTransferEncoding
	}
	// RFC 9112 6.1: a coding that is not understood.
	return ErrTransferEncodingUnknown
}
