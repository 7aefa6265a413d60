package http1

// Error is a broken rule of the protocol. Every value is one of the package
// variables below, so that they compare with == or errors.Is and cost no memory.
type Error struct {
	// Status is what a server answers before it closes the connection. It has no
	// meaning for a fault in a response.
	Status int
	// Rule is the section that was broken: "RFC 9112 6.1". It is empty for a limit
	// of ours.
	Rule string
	// Reason says what was wrong, in a few words.
	Reason string
}

// Error returns "http1: Reason (Rule)".
func (e *Error) Error() string {
	if e.Rule == "" {
		return "http1: " + e.Reason
	}
	return "http1: " + e.Reason + " (" + e.Rule + ")"
}

// Faults of the start line.
var (
	ErrTLSHello       = &Error{400, "RFC 9112 3", "TLS spoken on a plain HTTP port"}
	ErrBadRequestLine = &Error{400, "RFC 9112 3", "malformed request line"}
	ErrBadMethod      = &Error{400, "RFC 9110 9.1", "method is not a token"}
	ErrBadTarget      = &Error{400, "RFC 9112 3.2", "malformed request target"}
	ErrTargetTooLong  = &Error{414, "RFC 9112 3", "request line too long"}
	ErrVersion        = &Error{505, "RFC 9112 2.3", "HTTP version not supported"}
	ErrBadStatusLine  = &Error{502, "RFC 9112 4", "malformed status line"}
)

// Faults of lines: header and trailer sections, and line ends anywhere.
var (
	ErrBareCR           = &Error{400, "RFC 9112 2.2", "CR without LF"}
	ErrBareLF           = &Error{400, "RFC 9112 2.2", "LF without CR"}
	ErrFieldName        = &Error{400, "RFC 9110 5.1", "field name is not a token"}
	ErrFieldValue       = &Error{400, "RFC 9110 5.5", "control byte in a field value"}
	ErrObsFold          = &Error{400, "RFC 9112 5.2", "line folding or a line that begins with whitespace"}
	ErrSpaceBeforeColon = &Error{400, "RFC 9112 5.1", "whitespace between field name and colon"}
	ErrHeadTooLarge     = &Error{431, "RFC 6585 5", "header section too large"}
	ErrTooManyFields    = &Error{431, "RFC 6585 5", "too many header fields"}
)

// Faults of a head as a whole.
var (
	ErrMissingHost               = &Error{400, "RFC 9112 3.2", "no Host field"}
	ErrDuplicateHost             = &Error{400, "RFC 9112 3.2", "more than one Host field"}
	ErrBadHost                   = &Error{400, "RFC 9112 3.2", "invalid Host field"}
	ErrContentLength             = &Error{400, "RFC 9110 8.6", "invalid Content-Length"}
	ErrConflictingLength         = &Error{400, "RFC 9112 6.3", "differing Content-Length fields"}
	ErrTransferEncoding10        = &Error{400, "RFC 9112 6.1", "Transfer-Encoding in an HTTP/1.0 message"}
	ErrTransferEncodingAndLength = &Error{400, "RFC 9112 6.1", "both Transfer-Encoding and Content-Length"}
	ErrTransferEncoding          = &Error{400, "RFC 9112 6.3", "transfer coding does not end in a single chunked"}
	ErrTransferEncodingUnknown   = &Error{501, "RFC 9112 6.1", "transfer coding not supported"}
	ErrExpectation               = &Error{417, "RFC 9110 10.1.1", "expectation not supported"}
)

// Faults of a chunked body.
var (
	ErrChunkSize       = &Error{400, "RFC 9112 7.1", "invalid chunk size"}
	ErrChunkExtension  = &Error{400, "RFC 9112 7.1.1", "chunk extension malformed or too long"}
	ErrChunkFraming    = &Error{400, "RFC 9112 7.1", "chunk not followed by CRLF"}
	ErrTrailer         = &Error{400, "RFC 9110 6.5.1", "Trailer announces a field that frames the message"}
	ErrTrailerTooLarge = &Error{431, "RFC 9112 7.1.2", "trailer section too large"}
	ErrTooManyTrailers = &Error{431, "RFC 9112 7.1.2", "too many trailer fields"}
)
