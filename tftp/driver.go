package tftp

import (
	"errors"
	"net/netip"
	"time"
)

// driver owns the sockets of one Serve and waits for all of them at once. All
// but wake is called by the loop only.
type driver interface {
	// open makes a socket for a transfer, on a local address (the zero Addr: any)
	// and port (0: a free one). big says that whole windows arrive on it.
	open(local netip.Addr, port int, owner *transfer, big bool) (socket, error)
	// wait returns after d at the latest (negative: no limit), after a wake, or
	// when something arrived, which it has delivered by then. The datagram is
	// valid until deliver returns. owner is nil for the listening socket. more
	// reports that it stopped before all was delivered that had arrived.
	wait(d time.Duration, deliver func(owner *transfer, d *datagram)) (more bool, err error)
	// wake ends a wait; any goroutine may call it.
	wake()
	// close closes the driver and what it opened.
	close()
}

// socket is a UDP socket of a driver.
type socket interface {
	// send sends b to an address as datagrams of size bytes, of which the last may
	// be shorter, and returns how many it sent. from is the source address to use
	// where a socket has several; the zero Addr leaves it to the system.
	// errSocketFull says that there is no room for more at present.
	send(b []byte, size int, to netip.AddrPort, from netip.Addr) (int, error)
	close()
}

// datagram is what arrived.
type datagram struct {
	b    []byte
	from netip.AddrPort
	to   netip.Addr // the local address it came to; the zero Addr: not known
	many bool       // it was sent to more machines than this one, as far as is known
}

// errSocketFull says that a datagram has to be sent later.
var errSocketFull = errors.New("tftp: send: socket buffer is full")

// maxSegments bounds the datagrams that are sent in one go, as the kernel does.
const maxSegments = 64

// maxDatagram is the most that a UDP datagram carries over IPv4, in bytes.
const maxDatagram = 65507
