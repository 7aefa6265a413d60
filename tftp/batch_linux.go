package tftp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// All that needs unsafe is in this file: the structures that recvmmsg(2),
// sendmmsg(2) and sendmsg(2) share with the kernel. They are allocated once and
// point at each other; a batch belongs to the loop. None of the calls blocks,
// so the scheduler need not know of them.

// receiveRoom is the room for one datagram; memory that is never written to is
// never backed by the system.
const receiveRoom = 1 << 16

// controlRoom is the room for control messages: the address of one datagram in each
// family, in bytes.
const controlRoom = 80

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

// batch is up to len(headers) datagrams on their way in or out.
type batch struct {
	headers []mmsghdr
	iovecs  []unix.Iovec
	names   []unix.RawSockaddrInet6 // the largest address there is here
	control [][controlRoom]byte
	data    []byte // to receive into
}

func newBatch(n int, receive bool) *batch {
	b := &batch{
		headers: make([]mmsghdr, n), iovecs: make([]unix.Iovec, n),
		names: make([]unix.RawSockaddrInet6, n), control: make([][controlRoom]byte, n),
	}
	if receive {
		b.data = make([]byte, n*receiveRoom)
	}
	for i := range b.headers {
		h := &b.headers[i].Msghdr
		h.Iov = &b.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		if receive {
			b.iovecs[i].Base = &b.data[i*receiveRoom]
			b.iovecs[i].SetLen(receiveRoom)
		}
	}
	return b
}

// receive takes up to n datagrams from a socket; 0 when there are none.
func (b *batch) receive(fd, n int) (int, error) {
	for i := range n {
		h := &b.headers[i].Msghdr
		h.Namelen = uint32(unsafe.Sizeof(b.names[i]))
		h.Control = &b.control[i][0]
		h.SetControllen(len(b.control[i]))
	}
	for {
		got, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(got), nil
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, nil
		}
		return 0, errno
	}
}

// datagram reads what came as number i.
func (b *batch) datagram(i int, d *datagram) {
	h := &b.headers[i]
	start := i * receiveRoom
	d.b = b.data[start : start+int(h.n) : start+int(h.n)]
	d.from = b.name(i)
	d.to, d.many = localAddr(b.control[i][:min(int(h.Controllen), len(b.control[i]))])
}

// name is the address of the sender.
func (b *batch) name(i int) netip.AddrPort {
	n := &b.names[i]
	port := n.Port<<8 | n.Port>>8
	if n.Family == unix.AF_INET {
		p := (*unix.RawSockaddrInet4)(unsafe.Pointer(n))
		return netip.AddrPortFrom(netip.AddrFrom4(p.Addr), port)
	}
	return netip.AddrPortFrom(withZone(netip.AddrFrom16(n.Addr).Unmap(), n.Scope_id), port)
}

func withZone(a netip.Addr, scope uint32) netip.Addr {
	if scope == 0 || a.Is4() {
		return a
	}
	return a.WithZone(strconv.FormatUint(uint64(scope), 10))
}

func zoneOf(a netip.Addr) uint32 {
	n, _ := strconv.ParseUint(a.Zone(), 10, 32)
	return uint32(n)
}

// setName puts the address to send to into place; six is that of the socket.
func (b *batch) setName(i int, to netip.AddrPort, six bool) {
	n := &b.names[i]
	port := to.Port()<<8 | to.Port()>>8
	h := &b.headers[i].Msghdr
	if !six {
		p := (*unix.RawSockaddrInet4)(unsafe.Pointer(n))
		*p = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: to.Addr().As4()}
		h.Namelen = unix.SizeofSockaddrInet4
		return
	}
	*n = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16(), Scope_id: zoneOf(to.Addr())}
	h.Namelen = unix.SizeofSockaddrInet6
}

// Control messages are headers of 16 bytes (12 where words have 32 bits) and
// data, each padded to a word.
const (
	controlHeader = unix.SizeofCmsghdr
	controlAlign  = int(unsafe.Sizeof(uintptr(0)))
)

