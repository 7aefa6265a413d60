package wsframe

import (
	"encoding/binary"
	"unicode/utf8"
)

// Code is the status code of a close frame (RFC 6455 7.4).
type Code uint16

// The codes of RFC 6455 7.4.1 and of the IANA registry that it founded. NoStatus,
// Abnormal and TLS are never on the wire.
const (
	CodeNormal             Code = 1000
	CodeGoingAway          Code = 1001
	CodeProtocolError      Code = 1002
	CodeUnsupportedData    Code = 1003
	CodeNoStatus           Code = 1005
	CodeAbnormal           Code = 1006
	CodeInvalidPayload     Code = 1007
	CodePolicyViolation    Code = 1008
	CodeMessageTooBig      Code = 1009
	CodeMandatoryExtension Code = 1010
	CodeInternalError      Code = 1011
	CodeServiceRestart     Code = 1012
	CodeTryAgainLater      Code = 1013
	CodeBadGateway         Code = 1014
	CodeTLS                Code = 1015
)

// OnWire reports whether a close frame may carry c.
func (c Code) OnWire() bool {
	switch {
	case c < 1000: // RFC 6455 7.4.2: not used
		return false
	case c < 3000: // those that are defined, but for the three that stay local
		return c <= 1014 && c != 1004 && c != CodeNoStatus && c != CodeAbnormal
	}
	return c < 5000 // registered, and private
}

// MaxReason is what the reason of a close frame may take, in bytes.
const MaxReason = MaxControl - 2

// ParseClose reads what a close frame carries; reason borrows payload. An empty
// payload is CodeNoStatus.
func ParseClose(payload []byte) (code Code, reason []byte, err error) {
	switch len(payload) {
	case 0:
		return CodeNoStatus, nil, nil // RFC 6455 7.1.5
	case 1:
		return 0, nil, errCloseSize
	}
	code = Code(binary.BigEndian.Uint16(payload))
	if !code.OnWire() {
		return code, nil, errCode(code)
	}
	if reason = payload[2:]; !utf8.Valid(reason) {
		return code, nil, ErrUTF8 // RFC 6455 5.5.1: the reason is UTF-8
	}
	return code, reason, nil
}

// AppendClose appends what a close frame carries: nothing for CodeNoStatus. A
// reason that is too long is cut, between two characters; what is not UTF-8 in
// it is replaced. It panics when a close frame must not carry the code.
func AppendClose(dst []byte, code Code, reason string) []byte {
	if code == CodeNoStatus {
		return dst
	}
	if !code.OnWire() {
		panic("wsframe: a close frame cannot carry this status code")
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	end := len(dst) + MaxReason
	for _, r := range reason {
		if len(dst)+utf8.RuneLen(r) > end {
			break
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
