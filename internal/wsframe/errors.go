package wsframe

import "strconv"

// ProtocolError is a rule that the peer has broken.
type ProtocolError struct {
	// Code is the status that the connection is to be failed with (RFC 6455
	// 7.4.1): CodeProtocolError or CodeInvalidPayload.
	Code Code
	// Rule is the section that was broken: "RFC 6455 5.5".
	Rule string
	// Reason says what was wrong, in a few words.
	Reason string
}

// Error returns "websocket: Reason (Rule)".
func (e *ProtocolError) Error() string { return "websocket: " + e.Reason + " (" + e.Rule + ")" }

func broken(rule, reason string) *ProtocolError {
	return &ProtocolError{CodeProtocolError, rule, reason}
}

// The rules of a frame, as values: they compare with ==.
var (
	errReserved     = broken("RFC 6455 5.2", "a reserved bit is set")
	errRSV1         = broken("RFC 7692 6", "RSV1 is set where no compressed message begins")
	errOpcode       = broken("RFC 6455 5.2", "a reserved opcode")
	errFragmented   = broken("RFC 6455 5.5", "a control frame is fragmented")
	errControlSize  = broken("RFC 6455 5.5", "a control frame carries more than 125 bytes")
	errUnmasked     = broken("RFC 6455 5.1", "a frame from the client is not masked")
	errMasked       = broken("RFC 6455 5.1", "a frame from the server is masked")
	errLength       = broken("RFC 6455 5.2", "the payload length is not in its shortest form")
	errLengthSign   = broken("RFC 6455 5.2", "the payload length has its highest bit set")
	errContinuation = broken("RFC 6455 5.4", "a continuation frame with no message to continue")
	errInterleaved  = broken("RFC 6455 5.4", "a new message before the last one has ended")
	errCloseSize    = broken("RFC 6455 5.5.1", "a close frame carries a single byte")

	// ErrUTF8 says that a text is not UTF-8.
	ErrUTF8 = &ProtocolError{CodeInvalidPayload, "RFC 6455 8.1", "text that is not UTF-8"}
)

func errCode(c Code) *ProtocolError {
	return broken("RFC 6455 7.4", "a close frame with the status code "+strconv.Itoa(int(c)))
}
