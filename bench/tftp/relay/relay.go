//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/bench/tftp/internal/mmsg"
)

const (
	atOnce    = 64      // datagrams
	mostBytes = 2048    // of a datagram
	waiting   = 1 << 13 // datagrams that are under way; more are lost
	opRRQ     = 1
	opWRQ     = 2
)

// relay belongs to one goroutine.
type relay struct {
	delay   time.Duration
	server  mmsg.Addr
	front   int
	epoll   int
	events  []unix.EpollEvent
	clients map[mmsg.Addr]*link
	backs   map[int]*link
	in      *mmsg.Batch
	out     *mmsg.Batch
	queue   queue
	began   time.Time
	lost    int // datagrams that could not be sent
}

// link is one client's way through the relay.
type link struct {
	client mmsg.Addr
	back   int       // socket towards the server
	to     mmsg.Addr // where the server last answered from
}

func newRelay(front, server netip.AddrPort, delay time.Duration) (*relay, error) {
	r := &relay{
		delay: delay, server: mmsg.Raw(server), events: make([]unix.EpollEvent, 64), began: time.Now(),
		clients: map[mmsg.Addr]*link{}, backs: map[int]*link{},
		in: mmsg.New(atOnce, mostBytes, true), out: mmsg.New(atOnce, 0, true), queue: newQueue(waiting),
	}
	var err error
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	r.front, err = r.open(front)
	return r, err
}

// open makes a socket.
func (r *relay) open(local netip.AddrPort) (int, error) {
	fd, err := mmsg.Socket(local)
	if err != nil {
		return -1, err
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	return fd, os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &ev))
}

func (r *relay) now() time.Duration { return time.Since(r.began) }

// run passes datagrams on until something fails.
func (r *relay) run() error {
	runtime.LockOSThread()
	for {
		if err := r.turn(-1); err != nil {
			return err
		}
	}
}

// turn waits until something arrives or is due, for a time at most (negative: for
// ever), and deals with it.
func (r *relay) turn(most time.Duration) error {
	d := r.queue.patience(r.now())
	if d < 0 || most >= 0 && most < d {
		d = most
	}
	n, err := mmsg.Wait(r.epoll, r.events, d)
	if err != nil {
		return err
	}
	for i := range n {
		if err := r.take(int(r.events[i].Fd)); err != nil {
			return err
		}
	}
	r.deliver()
	return nil
}

// close closes the sockets.
func (r *relay) close() {
	for fd := range r.backs {
		unix.Close(fd)
	}
	unix.Close(r.front)
	unix.Close(r.epoll)
}

// take takes in what has arrived at a socket.
func (r *relay) take(fd int) error {
	n, err := r.in.Receive(fd)
	if err != nil {
		return err
	}
	due := r.now() + r.delay
	for i := range n {
		from, b := r.in.From(i), r.in.Data(i)
		if r.in.Size(i) > mostBytes {
			return fmt.Errorf("relay: a datagram of %d bytes", r.in.Size(i))
		}
		l := r.backs[fd]
		if l != nil { // the server's
			l.to = from
			r.queue.push(due, r.front, l.client, b)
			continue
		}
		if l, err = r.link(from); err != nil {
			return err
		}
		to := l.to
		if len(b) > 1 && (b[1] == opRRQ || b[1] == opWRQ) {
			to = r.server
		}
		r.queue.push(due, l.back, to, b)
	}
	return nil
}

// link finds a client's, or makes one.
func (r *relay) link(client mmsg.Addr) (*link, error) {
	if l := r.clients[client]; l != nil {
		return l, nil
	}
	back, err := r.open(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	l := &link{client: client, back: back, to: r.server}
	r.clients[client], r.backs[back] = l, l
	return l, nil
}

// deliver sends what is due, with one call for each stretch that leaves by the
// same socket.
func (r *relay) deliver() {
	for now := r.now(); ; {
		n, fd := r.stretch(now)
		if n == 0 {
			return
		}
		sent := 0
		for sent < n {
			for i := sent; i < n; i++ {
				p := r.queue.at(i)
				r.out.Put(i-sent, p.b[:p.n], p.to)
			}
			m, err := r.out.Send(fd, n-sent)
			if m == 0 || err != nil {
				break // what does not go is lost, as on any way
			}
			sent += m
		}
		r.lost += n - sent
		r.queue.drop(n)
	}
}

// stretch is how many parcels at the head of the queue are due and leave by one
// socket.
func (r *relay) stretch(now time.Duration) (n, fd int) {
	for n < r.out.Cap() && n < r.queue.len() {
		p := r.queue.at(n)
		if p.due > now || n > 0 && p.fd != fd {
			break
		}
		fd = p.fd
		n++
	}
	return n, fd
}
