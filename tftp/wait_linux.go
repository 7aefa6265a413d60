package tftp

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// mostDirect is how often in a row a socket may be read without looking whether
	// others have something too.
	mostDirect = 16
	// longestNap is the longest wait that the scheduler is not told of, in
	// milliseconds. It finds out after 10.
	longestNap = int(spinLively / time.Millisecond)
)

func (d *epollDriver) wait(limit time.Duration, working bool, deliver func(*transfer, *datagram)) (more bool, err error) {
	ms := -1
	if limit >= 0 {
		ms = int(min((limit+time.Millisecond-1)/time.Millisecond, 1<<30))
	}
	hot := d.hot
	if d.mixed || hot != nil && hot.closed {
		hot = nil
	}
	d.hot, d.mixed = nil, false
	n, err := d.poll(ms, working, hot, deliver)
	if err != nil {
		return false, os.NewSyscallError("epoll_wait", err)
	}
	more = n == len(d.events)
	for i := range n {
		e := &d.events[i]
		if int(e.Fd) == d.wakefd {
			d.woken.Store(false)
			continue
		}
		// A descriptor may have been closed, and opened again, by what an earlier
		// event brought about.
		if s := d.sockets[e.Fd]; s != nil && s.gen == e.Pad {
			got, err := s.receive(deliver)
			if err != nil && s.owner == nil {
				return false, err
			}
			more = more || got > 1 && got == s.take
		}
	}
	return more, nil
}

// poll is epoll_wait in three steps: a moment of looking, where that pays; a nap
// that the scheduler knows nothing of, as long as packets come and go and no
// goroutine works for us, since telling it costs as much as sending a packet; and
// sleep. What the hot socket has is delivered at once, without an event.
func (d *epollDriver) poll(ms int, working bool, hot *epollSocket, deliver func(*transfer, *datagram)) (int, error) {
	if ms == 0 {
		return epollWait(d.fd, d.events[:], 0, true)
	}
	start := time.Since(d.started)
	spin := d.spinner.wait(start)
	for now := start; spin && now-start < spinFor; now = time.Since(d.started) {
		if n, err := d.look(hot, deliver); n != 0 || err != nil {
			return max(0, n), err
		}
	}
	if d.spinner.lively() && !working {
		nap := longestNap
		if ms > 0 {
			nap = min(nap, ms)
		}
		if n, err := epollWait(d.fd, d.events[:], nap, true); n != 0 || err != nil || nap == ms {
			return n, err
		}
	}
	return epollWait(d.fd, d.events[:], ms, false)
}

// look looks for something once. It returns the number of events, or -1 when it
// has delivered what there was.
func (d *epollDriver) look(hot *epollSocket, deliver func(*transfer, *datagram)) (int, error) {
	if hot == nil || d.direct == mostDirect {
		d.direct = 0
		return epollWait(d.fd, d.events[:], 0, true)
	}
	n, err := hot.receive(deliver)
	if n > 0 {
		d.direct++
		return -1, nil
	}
	return 0, err
}

// sending notes which socket an answer may come to.
func (d *epollDriver) sending(s *epollSocket) {
	if d.hot != nil && d.hot != s {
		d.mixed = true
	}
	d.hot = s
}

// receive takes one batch; what is left is reported again by the next wait.
func (s *epollSocket) receive(deliver func(*transfer, *datagram)) (int, error) {
	in := s.driver.in
	n, err := in.receive(s.fd, s.take)
	switch err {
	case nil:
	case unix.EBADF, unix.ENOTSOCK, unix.EINVAL:
		return 0, os.NewSyscallError("recvmmsg", err)
	}
	d := &s.driver.arrived
	for i := 0; i < n && !s.closed; i++ {
		in.datagram(i, d)
		deliver(s.owner, d)
	}
	return n, nil
}
