//go:build linux

package mmsg

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// header is struct mmsghdr.
type header struct {
	unix.Msghdr
	n uint32
}

// Addr is an IPv4 address with its port as the kernel has it.
type Addr = unix.RawSockaddrInet4

// Batch is up to a number of datagrams on their way in or out. Not safe for
// concurrent use.
type Batch struct {
	headers []header
	iovecs  []unix.Iovec
	names   []Addr
	data    []byte
	room    int
	named   bool
}

// New makes a batch of n datagrams. Of each that is received, room bytes are
// kept; room 0 is for sending. named says that addresses come or go with them.
func New(n, room int, named bool) *Batch {
	b := &Batch{
		headers: make([]header, n), iovecs: make([]unix.Iovec, n), names: make([]Addr, n),
		data: make([]byte, n*room), room: room, named: named,
	}
	for i := range b.headers {
		h := &b.headers[i].Msghdr
		h.Iov = &b.iovecs[i]
		h.SetIovlen(1)
		if named {
			h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		}
		if room > 0 {
			b.iovecs[i].Base = &b.data[i*room]
			b.iovecs[i].SetLen(room)
		}
	}
	return b
}

// Cap is how many datagrams the batch holds.
func (b *Batch) Cap() int { return len(b.headers) }

// Receive takes what has arrived; 0 when nothing has. An error of the socket
// that an earlier send brought about (nobody listens there) is nothing too.
func (b *Batch) Receive(fd int) (int, error) {
	if b.named {
		for i := range b.headers {
			b.headers[i].Namelen = unix.SizeofSockaddrInet4
		}
	}
	for {
		// MSG_TRUNC: Size is that of the datagram, whatever room there is.
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), uintptr(len(b.headers)), unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN, syscall.ECONNREFUSED:
			return 0, nil
		default:
			return 0, fmt.Errorf("mmsg: receive: %w", errno)
		}
	}
}

// Size is how long datagram i was.
func (b *Batch) Size(i int) int { return int(b.headers[i].n) }

// Data is what was kept of datagram i, until the next Receive.
func (b *Batch) Data(i int) []byte {
	return b.data[i*b.room : i*b.room+min(b.room, b.Size(i))]
}

// From is where datagram i came from.
func (b *Batch) From(i int) Addr { return b.names[i] }

// Put makes data the datagram i, to be sent to an address; it is borrowed until
// then.
func (b *Batch) Put(i int, data []byte, to Addr) {
	b.iovecs[i].Base = unsafe.SliceData(data)
	b.iovecs[i].SetLen(len(data))
	b.names[i] = to
	b.headers[i].Namelen = unix.SizeofSockaddrInet4
}

// Send sends the first n datagrams and returns how many went.
func (b *Batch) Send(fd, n int) (int, error) {
	for {
		sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), uintptr(n), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(sent), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, fmt.Errorf("mmsg: send: %w", errno)
		}
	}
}

// Write sends one datagram on a connected socket. Whether it went is for who
// waits for an answer to find out.
func Write(fd int, b []byte) {
	_, _, _ = syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
}

// Socket opens a non-blocking UDP socket on a local address (port 0: any) with as
// much room to receive as the system gives.
func Socket(local netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("mmsg: socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("mmsg: receive buffer: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(local.Port()), Addr: local.Addr().As4()}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("mmsg: bind %s: %w", local, err)
	}
	return fd, nil
}

// Connect has the socket send to an address and receive from it alone.
func Connect(fd int, to Addr) error {
	sa := &unix.SockaddrInet4{Port: int(swap(to.Port)), Addr: to.Addr}
	if err := unix.Connect(fd, sa); err != nil {
		return fmt.Errorf("mmsg: connect: %w", err)
	}
	return nil
}

// Raw is an address as the kernel has it.
func Raw(a netip.AddrPort) Addr {
	return Addr{Family: unix.AF_INET, Port: swap(a.Port()), Addr: a.Addr().As4()}
}

// swap turns a port from or to the order of the network, on a machine that has
// the low byte first as all have that this runs on.
func swap(p uint16) uint16 { return p<<8 | p>>8 }

// Wait is epoll_wait with a limit to the nanosecond; negative: none. When limit
// is 0 the scheduler is not told.
func Wait(epoll int, events []unix.EpollEvent, limit time.Duration) (int, error) {
	var n uintptr
	var errno syscall.Errno
	ts := unix.NsecToTimespec(int64(max(0, limit)))
	switch {
	case limit == 0:
		n, _, errno = syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	case limit < 0:
		n, _, errno = syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0), 0, 0)
	default:
		n, _, errno = syscall.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	}
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EINTR:
		return 0, nil
	}
	return 0, fmt.Errorf("mmsg: wait: %w", errno)
}
