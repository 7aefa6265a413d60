//go:build linux

package main

import (
	"bufio"
	"errors"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// maxEvents bounds the events of one wait.
const maxEvents = 128

// poller reads connections that have something to read, one after the other.
type poller struct {
	ep    int
	mu    sync.Mutex
	conns map[int32]net.Conn // guarded by mu
}

func newPoller() (*poller, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{ep: ep, conns: map[int32]net.Conn{}}, err
}

// add gives an upgraded connection to the poller.
func (p *poller) add(c net.Conn) {
	if p.watch(c) != nil {
		c.Close()
	}
}

func (p *poller) watch(c net.Conn) error {
	tc, ok := c.(*net.TCPConn)
	if !ok {
		return errors.New("wsgobwas: -epoll takes plain connections only")
	}
	raw, err := tc.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Control(func(fd uintptr) {
		p.mu.Lock()
		p.conns[int32(fd)] = c
		p.mu.Unlock()
		ok = unix.EpollCtl(p.ep, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}) == nil
	})
	if err == nil && !ok {
		err = errors.New("wsgobwas: epoll_ctl failed")
	}
	return err
}

// run is the loop.
func (p *poller) run() error {
	var events [maxEvents]unix.EpollEvent
	r := bufio.NewReaderSize(nil, 64<<10)
	for {
		n, err := unix.EpollWait(p.ep, events[:], -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			p.mu.Lock()
			c := p.conns[e.Fd]
			p.mu.Unlock()
			if p.read(c, r) != nil {
				p.mu.Lock()
				delete(p.conns, e.Fd)
				p.mu.Unlock()
				c.Close()
			}
		}
	}
}

// read echoes what has arrived; it waits for the end of a message that has begun.
func (p *poller) read(c net.Conn, r *bufio.Reader) error {
	r.Reset(c)
	for {
		if err := echo(c, r); err != nil || r.Buffered() == 0 {
			return err
		}
	}
}
