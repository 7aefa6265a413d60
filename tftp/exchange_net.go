package tftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// What an exchange has to do with the network.

func (e *exchange) network() string {
	switch a := e.client.Listen.Addr(); {
	case a.IsValid():
		return "udp"
	case e.server.Addr().Is4():
		return "udp4"
	}
	return "udp6"
}

// receive waits for a packet until the machine's deadline: n is -1 then.
func (e *exchange) receive(ctx context.Context, buf []byte) (n int, from netip.AddrPort, err error) {
	at := e.sender.deadline()
	if e.op == opRRQ {
		at = e.receiver.deadline()
	}
	// A deadline costs a timer. One that is a little early does no harm.
	if want := e.began.Add(at); e.deadline.IsZero() || want.Before(e.deadline) || want.Sub(e.deadline) > 20*time.Millisecond {
		e.deadline = want
		e.conn.SetReadDeadline(want)
	}
	if err := ctx.Err(); err != nil { // it may have ended before the deadline was set
		return -1, from, err
	}
	for {
		n, from, err = e.conn.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
		case ctx.Err() != nil:
			return -1, from, ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			e.deadline = time.Time{}
			return -1, from, nil
		}
		if err = e.unreachable(err); err != nil {
			return -1, from, err
		}
	}
}

// reachError says that the server was not reached.
type reachError struct {
	server netip.AddrPort
	err    error
}

// Error names the server, which the socket does not know, and the cause.
func (e *reachError) Error() string {
	cause := e.err
	if errno, ok := errors.AsType[syscall.Errno](cause); ok {
		cause = errno
	}
	return fmt.Sprintf("%v cannot be reached: %v", e.server, cause)
}

func (e *reachError) Unwrap() error { return e.err }

// unreachable is an error of the network, also one that it reports about a packet
// sent before. Until there is an answer it ends the attempt; later it counts as
// loss: a server that has answered may be reached again.
func (e *exchange) unreachable(err error) error {
	e.failures++
	switch {
	case errors.Is(err, net.ErrClosed), e.failures > maxFailures:
		return err
	case e.peer.IsValid(), errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		return nil
	}
	return &reachError{e.server, err}
}

// send sends one packet.
func (e *exchange) send(b []byte, to netip.AddrPort) error {
	if _, err := e.conn.WriteToUDPAddrPort(b, to); err != nil {
		return e.unreachable(err)
	}
	return nil
}

// local is the address that the server sees, as far as this machine knows it. The
// socket is not bound to one as a rule.
func (e *exchange) local() netip.AddrPort {
	bound := e.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if !bound.Addr().IsUnspecified() {
		return netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())
	}
	probe, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(e.server)) // which sends nothing
	if err != nil {
		return netip.AddrPort{}
	}
	defer probe.Close()
	return netip.AddrPortFrom(probe.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), bound.Port())
}
