package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/burrownet/burrow/internal/wsframe"
)

// StatusCode says why a connection was closed (RFC 6455 7.4).
type StatusCode = wsframe.Code

// The status codes of RFC 6455 7.4.1 and of the registry that it founded.
// StatusNoStatus, StatusAbnormal and StatusTLS are never sent: they stand for a
// close frame without a code, an end without a close frame, and a failed TLS
// handshake. 3000 to 3999 are registered by applications, 4000 to 4999 private.
const (
	StatusNormal             = wsframe.CodeNormal
	StatusGoingAway          = wsframe.CodeGoingAway
	StatusProtocolError      = wsframe.CodeProtocolError
	StatusUnsupportedData    = wsframe.CodeUnsupportedData
	StatusNoStatus           = wsframe.CodeNoStatus
	StatusAbnormal           = wsframe.CodeAbnormal
	StatusInvalidPayload     = wsframe.CodeInvalidPayload
	StatusPolicyViolation    = wsframe.CodePolicyViolation
	StatusMessageTooBig      = wsframe.CodeMessageTooBig
	StatusMandatoryExtension = wsframe.CodeMandatoryExtension
	StatusInternalError      = wsframe.CodeInternalError
	StatusServiceRestart     = wsframe.CodeServiceRestart
	StatusTryAgainLater      = wsframe.CodeTryAgainLater
	StatusBadGateway         = wsframe.CodeBadGateway
	StatusTLS                = wsframe.CodeTLS
)

// ProtocolError is a rule of RFC 6455 or RFC 7692 that the peer has broken. It was
// sent a close frame with the Code.
type ProtocolError = wsframe.ProtocolError

// CloseError says how the peer has ended the connection: with a close frame, or,
// when Code is StatusAbnormal, without one. That code is never on the wire: it is
// what this side makes of a connection that broke, and Unwrap says how it did.
type CloseError struct {
	Code   StatusCode
	Reason string // at most 123 bytes of UTF-8; often empty

	cause  error
	answer bool // to our close frame
}

// Error returns "websocket: closed by the peer: CODE REASON", or "closed by this side,
// the peer answered".
func (e *CloseError) Error() string {
	if e.Code == StatusAbnormal {
		return "websocket: the connection broke: " + fmt.Sprint(e.cause)
	}
	by := "closed by the peer: "
	if e.answer {
		by = "closed by this side, the peer answered: "
	}
	s := "websocket: " + by + strconv.Itoa(int(e.Code))
	if e.Reason != "" {
		s += " " + strconv.Quote(e.Reason)
	}
	return s
}

// Unwrap returns what broke the connection, when Code is StatusAbnormal.
func (e *CloseError) Unwrap() error { return e.cause }

// Is makes an orderly end an io.EOF, so that a loop that reads until then ends well
// at StatusNormal and StatusGoingAway, and a net.ErrClosed what this side has begun.
func (e *CloseError) Is(target error) bool {
	return e.answer && target == net.ErrClosed || target == io.EOF && (e.Code == StatusNormal || e.Code == StatusGoingAway)
}

// abnormal is the end of a connection without a close frame (RFC 6455 7.1.5).
func abnormal(cause error) *CloseError {
	if cause == nil || cause == io.EOF {
		cause = io.ErrUnexpectedEOF
	}
	return &CloseError{Code: StatusAbnormal, cause: cause}
}

// CloseStatus is the status that an error of a Conn stands for: that of the peer's
// close frame, the one that the peer was sent for breaking a rule or a limit, and
// StatusAbnormal for the rest. It is 0 for nil.
func CloseStatus(err error) StatusCode {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[*ProtocolError](err); ok {
		return e.Code
	}
	switch {
	case errors.Is(err, ErrMessageTooBig):
		return StatusMessageTooBig
	case errors.Is(err, errPanic):
		return StatusInternalError
	}
	return StatusAbnormal
}

// The limits, and what a Conn is not made for.
var (
	// ErrMessageTooBig says that a message is larger than MaxMessageBytes. The peer
	// was sent StatusMessageTooBig.
	ErrMessageTooBig = errors.New("websocket: read: the message is larger than the limit")
	// ErrBacklog says that the peer reads too slowly: the frame was not sent, because
	// more than MaxBacklogBytes wait already. The connection goes on.
	ErrBacklog = errors.New("websocket: write: too many unsent bytes, the peer reads too slowly")
	// ErrUnread says that more than MaxMessageBytes of messages have arrived, and
	// nobody reads them, while a call waited for something else.
	ErrUnread = errors.New("websocket: wait: too many messages arrived that nobody reads")
	// ErrPongTimeout says that the peer was silent, and did not answer a ping.
	ErrPongTimeout = errors.New("websocket: keep-alive: the peer does not answer")
	// ErrHandlerReads says that Read, Reader or NetConn was called for a connection
	// whose Handler gets the messages, and not from within its callback.
	ErrHandlerReads = errors.New("websocket: read: the connection's handler gets the messages")
)

// RefusedError is an upgrade that a server refuses: Accept has answered with it,
// and a hook returns one to choose the answer.
type RefusedError struct {
	// Status is the HTTP status of the answer, 300 to 999; 0, and what would be no
	// refusal, means 403.
	Status int
	// Reason is the content of the answer.
	Reason string
	// Header is added to the answer. Without a Content-Type in it the content is plain
	// text.
	Header http.Header
}

// Refuse is a RefusedError with a status and a text.
func Refuse(status int, reason string) *RefusedError {
	return &RefusedError{Status: status, Reason: reason}
}

// Error returns "websocket: accept: refused with STATUS: REASON".
func (e *RefusedError) Error() string {
	return fmt.Sprintf("websocket: accept: refused with %d: %s", e.status(), e.Reason)
}

func (e *RefusedError) status() int {
	if e.Status < 300 || e.Status > 999 {
		return http.StatusForbidden
	}
	return e.Status
}

// ResponseError is what a server answered to Dial instead of upgrading.
type ResponseError struct {
	StatusCode int
	Header     http.Header
	Body       []byte // the first 4 KiB of the content
}

// Error returns "websocket: dial: the server answered STATUS TEXT".
func (e *ResponseError) Error() string {
	return fmt.Sprintf("websocket: dial: the server answered %d %s", e.StatusCode, http.StatusText(e.StatusCode))
}

var errNextMessage = errors.New("websocket: read: the next message was asked for before the end of this one")

var (
	errNotOpen = errors.New("websocket: wait: Open must not wait for the peer")
	errPanic   = errors.New("websocket: a handler panicked")
)
