package uring

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// benchRing makes a ring for a benchmark, which keeps its thread.
func benchRing(b *testing.B, flags SetupFlags) *Ring {
	runtime.LockOSThread()
	b.Cleanup(runtime.UnlockOSThread)
	b.ReportAllocs()
	return setup(b, 256, Params{Flags: flags})
}

// BenchmarkNop is one operation for each time the kernel is entered.
func BenchmarkNop(b *testing.B) {
	for _, mode := range modes {
		b.Run("raw/"+mode.name, func(b *testing.B) {
			r := benchRing(b, mode.flags)
			for b.Loop() {
				r.Next().Nop()
				r.Submit(0)
				r.Pop()
			}
		})
		b.Run("blocking/"+mode.name, func(b *testing.B) {
			r := benchRing(b, mode.flags)
			for b.Loop() {
				r.Next().Nop()
				r.Wait(1, -1)
				r.Pop()
			}
		})
	}
}

// BenchmarkPop is what a completion costs beside the kernel: a batch of Nops.
func BenchmarkPop(b *testing.B) {
	r := benchRing(b, deferred)
	for b.Loop() {
		for range 128 {
			r.Next().Nop()
		}
		r.Submit(0)
		for range 128 {
			r.Pop()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/128, "ns/nop")
}

// BenchmarkSends sends 64 bytes to each of 64 sockets: with one system call
// each, or all in one Submit, with and without completions of what succeeds.
// The peers' buffers are emptied every 16th time.
func BenchmarkSends(b *testing.B) {
	const n = 64
	msg, buf := make([]byte, 64), make([]byte, 4<<10)
	run := func(b *testing.B, sends func(fds []int)) {
		var near, far [n]int
		for i := range near {
			near[i], far[i] = pair(b)
		}
		turns := 0
		for b.Loop() {
			sends(near[:])
			if turns++; turns%16 != 0 {
				continue
			}
			for _, fd := range far {
				syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), unix.MSG_DONTWAIT, 0, 0)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/message")
	}
	b.Run("calls", func(b *testing.B) {
		run(b, func(fds []int) {
			for _, fd := range fds {
				syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&msg[0])), uintptr(len(msg)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
			}
		})
	})
	for _, mode := range modes {
		for _, skip := range []uint8{0, SQECQESkipSuccess} {
			b.Run(fmt.Sprintf("ring/%s/skip=%v", mode.name, skip != 0), func(b *testing.B) {
				r := benchRing(b, mode.flags)
				run(b, func(fds []int) {
					for _, fd := range fds {
						s := r.Next()
						s.Send(fd, msg, 0)
						s.Flags |= skip
					}
					r.Submit(0)
					for _, ok := r.Pop(); ok; _, ok = r.Pop() {
					}
				})
			})
		}
	}
}

// BenchmarkReceive is 64 messages that come in through multishot receives and
// are looked at: written by 64 system calls, reaped by one.
func BenchmarkReceive(b *testing.B) {
	const n = 64
	msg := make([]byte, 64)
	for _, mode := range modes {
		for _, incremental := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/incremental=%v", mode.name, incremental), func(b *testing.B) {
				r := benchRing(b, mode.flags)
				g := group(b, r, BuffersParams{Group: 1, Count: 128, Size: 4 << 10, Incremental: incremental})
				var far [n]int
				for i := range far {
					near, other := pair(b)
					far[i] = other
					r.Next().RecvMultishot(near, 1)
				}
				r.Submit(0)
				for b.Loop() {
					for _, fd := range far {
						syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&msg[0])), uintptr(len(msg)), 0, 0, 0)
					}
					for got := 0; got < n*len(msg); {
						r.Submit(0)
						for c, ok := r.Pop(); ok; c, ok = r.Pop() {
							data, id := g.Take(&c)
							got += len(data)
							g.Put(id)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/message")
			})
		}
	}
}

// BenchmarkWake is a wake-up of a ring that is busy, from its own thread: what
// it costs, not how long it takes to arrive.
func BenchmarkWake(b *testing.B) {
	for _, mode := range modes {
		b.Run("eventfd/"+mode.name, func(b *testing.B) {
			r := benchRing(b, mode.flags)
			w, err := NewWaker()
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { w.Close() })
			w.Watch(r.Next(), 1)
			r.Submit(0)
			for b.Loop() {
				w.Wake()
				r.Submit(0)
				c, ok := r.Pop()
				if !ok || w.Woken(c) {
					b.Fatal("no wake-up")
				}
			}
		})
		b.Run("msgring/"+mode.name, func(b *testing.B) {
			r := benchRing(b, mode.flags)
			from := setup(b, 8, Params{Flags: mode.flags})
			for b.Loop() {
				s := from.Next()
				s.MsgRing(r.FD(), 1, 1)
				s.Flags |= SQECQESkipSuccess
				from.Submit(0)
				r.Submit(0)
				if _, ok := r.Pop(); !ok {
					b.Fatal("no wake-up")
				}
			}
		})
	}
}
