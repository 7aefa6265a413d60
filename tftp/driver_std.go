package tftp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// stdDriver works everywhere: a goroutine reads each socket and hands what it
// read to the loop. It knows the local address only where the listening socket
// is bound to one.
type stdDriver struct {
	local   netip.Addr // the zero Addr: any
	arrived chan stdArrival
	woken   chan struct{}
	done    chan struct{}
	readers sync.WaitGroup
	timer   *time.Timer
}

// stdArrival is a datagram on its way to the loop, or the end of a socket.
type stdArrival struct {
	s   *stdSocket
	d   datagram
	err error
}

type stdSocket struct {
	driver *stdDriver
	pc     net.PacketConn
	owner  *transfer
	resume chan struct{} // the loop has used the reader's buffer
	failed int           // receives, one after the other; the loop's
}

// maxFailures is how often a socket may fail to receive without a success.
const maxFailures = 1000

func newStdDriver(pc net.PacketConn) (*stdDriver, socket) {
	d := &stdDriver{
		arrived: make(chan stdArrival), woken: make(chan struct{}, 1), done: make(chan struct{}),
		timer: time.NewTimer(time.Hour),
	}
	if local := addrPort(pc.LocalAddr()).Addr(); !local.IsUnspecified() {
		d.local = local
	}
	return d, d.add(pc, nil, maxDatagram)
}

func (d *stdDriver) add(pc net.PacketConn, owner *transfer, room int) socket {
	s := &stdSocket{driver: d, pc: pc, owner: owner, resume: make(chan struct{}, 1)}
	d.readers.Add(1)
	go s.read(make([]byte, room))
	return s
}

// read hands over one datagram after the other.
func (s *stdSocket) read(buf []byte) {
	defer s.driver.readers.Done()
	for {
		n, addr, err := s.pc.ReadFrom(buf)
		a := stdArrival{s: s, err: err}
		if err == nil {
			a.d = datagram{b: buf[:n], from: addrPort(addr), to: s.driver.local}
		}
		select {
		case s.driver.arrived <- a:
		case <-s.driver.done:
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case <-s.resume:
		case <-s.driver.done:
			return
		}
	}
}

// addrPort is the address of a peer, an IPv4 one as IPv4.
func addrPort(addr net.Addr) netip.AddrPort {
	switch a := addr.(type) {
	case nil:
		return netip.AddrPort{}
	case *net.UDPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	default:
		ap, _ := netip.ParseAddrPort(a.String())
		return ap
	}
}

func (d *stdDriver) open(local netip.Addr, port int, owner *transfer, big bool) (socket, error) {
	pc, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, uint16(port))))
	if err != nil {
		return nil, err
	}
	room := maxRequest
	if big {
		room = maxDatagram
	}
	return d.add(pc, owner, room), nil
}

func (d *stdDriver) wait(limit time.Duration, deliver func(*transfer, *datagram)) (more bool, err error) {
	var expired <-chan time.Time
	if limit >= 0 {
		d.timer.Reset(limit)
		expired = d.timer.C
	}
	select {
	case a := <-d.arrived:
		return false, a.take(deliver)
	case <-d.woken:
	case <-expired:
	}
	return false, nil
}

// take delivers and lets the reader go on.
func (a *stdArrival) take(deliver func(*transfer, *datagram)) error {
	switch {
	case a.err == nil:
		a.s.failed = 0
		deliver(a.s.owner, &a.d)
	case errors.Is(a.err, net.ErrClosed):
		if a.s.owner == nil {
			return a.err
		}
		return nil
	default:
		// It is about a datagram sent before (an ICMP message), or about one that
		// does not fit. Neither ends a socket, but many without a datagram do.
		if a.s.failed++; a.s.failed > maxFailures {
			return a.err
		}
	}
	a.s.resume <- struct{}{}
	return nil
}

func (d *stdDriver) wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

func (d *stdDriver) close() {
	close(d.done)
	d.readers.Wait()
}

func (s *stdSocket) send(b []byte, size int, to netip.AddrPort, _ netip.Addr) (int, error) {
	addr := net.UDPAddrFromAddrPort(to)
	for n := 0; ; n++ {
		part := b[:min(size, len(b))]
		b = b[len(part):]
		if _, err := s.pc.WriteTo(part, addr); err != nil {
			return n, err
		}
		if len(b) == 0 {
			return n + 1, nil
		}
	}
}

func (s *stdSocket) close() { s.pc.Close() }
