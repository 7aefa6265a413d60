package tftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// ErrorCode is the number of an ERROR packet, RFC 1350 appendix and RFC 2347.
type ErrorCode uint16

// The codes there are.
const (
	CodeUndefined       ErrorCode = 0 // see the message
	CodeNotFound        ErrorCode = 1
	CodeAccess          ErrorCode = 2
	CodeDiskFull        ErrorCode = 3
	CodeIllegal         ErrorCode = 4
	CodeUnknownTransfer ErrorCode = 5
	CodeExists          ErrorCode = 6
	CodeNoUser          ErrorCode = 7
	CodeOptions         ErrorCode = 8 // RFC 2347: the options do not suit
)

var codeNames = [...]string{
	"undefined", "file not found", "access violation", "disk full",
	"illegal operation", "unknown transfer ID", "file already exists", "no such user",
	"option negotiation failed",
}

// String is a short name of the code.
func (c ErrorCode) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "code " + strconv.Itoa(int(c))
}

// Error is what an ERROR packet says. A client returns the server's; a server's
// hooks may return one to say what the client is to be told.
//
// It is fs.ErrNotExist, fs.ErrPermission or fs.ErrExist to errors.Is where the
// code means that, and syscall.ENOSPC for a full disk.
type Error struct {
	Code    ErrorCode
	Message string // from the wire, at most 512 bytes
}

// Error returns the message with its code.
func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("tftp: peer says: %v (code %d)", e.Code, e.Code)
	}
	return fmt.Sprintf("tftp: peer says: %q (code %d)", e.Message, e.Code)
}

// Is maps codes to the errors of the standard library.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case CodeNotFound:
		return target == fs.ErrNotExist
	case CodeAccess, CodeNoUser:
		return target == fs.ErrPermission
	case CodeExists:
		return target == fs.ErrExist
	case CodeDiskFull:
		return target == syscall.ENOSPC
	}
	return false
}

// ProtocolError says that the peer broke a rule of the protocol.
type ProtocolError struct {
	Rule   string // where the rule stands, such as "RFC 1350 5"
	Reason string // how it was broken
}

// Error returns the reason and the rule.
func (e *ProtocolError) Error() string { return "tftp: " + e.Reason + " (" + e.Rule + ")" }

// Limits that end a transfer.
var (
	// ErrTooLarge says that a file is larger than the limit.
	ErrTooLarge = errors.New("tftp: file too large")
	// ErrBusy says that a limit on the number of transfers was reached.
	ErrBusy = errors.New("tftp: too many transfers")
)

// timeoutError says that a transfer waited for too long.
type timeoutError struct{ what string }

func (e *timeoutError) Error() string   { return "tftp: " + e.what }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }

// Is makes it a missed deadline to errors.Is.
func (e *timeoutError) Is(target error) bool {
	return target == os.ErrDeadlineExceeded || target == context.DeadlineExceeded
}

var (
	errSilent  = &timeoutError{"the peer does not answer"}
	errTooLong = &timeoutError{"the transfer took longer than allowed"}
)

// notThere reports whether a file cannot be found: it does not exist, what should be
// a folder is a file, or its name is longer than any there could be.
func notThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}

// leadsOut reports whether an os.Root refused to follow a link. It has no name for
// that error, but gives it where the system gives its own, as the cause.
func leadsOut(err error) bool {
	e, ok := errors.AsType[*fs.PathError](err)
	return ok && e.Err != nil && e.Err.Error() == "path escapes from parent"
}

// portError says that a transfer got no port: all of a range are in use, or the
// system refuses, as it does below 1024 once rights are given up.
type portError struct{ err error }

func (e *portError) Error() string { return "tftp: open a port for the transfer: " + e.err.Error() }
func (e *portError) Unwrap() error { return e.err }

// As tells the client that it is not about its file.
func (e *portError) As(target any) bool {
	t, ok := target.(**Error)
	if ok {
		*t = &Error{CodeUndefined, "server has no port for the transfer"}
		if errors.Is(e.err, ErrBusy) {
			*t = wireError(ErrBusy)
		}
	}
	return ok
}

// wireError is what the peer is told about err. Only what the peer has a use
// for is told: no paths of this machine, no addresses.
func wireError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*ProtocolError](err); ok {
		return &Error{CodeIllegal, e.Reason}
	}
	switch {
	case notThere(err):
		return &Error{CodeNotFound, "file not found"}
	case errors.Is(err, syscall.ELOOP), leadsOut(err):
		return &Error{CodeAccess, "link leads nowhere that may be served"}
	case errors.Is(err, fs.ErrExist):
		return &Error{CodeExists, "file already exists"}
	case errors.Is(err, ErrTooLarge), errors.Is(err, syscall.ENOSPC):
		return &Error{CodeDiskFull, "no room for a file of this size"}
	case errors.Is(err, fs.ErrPermission):
		return &Error{CodeAccess, "access denied"}
	case errors.Is(err, ErrBusy):
		return &Error{CodeUndefined, "server busy, try again later"}
	case errors.Is(err, errShrunk), errors.Is(err, errWritten):
		return &Error{CodeUndefined, "file changed while it was sent, try again"}
	case errors.Is(err, errOriginSilent):
		return &Error{CodeUndefined, errOriginSilent.Error()}
	case errors.Is(err, errTooLong):
		return &Error{CodeUndefined, "transfer took longer than allowed"}
	case errors.Is(err, errSilent):
		return &Error{CodeUndefined, "no answer in time"}
	}
	return &Error{CodeUndefined, "server failure"}
}
