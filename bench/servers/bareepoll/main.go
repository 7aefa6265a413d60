//go:build linux

// Command bareepoll is no server but a floor: an event loop that parses each
// request and answers a fixed one, with one read and one send for all that has
// arrived, and nothing else. It has no deadlines, forgets an incomplete request,
// and drops what a socket does not take. What it costs is the kernel's share plus
// the parser.
package main

import (
	"flag"
	"log"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/http1"
)

const answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\n\r\nHello, World!"

// maxEvents bounds the events of one wait.
const maxEvents = 128

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(serve(f))
}

func serve(ln *os.File) error {
	fd := int(ln.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := watch(ep, fd); err != nil {
		return err
	}
	l := &loop{ep: ep, ln: fd, in: make([]byte, 64<<10)}
	for {
		if err := l.turn(); err != nil {
			return err
		}
	}
}

func watch(ep, fd int) error {
	return unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fd)})
}

type loop struct {
	ep, ln  int
	events  [maxEvents]unix.EpollEvent
	in, out []byte
	req     http1.Request
}

// turn works off what has arrived; it waits only when nothing has.
func (l *loop) turn() error {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.ep), uintptr(unsafe.Pointer(&l.events[0])), maxEvents, 0, 0, 0)
	if n == 0 {
		n, _, errno = syscall.Syscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.ep), uintptr(unsafe.Pointer(&l.events[0])), maxEvents, ^uintptr(0), 0, 0)
	}
	if errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return errno
	}
	for i := range int(n) {
		fd := int(l.events[i].Fd)
		if fd == l.ln {
			l.accept()
		} else {
			l.serve(fd)
		}
	}
	return nil
}

func (l *loop) accept() {
	for {
		fd, _, err := unix.Accept4(l.ln, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		if watch(l.ep, fd) != nil {
			unix.Close(fd)
		}
	}
}

func (l *loop) serve(fd int) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&l.in[0])), uintptr(len(l.in)))
	if errno == unix.EAGAIN {
		return
	}
	if errno != 0 || n == 0 {
		unix.Close(fd)
		return
	}
	l.out = l.out[:0]
	for in := l.in[:n]; len(in) > 0; {
		used, err := l.req.Parse(in, 0)
		if err != nil || used == 0 {
			break
		}
		in = in[used:]
		l.out = append(l.out, answer...)
	}
	if len(l.out) > 0 {
		syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&l.out[0])), uintptr(len(l.out)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
	}
}
