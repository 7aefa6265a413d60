package tftp

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// epollDriver waits for all sockets with epoll on the loop's own goroutine, and
// moves datagrams in batches: recvmmsg to receive, UDP_SEGMENT (one system call
// and one walk through the stack for a window of blocks) or sendmmsg to send.
type epollDriver struct {
	fd, wakefd int
	woken      atomic.Bool
	events     [128]unix.EpollEvent
	sockets    map[int32]*epollSocket
	gen        int32
	main       *epollSocket
	in, out    *batch
	arrived    datagram // the one that is delivered
	gso        bool     // as far as is known
	spinner    spinner
	started    time.Time

	packets int          // that have come since the last wait that may sleep
	hot     *epollSocket // the one that alone had something last; nil: none
	looks   int
}

type epollSocket struct {
	driver *epollDriver
	fd     int
	gen    int32
	six    bool      // AF_INET6
	take   int       // datagrams to receive at once
	noGSO  bool      // found out by trying
	owner  *transfer // nil: the listening socket
	closed bool
}

// newDriver takes a UDP socket over by its descriptor. Any other PacketConn is
// served by goroutines.
func newDriver(pc net.PacketConn) (driver, socket, error) {
	conn, ok := pc.(*net.UDPConn)
	if !ok {
		d, s := newStdDriver(pc)
		return d, s, nil
	}
	fd, err := duplicate(conn)
	if err != nil {
		return nil, nil, err
	}
	d := &epollDriver{sockets: map[int32]*epollSocket{}, in: newBatch(16, true), out: newBatch(maxSegments, false), gso: true, wakefd: -1, started: time.Now()}
	if d.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		unix.Close(fd)
		return nil, nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := d.listen(fd); err != nil {
		unix.Close(fd)
		d.close()
		return nil, nil, err
	}
	return d, d.main, nil
}

func duplicate(conn *net.UDPConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var dupErr error
	err = raw.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = os.NewSyscallError("fcntl", dupErr)
	}
	return fd, err
}

// listen makes the main socket tell where datagrams were sent to.
func (d *epollDriver) listen(fd int) (err error) {
	if d.wakefd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err := d.ctl(d.wakefd, 0, unix.EPOLLIN|unix.EPOLLET); err != nil {
		return err
	}
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	six := domain == unix.AF_INET6
	if six {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	if err == nil { // also of IPv4 datagrams on a socket of both families
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	}
	if err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	// As much as the system allows: a room full of machines asks at once.
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	d.main = &epollSocket{driver: d, fd: fd, six: six, take: len(d.in.headers)}
	return d.add(d.main)
}

func (d *epollDriver) ctl(fd int, gen int32, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: gen}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(d.fd, unix.EPOLL_CTL_ADD, fd, &ev))
}

func (d *epollDriver) add(s *epollSocket) error {
	d.gen++
	s.gen = d.gen
	if err := d.ctl(s.fd, s.gen, unix.EPOLLIN); err != nil {
		return err
	}
	d.sockets[int32(s.fd)] = s
	return nil
}

func (d *epollDriver) open(local netip.Addr, port int, owner *transfer, big bool) (socket, error) {
	s := &epollSocket{driver: d, take: 1, owner: owner, six: d.main.six && !local.Is4()}
	if big {
		s.take = len(d.in.headers)
	}
	domain, sa := unix.AF_INET, unix.Sockaddr(nil)
	if s.six {
		domain = unix.AF_INET6
		sa6 := &unix.SockaddrInet6{Port: port, ZoneId: zoneOf(local)}
		if local.IsValid() {
			sa6.Addr = local.As16()
		}
		sa = sa6
	} else {
		sa4 := &unix.SockaddrInet4{Port: port}
		if local.IsValid() {
			sa4.Addr = local.As4()
		}
		sa = sa4
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s.fd = fd
	if err = os.NewSyscallError("bind", unix.Bind(fd, sa)); err == nil {
		err = d.add(s)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return s, nil
}

func (d *epollDriver) wake() {
	// The eventfd is edge-triggered and never read: each write is an edge.
	if d.woken.Swap(true) {
		return
	}
	unix.Write(d.wakefd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

func (d *epollDriver) close() {
	for _, s := range d.sockets {
		s.close()
	}
	unix.Close(d.fd)
	if d.wakefd >= 0 {
		unix.Close(d.wakefd)
	}
}

func (s *epollSocket) close() {
	if !s.closed {
		s.closed = true
		if s.driver.hot == s {
			s.driver.hot = nil
		}
		delete(s.driver.sockets, int32(s.fd))
		unix.Close(s.fd) // which takes it out of the epoll set: it has no copy
	}
}

func (s *epollSocket) send(b []byte, size int, to netip.AddrPort, from netip.Addr) (int, error) {
	out := s.driver.out
	if s.owner != nil {
		from = netip.Addr{} // the socket is bound to it
	}
	out.setName(0, to, s.six)
	if segments := (len(b) + size - 1) / size; segments > 1 {
		if s.noGSO || !s.driver.gso {
			return s.sendEach(b, size, to, from)
		}
		out.setControl(0, from, s.six, size)
		out.setData(0, b)
		switch err := out.sendOne(s.fd); err {
		case nil:
			return segments, nil
		case unix.EIO: // the device cannot compute checksums
			s.driver.gso = false
		case unix.EINVAL, unix.EMSGSIZE, unix.ENOPROTOOPT, unix.EOPNOTSUPP: // the segments exceed the MTU, or an old kernel
			s.noGSO = true
		default:
			return 0, sendError(err)
		}
		return s.sendEach(b, size, to, from)
	}
	out.setControl(0, from, s.six, 0)
	out.setData(0, b)
	if err := out.sendOne(s.fd); err != nil {
		return 0, sendError(err)
	}
	return 1, nil
}

// sendEach sends the segments as datagrams of their own.
func (s *epollSocket) sendEach(b []byte, size int, to netip.AddrPort, from netip.Addr) (int, error) {
	out := s.driver.out
	n := 0
	for ; n < len(out.headers) && len(b) > 0; n++ {
		part := b[:min(size, len(b))]
		b = b[len(part):]
		out.setName(n, to, s.six)
		out.setControl(n, from, s.six, 0)
		out.setData(n, part)
	}
	sent, err := out.sendAll(s.fd, n)
	if err != nil {
		return sent, sendError(err)
	}
	if sent < n {
		return sent, errSocketFull
	}
	return sent, nil
}

func sendError(err error) error {
	if err == unix.EAGAIN || err == unix.ENOBUFS {
		return errSocketFull
	}
	return os.NewSyscallError("sendmsg", err)
}
