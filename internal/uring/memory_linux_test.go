package uring

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOperationsMoveToTheHeap sends from a variable that would be on a stack,
// which grows, and so moves, before the kernel reads it.
func TestOperationsMoveToTheHeap(t *testing.T) {
	r := setup(t, 8, Params{})
	near, far := pair(t)
	done := make(chan bool)
	go func() { // on a new, small stack
		defer close(done)
		var text [5]byte
		copy(text[:], "hello")
		r.Next().Send(near, text[:], 0)
		grow(1000)
		r.Submit(0)
	}()
	<-done
	want(t, r, 0, 5)
	buf := make([]byte, 8)
	if n, err := unix.Read(far, buf); err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("got %q, %v", buf[:n], err)
	}
	if n := testing.AllocsPerRun(10, func() {
		var text [5]byte
		s := r.Next()
		s.Send(-1, text[:], 0)
		r.Submit(0)
		r.Pop()
	}); n < 1 {
		t.Errorf("%v allocations: the memory of an operation is on the stack", n)
	}
}

// TestRaceDetector passes variables along with messages to a ring and back:
// nothing to complain of for the race detector.
func TestRaceDetector(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		b := group(t, r, BuffersParams{Group: 1, Count: 4, Size: 8})
		near, far := pair(t)
		next(t, r, 1).RecvMultishot(near, 1)
		var there, back int
		done := make(chan bool, 1)
		go func() {
			for i := range 100 {
				there = i
				syscall.Write(far, []byte("?"))
				syscall.Read(far, make([]byte, 1))
				if back != i {
					t.Errorf("got %d, want %d", back, i)
				}
			}
			done <- true
		}()
		for range 100 {
			arrived(b, want(t, r, 1, 1))
			back = there
			next(t, r, 2).Send(near, []byte("!"), 0)
			want(t, r, 2, 1)
		}
		<-done
	})
}

//go:noinline
func grow(n int) int {
	var room [256]byte
	if n == 0 {
		return int(room[os.Getpid()%256])
	}
	return grow(n-1) + int(room[n%256])
}

// TestNoAllocations is the budget of the hot path: none.
func TestNoAllocations(t *testing.T) {
	r := setup(t, 8, Params{})
	b := group(t, r, BuffersParams{Group: 1, Count: 4, Size: 64})
	near, far := pair(t)
	next(t, r, 1).RecvMultishot(near, 1)
	msg := []byte("message")
	got := 0
	if n := testing.AllocsPerRun(100, func() {
		r.Next().Send(far, msg, 0)
		r.Submit(0)
		r.Wait(2, patience)
		for c, ok := r.Pop(); ok; c, ok = r.Pop() {
			for c.HasBuffer() {
				data, id := b.Take(&c)
				got += len(data)
				b.Put(id)
			}
		}
	}); n != 0 || got == 0 {
		t.Errorf("%v allocations for %d bytes, want 0", n, got)
	}
}
