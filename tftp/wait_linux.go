package tftp

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// everyDirect is which look asks epoll though one socket is expected to have
// something: others may have, too.
const everyDirect = 16

// wait looks for a moment first, where that pays, and then sleeps.
func (d *epollDriver) wait(limit time.Duration, deliver func(*transfer, *datagram)) (more bool, err error) {
	ms := -1
	if limit >= 0 {
		ms = int(min((limit+time.Millisecond-1)/time.Millisecond, 1<<30))
	}
	n := 0
	if ms != 0 {
		spin := d.spinner.wait(time.Since(d.started), d.packets)
		d.packets = 0
		if spin {
			if n, more, err = d.look(deliver); n < 0 || err != nil {
				return more, err
			}
		}
	}
	if n == 0 {
		if n, err = epollWait(d.fd, d.events[:], ms); err != nil {
			return false, os.NewSyscallError("epoll_wait", err)
		}
	}
	return d.dispatch(n, deliver)
}

// look waits for events without sleeping, for a moment. The socket that alone had
// something last is asked itself: n is negative when it had something again.
func (d *epollDriver) look(deliver func(*transfer, *datagram)) (n int, more bool, err error) {
	hot := d.hot
	if d.looks++; d.looks%everyDirect == 0 {
		hot = nil
	}
	start := time.Since(d.started)
	for now := start; now-start < spinFor; now = time.Since(d.started) {
		if hot == nil {
			if n, err = epollWait(d.fd, d.events[:], 0); n != 0 || err != nil {
				return n, false, os.NewSyscallError("epoll_wait", err)
			}
		} else if n, more, err = hot.receive(deliver); n != 0 || err != nil {
			return -1, more, err
		}
	}
	return 0, false, nil
}

// dispatch takes in what n events are about.
func (d *epollDriver) dispatch(n int, deliver func(*transfer, *datagram)) (more bool, err error) {
	d.hot = nil
	more = n == len(d.events)
	for i := range n {
		e := &d.events[i]
		if int(e.Fd) == d.wakefd {
			d.woken.Store(false)
			continue
		}
		// A descriptor may have been closed, and opened again, by what an earlier
		// event brought about.
		s := d.sockets[e.Fd]
		if s == nil || s.gen != e.Pad {
			continue
		}
		_, left, err := s.receive(deliver)
		if err != nil {
			return false, err
		}
		more = more || left
		if n == 1 && !s.closed {
			d.hot = s
		}
	}
	return more, nil
}

// receive takes one batch; what is left, and may be more, is reported again by the
// next wait. An error is that of the listening socket.
func (s *epollSocket) receive(deliver func(*transfer, *datagram)) (n int, more bool, err error) {
	in := s.driver.in
	n, err = in.receive(s.fd, s.take)
	switch err {
	case nil:
	case unix.EBADF, unix.ENOTSOCK, unix.EINVAL:
		if s.owner == nil {
			return 0, false, os.NewSyscallError("recvmmsg", err)
		}
	}
	s.driver.packets += n
	d := &s.driver.arrived
	for i := 0; i < n && !s.closed; i++ {
		in.datagram(i, d)
		deliver(s.owner, d)
	}
	return n, n > 1 && n == s.take, nil
}
