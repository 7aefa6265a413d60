//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/bench/internal/procstat"
	"github.com/burrownet/burrow/bench/tftp/internal/mmsg"
	"github.com/burrownet/burrow/bench/tftp/internal/report"
)

const (
	maxClients = 4000
	atOnce     = 64   // datagrams
	mostBytes  = 2048 // that are kept of a datagram
	lookEvery  = 100 * time.Millisecond
	weighings  = 4 // of the server's memory, spread over a run
)

// crowd are all fetches of a run.
type crowd struct {
	*options
	fetches []fetch
	epoll   int
	events  []unix.EpollEvent
	whole   *mmsg.Batch // keeps what comes
	slim    *mmsg.Batch // keeps the headers only
	out     *mmsg.Batch
	tree    *tree

	left         int // fetches that have not ended
	bytes        int64
	total        int64
	looked       time.Time
	nextWeighing int64
}

func newCrowd(o *options) (*crowd, error) {
	c := &crowd{
		options: o, fetches: make([]fetch, o.clients), events: make([]unix.EpollEvent, 256), left: o.clients, total: o.size * int64(o.clients),
		whole: mmsg.New(atOnce, mostBytes, true), slim: mmsg.New(atOnce, headerSize, false), out: mmsg.New(1, 0, true),
	}
	var err error
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	for i := range c.fetches {
		if err := c.open(i); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// source is the address of a client: of many, each has one of its own, as servers
// have limits for one.
func source(i, clients int) netip.AddrPort {
	if clients == 1 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 2, byte(i / 200), byte(1 + i%200)}), 0)
}

// open readies client i.
func (c *crowd) open(i int) error {
	f := &c.fetches[i]
	fd, err := mmsg.Socket(source(i, c.clients))
	if err != nil {
		return err
	}
	*f = fetch{
		fd: fd, to: mmsg.Raw(c.server), request: newRequest(c.file, c.blksize, c.window), blksize: 512, window: 1,
		verify: i < c.verify,
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &ev))
}

func (c *crowd) close() {
	for i := range c.fetches {
		unix.Close(c.fetches[i].fd)
	}
	unix.Close(c.epoll)
}

// run fetches, all at once.
func (c *crowd) run() (*report.Result, error) {
	var err error
	if c.tree, err = newTree(c.pid); err != nil {
		return nil, err
	}
	mine, err := procstat.CPU(os.Getpid())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for i := range c.fetches {
		if err := c.fetches[i].ask(c.out, began); err != nil {
			return nil, err
		}
	}
	for now := began; c.left > 0; now = time.Now() {
		if now.Sub(began) > c.timeout {
			break // what there is by then is a result too
		}
		if err := c.turn(now); err != nil {
			return nil, err
		}
	}
	r := &report.Result{Elapsed: time.Since(began), Bytes: c.bytes}
	if r.ServerCPU, err = c.tree.cpu(); err != nil {
		return nil, err
	}
	c.tree.weigh()
	if r.LoadCPU, err = procstat.CPU(os.Getpid()); err != nil {
		return nil, err
	}
	r.LoadCPU -= mine
	r.Rest, r.Peak = c.tree.rest, c.tree.peak
	c.settle(r)
	return r, nil
}

// turn waits for something and takes it in; a single client that spins looks a
// number of times.
func (c *crowd) turn(now time.Time) error {
	c.watch(now)
	if c.spin {
		for i := 0; i < 64 && c.left > 0; i++ {
			c.receive(&c.fetches[0], now)
		}
		return nil
	}
	n, err := mmsg.Wait(c.epoll, c.events, 100*time.Millisecond)
	now = time.Now()
	for i := range n {
		c.receive(&c.fetches[c.events[i].Fd], now)
	}
	return err
}

// watch is what is to be done now and then.
func (c *crowd) watch(now time.Time) {
	if now.Sub(c.looked) < lookEvery {
		return
	}
	c.looked = now
	if c.clients > 1 {
		c.tree.look() // some children end before the others
		if c.bytes > c.nextWeighing {
			c.tree.weigh()
			c.nextWeighing += c.total / weighings
		}
	}
	for i := range c.fetches {
		f := &c.fetches[i]
		if f.complete || f.failure != nil {
			continue
		}
		if f.nudge(c.out, now); f.failure != nil {
			c.left--
		}
	}
}

// receive takes in what one client has got.
func (c *crowd) receive(f *fetch, now time.Time) {
	in := c.whole
	if f.answered && !f.verify {
		in = c.slim
	}
	n, err := in.Receive(f.fd)
	if n == 0 && err == nil {
		return
	}
	ended, before := f.complete || f.failure != nil, f.bytes
	if err != nil {
		f.failure = err
	}
	f.heard = now
	for i := range n {
		if !f.answered {
			// RFC 1350 4: the port of the first answer is the server's.
			f.answered = true
			if err := mmsg.Connect(f.fd, in.From(i)); err != nil {
				f.failure = err
			}
		}
		f.take(in.Data(i), in.Size(i))
	}
	c.bytes += f.bytes - before
	if ended || !f.complete && f.failure == nil {
		return
	}
	c.left--
	if c.clients > 1 {
		f.finish()
	}
}

// settle says goodbye and looks at what came.
func (c *crowd) settle(r *report.Result) {
	for i := range c.fetches {
		f := &c.fetches[i]
		if f.complete && !f.done {
			f.finish()
		}
		switch {
		case f.failure != nil:
		case !f.complete:
			f.failure = fmt.Errorf("not done after %s", c.timeout)
		case f.bytes != c.size:
			f.failure = fmt.Errorf("%d bytes instead of %d", f.bytes, c.size)
		case f.verify && f.sum != c.want:
			f.failure = fmt.Errorf("checksum %08x instead of %08x", f.sum, c.want)
		case f.verify:
			r.Verified++
		}
		if f.failure != nil {
			if r.Failed++; r.Failed == 1 {
				r.FirstError = fmt.Sprintf("client %d: %v", i, f.failure)
			}
		}
		r.Resent += f.resent
		r.Behind += f.behind
	}
	r.Granted = c.fetches[0].granted
}