func controlSpace(n int) int { return (controlHeader + n + controlAlign - 1) &^ (controlAlign - 1) }

// setControl puts the source address and the segment size into place, those of
// the two that are given.
func (b *batch) setControl(i int, from netip.Addr, six bool, segment int) {
	at := 0
	add := func(level, typ, n int) []byte {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b.control[i][at]))
		h.Level, h.Type = int32(level), int32(typ)
		h.SetLen(controlHeader + n)
		data := b.control[i][at+controlHeader : at+controlHeader+n]
		at += controlSpace(n)
		return data
	}
	switch {
	case !from.IsValid():
	case six: // of an IPv4 address in its mapped form
		data := add(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		addr := from.As16()
		copy(data, addr[:])
		binary.NativeEndian.PutUint32(data[16:], zoneOf(from))
	default:
		data := add(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		clear(data)
		addr := from.As4()
		copy(data[4:8], addr[:]) // ipi_spec_dst
	}
	if segment > 0 {
		binary.NativeEndian.PutUint16(add(unix.SOL_UDP, unix.UDP_SEGMENT, 2), uint16(segment))
	}
	h := &b.headers[i].Msghdr
	h.Control = nil
	if at > 0 {
		h.Control = &b.control[i][0]
	}
	h.SetControllen(at)
}

// localAddr finds the local address in the control messages of a datagram, and
// whether that was sent to a group: by multicast or broadcast. On a socket of both
// families a datagram over IPv4 has both messages, of which that of IPv4 comes
// last and knows.
func localAddr(control []byte) (local netip.Addr, many bool) {
	for len(control) >= controlHeader {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		size := int(h.Len)
		if size < controlHeader || size > len(control) {
			break
		}
		data := control[controlHeader:size]
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= 12:
			local = netip.AddrFrom4([4]byte(data[4:8]))    // ipi_spec_dst
			header := netip.AddrFrom4([4]byte(data[8:12])) // ipi_addr
			many = notOne(header)
			if local.IsUnspecified() {
				// It arrived before the kernel was asked to note addresses, as the
				// first one does that wakes a service of systemd. Its header tells.
				local = header
			} else if local != header {
				many = true // a broadcast address of the network
			}
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= 20:
			local = netip.AddrFrom16([16]byte(data)).Unmap()
			if many = notOne(local); local.IsLinkLocalUnicast() {
				local = withZone(local, binary.NativeEndian.Uint32(data[16:]))
			}
		}
		control = control[min(controlSpace(size-controlHeader), len(control)):]
	}
	if many || local.IsUnspecified() {
		return netip.Addr{}, many
	}
	return local, false
}

// notOne reports whether an address is that of many.
func notOne(a netip.Addr) bool {
	return a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// setData puts what is to be sent into place.
func (b *batch) setData(i int, data []byte) {
	b.iovecs[i].Base = &data[0]
	b.iovecs[i].SetLen(len(data))
}

// sendOne sends the first datagram, or train of segments, of the batch.
func (b *batch) sendOne(fd int) error {
	for {
		_, _, errno := syscall.RawSyscall6(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0, 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
			continue
		}
		return errno
	}
}

// sendAll sends the first n datagrams of the batch and returns how many went.
func (b *batch) sendAll(fd, n int) (int, error) {
	for {
		sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), uintptr(n), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(sent), nil
		case syscall.EINTR:
			continue
		}
		return 0, errno
	}
}

// epollWait waits for some milliseconds; negative: for ever. A wait that may
// sleep gives the processor to other goroutines.
func epollWait(fd int, events []unix.EpollEvent, ms int) (int, error) {
	var n uintptr
	var errno syscall.Errno
	if ms == 0 {
		n, _, errno = syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	} else {
		n, _, errno = syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(ms), 0, 0)
	}
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EINTR:
		return 0, nil
	}
	return 0, errno
}
