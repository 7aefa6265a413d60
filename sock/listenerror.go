package sock

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
)

// listenError is the error of Listen: the address as given, the cause, and what
// to try next.
type listenError struct {
	addr string
	hint string // may be empty
	err  error
}

// Error is "sock: listen ADDR: cause: hint". The operation and address that net
// puts into its own errors are left out: they are said already.
func (e *listenError) Error() string {
	addr := e.addr
	if addr == "" {
		addr = `""`
	}
	cause := e.err
	if op, ok := errors.AsType[*net.OpError](cause); ok {
		cause = op.Err
	}
	if sys, ok := errors.AsType[*os.SyscallError](cause); ok && cause == error(sys) {
		cause = sys.Err
	}
	s := "sock: listen " + addr + ": " + cause.Error()
	if e.hint != "" {
		s += ": " + e.hint
	}
	return s
}

// Unwrap returns the cause.
func (e *listenError) Unwrap() error { return e.err }

// Is lets the portable number stand for the system's own where the two differ
// (Windows).
func (e *listenError) Is(target error) bool {
	switch target {
	case syscall.EADDRINUSE:
		return errors.Is(e.err, errAddrInUse)
	case syscall.EADDRNOTAVAIL:
		return errors.Is(e.err, errAddrNotAvail)
	}
	return false
}

// hint says what to try about an error of listening on a, or nothing.
func hint(a address, err error) string {
	if a.kind == kindTCP {
		return hintTCP(a, err)
	}
	if a.kind == kindUnix {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "its folder must exist; create it first"
		case errors.Is(err, fs.ErrPermission):
			return "this user may not create a socket there; choose a folder it may write to"
		case a.abstract() && errors.Is(err, errAddrInUse):
			return "another program listens there; try another name"
		}
	}
	return ""
}

func hintTCP(a address, err error) string {
	host, port, _ := net.SplitHostPort(a.text)
	switch {
	case errors.Is(err, errAddrInUse):
		return "another program listens there; try another port, or port 0 for a free one"
	case errors.Is(err, errAddrNotAvail):
		return "no interface of this machine has this address; try 127.0.0.1:" + port + ", or :" + port + " for every interface"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, errPortDenied):
		if n, e := strconv.Atoi(port); e == nil && n > 0 && n < 1024 {
			return "ports below 1024 are for privileged programs; try a higher one such as " + net.JoinHostPort(host, "8080")
		}
		return "the system does not let this program listen there; try another port"
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.Err == "unknown port" {
			return "a port is a number from 0 to 65535, or the name of a service such as http"
		}
		return "try an address of this machine, or :" + port + " for every interface"
	}
	return ""
}
