package uring

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// largeSize is what BenchmarkLarge moves at a time, in bytes.
const largeSize = 1 << 20

// BenchmarkLarge sends a megabyte over TCP on this machine to a peer that throws it away without copying it: from
// memory with send and with zero-copy send, and from a file with sendfile and with splice through a pipe.
func BenchmarkLarge(b *testing.B) {
	run := func(b *testing.B, send func(fd, n int) int) {
		near, far := tcp(b)
		done := make(chan struct{})
		go func() {
			drain(far)
			close(done)
		}()
		b.SetBytes(largeSize)
		for b.Loop() {
			for left := largeSize; left > 0; {
				n := send(near, left)
				if n <= 0 {
					b.Fatal("nothing was sent: ", n)
				}
				left -= n
			}
		}
		unix.Shutdown(near, unix.SHUT_WR)
		<-done
	}
	data := make([]byte, largeSize)
	b.Run("send", func(b *testing.B) {
		r := benchRing(b, cooperative)
		run(b, func(fd, n int) int {
			r.Next().Send(fd, data[:n], unix.MSG_WAITALL)
			return int(one(b, r).Res)
		})
	})
	b.Run("sendzc", func(b *testing.B) {
		r := benchRing(b, cooperative)
		run(b, func(fd, n int) int {
			r.Next().SendZC(fd, data[:n], unix.MSG_WAITALL)
			c := one(b, r)
			for more := c.More(); more; more = one(b, r).More() {
			}
			return int(c.Res)
		})
	})
	b.Run("sendfile", func(b *testing.B) {
		f := file(b, data)
		run(b, func(fd, n int) int {
			at := int64(largeSize - n)
			sent, err := unix.Sendfile(fd, int(f.Fd()), &at, n)
			if err != nil {
				b.Fatal(err)
			}
			return sent
		})
	})
	b.Run("splice", func(b *testing.B) {
		r := benchRing(b, cooperative)
		f := file(b, data)
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			b.Fatal(err)
		}
		defer unix.Close(pipe[0])
		defer unix.Close(pipe[1])
		run(b, func(fd, n int) int {
			n = min(n, 64<<10) // what a pipe holds
			s := r.Next()
			s.Splice(int(f.Fd()), uint64(largeSize-n), pipe[1], CurrentOffset, uint32(n), 0)
			s.Flags |= SQELink
			r.Next().Splice(pipe[0], CurrentOffset, fd, CurrentOffset, uint32(n), 0)
			one(b, r)
			return int(one(b, r).Res)
		})
	})
}

// drain throws away what comes until the end.
func drain(nc net.Conn) {
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, largeSize)
	for n := 1; n > 0; {
		raw.Read(func(fd uintptr) bool {
			var err error
			n, _, err = unix.Recvfrom(int(fd), buf, unix.MSG_TRUNC)
			return err != unix.EAGAIN
		})
	}
}
