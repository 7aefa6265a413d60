//go:build linux

// Command wsbareepoll is no server but a floor: an event loop that unmasks each
// message and sends it back, with one read and one send for all that has arrived, and
// nothing else. It knows neither fragments nor control frames, has no deadlines, takes
// every message as a whole, and drops what a socket does not take. What it costs is
// the kernel's share plus the frames. With -broadcast a message that begins with "all "
// goes to all connections, with one send for each.
package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"flag"
	"log"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/bench/internal/wspeer"
	"github.com/burrownet/burrow/internal/wsframe"
)

// maxEvents bounds the events of one wait.
const maxEvents = 128

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to listen on")
	broadcast := flag.Bool("broadcast", false, `send a message that begins with "all " to every connection`)
	flag.Parse()
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(serve(f, *broadcast))
}

func serve(ln *os.File, broadcast bool) error {
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
	l := &loop{ep: ep, ln: fd, broadcast: broadcast, in: make([]byte, 64<<10)}
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
	open    []bool // by descriptor: it was upgraded

	broadcast bool
	message   []byte // the last one; valid until the next turn
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
		for len(l.open) <= fd {
			l.open = append(l.open, false)
		}
		l.open[fd] = false
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
		l.open[fd] = false
		unix.Close(fd)
		return
	}
	if l.out = l.out[:0]; l.open[fd] {
		l.message = nil
		if l.echo(l.in[:n]); l.broadcast && wspeer.ToAll(l.message) {
			l.toAll()
			return
		}
	} else {
		l.open[fd] = true
		l.upgrade(l.in[:n])
	}
	if len(l.out) > 0 {
		l.send(fd)
	}
}

func (l *loop) send(fd int) {
	syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&l.out[0])), uintptr(len(l.out)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
}

func (l *loop) toAll() {
	for fd, open := range l.open {
		if open {
			l.send(fd)
		}
	}
}

// echo has all messages sent back.
func (l *loop) echo(in []byte) {
	for len(in) > 0 {
		r := wsframe.Reader{Server: true}
		f, n, err := r.Next(in)
		if err != nil || n == 0 {
			return
		}
		in = in[n:]
		l.message = f.Payload
		l.out = wsframe.AppendHeader(l.out, wsframe.Header{Opcode: f.Opcode, Fin: true, Length: f.Length})
		l.out = append(l.out, f.Payload...)
	}
}

// upgrade answers a handshake (RFC 6455 4.2.2).
func (l *loop) upgrade(in []byte) {
	const field = "Sec-WebSocket-Key: "
	_, key, _ := bytes.Cut(in, []byte(field))
	key, _, _ = bytes.Cut(key, []byte("\r\n"))
	sum := sha1.Sum(append(bytes.Clone(key), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	l.out = append(l.out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	l.out = base64.StdEncoding.AppendEncode(l.out, sum[:])
	l.out = append(l.out, "\r\n\r\n"...)
}
