//go:build linux

// Command bareuring is no server but a floor, as bareepoll is: a loop on io_uring
// that submits all its receives, sends and accepts in one system call. It parses
// each request and answers a fixed one, and nothing else.
package main

import (
	"bytes"
	"flag"
	"log"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/http1"
	"github.com/burrownet/burrow/internal/uring"
)

const answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\n\r\nHello, World!"

// What the ring's operations are, in the high half of their user data; the low
// half is the descriptor.
const (
	opAccept = iota + 1
	opRecv
	opSend
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to listen on")
	deferred := flag.Bool("defer", false, "bind the ring to one thread (DEFER_TASKRUN), which a loop that is handed over cannot have")
	flag.Parse()
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(serve(f, *deferred))
}

// The sizes of the ring. A batch of answers is at most maxAnswers.
const (
	submissions = 4096
	completions = 16384
	bufferCount = 2048
	bufferSize  = 4096
	maxAnswers  = 64
)

type loop struct {
	ring    *uring.Ring
	bufs    *uring.Buffers
	req     http1.Request
	answers []byte // maxAnswers of them
}

func serve(ln *os.File, deferred bool) error {
	fd := int(ln.Fd())
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	p := uring.Params{Flags: uring.SetupSubmitAll | uring.SetupCoopTaskrun | uring.SetupTaskrunFlag, CQEntries: completions}
	if deferred {
		runtime.LockOSThread()
		p.Flags = uring.SetupSubmitAll | uring.SetupSingleIssuer | uring.SetupDeferTaskrun | uring.SetupTaskrunFlag
	}
	ring, err := uring.Setup(submissions, p)
	if err != nil {
		return err
	}
	l := &loop{ring: ring, answers: bytes.Repeat([]byte(answer), maxAnswers)}
	if l.bufs, err = ring.NewBuffers(uring.BuffersParams{Count: bufferCount, Size: bufferSize}); err != nil {
		return err
	}
	l.accept(fd)
	for {
		for c, ok := ring.Pop(); ok; c, ok = ring.Pop() {
			l.done(c, fd)
		}
		if _, err := ring.Submit(0); err != nil {
			return err
		}
		if ring.Ready() > 0 {
			continue
		}
		if _, err := ring.Wait(1, -1); err != nil {
			return err
		}
	}
}

func (l *loop) next() *uring.SQE {
	s := l.ring.Next()
	for s == nil {
		l.ring.Submit(0)
		s = l.ring.Next()
	}
	return s
}

func (l *loop) accept(fd int) {
	s := l.next()
	s.Accept(fd, unix.SOCK_CLOEXEC)
	s.UserData = opAccept << 32
}

func (l *loop) recv(fd int) {
	s := l.next()
	s.RecvMultishot(fd, 0)
	s.UserData = opRecv<<32 | uint64(fd)
}

func (l *loop) done(c uring.CQE, ln int) {
	fd := int(uint32(c.UserData))
	switch c.UserData >> 32 {
	case opAccept:
		if c.Res >= 0 {
			l.recv(int(c.Res))
		}
		if !c.More() {
			l.accept(ln)
		}
	case opRecv:
		if c.HasBuffer() {
			l.answer(fd, &c)
		}
		switch {
		case c.More():
		case c.Res > 0 || c.Res == -int32(unix.ENOBUFS):
			l.recv(fd)
		default:
			unix.Close(fd)
		}
	}
}

// answer sends an answer for each request that c has brought.
func (l *loop) answer(fd int, c *uring.CQE) {
	data, id := l.bufs.Take(c)
	n := 0
	for len(data) > 0 && n < maxAnswers {
		used, err := l.req.Parse(data, 0)
		if err != nil || used == 0 {
			break
		}
		data = data[used:]
		n++
	}
	l.bufs.Put(id)
	if n > 0 {
		s := l.next()
		s.Send(fd, l.answers[:n*len(answer)], 0)
		s.UserData = opSend<<32 | uint64(fd)
		s.Flags |= uring.SQECQESkipSuccess
	}
}
