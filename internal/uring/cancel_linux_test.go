package uring

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/leak"
)

func TestCancel(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 16, p)
		a, _ := pair(t)
		b, _ := pair(t)
		for i, fd := range []int{a, a, b, b, b} {
			s := next(t, r, uint64(i/2))
			s.Recv(fd, make([]byte, 8))
		}
		next(t, r, 10).Cancel(99, 0)
		want(t, r, 10, errno(syscall.ENOENT))
		for _, tc := range []struct {
			cancel func(*SQE)
			res    int32
			ended  []uint64
		}{
			{func(s *SQE) { s.Cancel(1, CancelAll) }, 2, []uint64{1, 1}},
			{func(s *SQE) { s.CancelFD(b) }, 1, []uint64{2}},
			{func(s *SQE) { s.CancelAny() }, 2, []uint64{0, 0}},
			{func(s *SQE) { s.CancelAny() }, 0, nil},
		} {
			s := next(t, r, 0)
			tc.cancel(s)
			s.UserData = 10
			var ended []uint64
			for range len(tc.ended) + 1 {
				c := one(t, r)
				switch {
				case c.UserData == 10 && c.Res != tc.res:
					t.Fatalf("cancel: %d, want %d", c.Res, tc.res)
				case c.UserData == 10:
				case c.Res != errno(syscall.ECANCELED):
					t.Fatalf("cancelled: %+v", c)
				default:
					ended = append(ended, c.UserData)
				}
			}
			if !slices.Equal(ended, tc.ended) {
				t.Fatalf("ended %v, want %v", ended, tc.ended)
			}
		}
		none(t, r)
	})
}

// TestCancelRace cancels a receive while its bytes arrive: they come with the
// completion or stay in the socket, and each operation ends once.
func TestCancelRace(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		b := group(t, r, BuffersParams{Group: 1, Count: 4, Size: 8})
		near, far := pair(t)
		start := make(chan bool)
		var writer sync.WaitGroup
		writer.Go(func() {
			for range start {
				unix.Write(far, []byte("x"))
			}
		})
		defer writer.Wait()
		defer close(start)
		came, stayed := 0, 0
		for i := range 2000 {
			next(t, r, 1).RecvMultishot(near, 1)
			if _, err := r.Submit(0); err != nil {
				t.Fatal(err)
			}
			start <- true
			for range i % 16 { // now and then the bytes are first
				if _, err := r.Submit(0); err != nil {
					t.Fatal(err)
				}
			}
			next(t, r, 2).Cancel(1, 0)
			got := ""
			for ends := 0; ends < 2; {
				c := one(t, r)
				got += string(arrived(b, c))
				if !c.More() {
					ends++
				}
			}
			if got == "x" {
				came++
				continue
			}
			stayed++
			buf := make([]byte, 8)
			next(t, r, 3).Recv(near, buf)
			want(t, r, 3, 1)
		}
		t.Logf("came %d, stayed %d", came, stayed)
	})
}

// TestClose closes with everything possible in flight: nothing stays open, and
// what was in flight does not touch its memory any more.
func TestClose(t *testing.T) {
	inModesAlone(t, func(t *testing.T, p Params) {
		before := leak.FDs()
		r := setup(t, 64, p)
		b, err := r.NewBuffers(BuffersParams{Group: 1, Count: 8, Size: 64})
		if err != nil {
			t.Fatal(err)
		}
		w, err := NewWaker()
		if err != nil {
			t.Fatal(err)
		}
		w.Watch(next(t, r, 1), 1)
		buf := make([]byte, 8)
		var far [2]int
		var near int
		for i := range far {
			near, far[i] = pair(t)
			if i == 0 {
				next(t, r, 2).Recv(near, buf)
			} else {
				next(t, r, 3).RecvMultishot(near, 1)
			}
		}
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		// Such a read waits in a thread of the kernel.
		s := next(t, r, 4)
		s.Read(pipe[0], make([]byte, 8), CurrentOffset)
		s.Flags |= SQEAsync
		next(t, r, 5).Timeout(&Timespec{Sec: 60}, 0)
		if _, err := r.Submit(0); err != nil {
			t.Fatal(err)
		}
		for r.Space() > 0 {
			next(t, r, 6).Send(near, []byte("never"), 0)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		checkEnd(t, near, far[1])
		unix.Close(pipe[0])
		if _, err := unix.Write(pipe[1], buf); err != unix.EPIPE {
			t.Errorf("writing to the pipe: %v, want EPIPE: its reader has ended", err)
		}
		checkSilent(t, far[0])
		write(t, far[0], []byte("too late"))
		if string(buf) != string(make([]byte, 8)) {
			t.Errorf("received %q after Close", buf)
		}
		checkClosed(t, r, b)
		w.Close()
		unix.Close(pipe[1])
		// The kernel closes the ring when its last user has left, just after.
		deadline := time.Now().Add(patience)
		for leak.FDs() > before+4 && time.Now().Before(deadline) { // the two pairs
			runtime.Gosched()
		}
		if got := leak.FDs(); got > before+4 {
			t.Errorf("%d descriptors, want %d", got, before+4)
		}
	})
}

// inModesAlone is inModes for tests that count what the process has open.
func inModesAlone(t *testing.T, f func(*testing.T, Params)) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			f(t, Params{Flags: mode.flags})
		})
	}
}

// checkSilent fails when something has arrived at fd.
func checkSilent(t *testing.T, fd int) {
	t.Helper()
	buf := make([]byte, 8)
	n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
	if n > 0 || err != nil && err != unix.EAGAIN {
		t.Errorf("%q arrived, %v", buf[:max(n, 0)], err)
	}
}

// checkEnd closes near: unless an operation still holds it, far hears of it.
func checkEnd(t *testing.T, near, far int) {
	t.Helper()
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Dup3(null, near, unix.O_CLOEXEC) // the number stays taken until the end of the test
	}
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(null)
	fds := []unix.PollFd{{Fd: int32(far), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 0); n != 1 || fds[0].Revents&unix.POLLHUP == 0 {
		t.Errorf("the socket is not closed: poll %d, %#x, %v", n, fds[0].Revents, err)
	}
}

// checkClosed goes through what a closed ring answers.
func checkClosed(t *testing.T, r *Ring, b *Buffers) {
	t.Helper()
	if s := r.Next(); s != nil {
		t.Error("Next gave an SQE")
	}
	if c, ok := r.Pop(); ok {
		t.Errorf("Pop gave %+v", c)
	}
	if r.Ready() != 0 || r.Queued() != 0 || r.Pending() || r.Overflowed() || r.Lost() != 0 {
		t.Error("something is pending")
	}
	_, submit := r.Submit(0)
	_, wait := r.Wait(1, -1)
	_, buffers := r.NewBuffers(BuffersParams{Count: 1, Size: 1})
	_, probe := r.Probe()
	for i, err := range []error{submit, wait, buffers, probe, r.Enable()} {
		if !errors.Is(err, ErrClosed) || !errors.Is(err, os.ErrClosed) {
			t.Errorf("call %d: %v, want ErrClosed", i, err)
		}
	}
	if err := errors.Join(r.Close(), b.Close()); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// canceller answers each SQE with the next of its results, the last one for
// ever.
type canceller struct {
	*fakeKernel
	results []int32
	rounds  int
}

func (k *canceller) enter(_ bool, submit, _, _ uint32, _ *waitArg) (int, syscall.Errno) {
	for range submit {
		k.take()
		k.rounds++
		k.post(CQE{UserData: k.taken[len(k.taken)-1].UserData, Res: k.results[0]})
		if len(k.results) > 1 {
			k.results = k.results[1:]
		}
	}
	return int(submit), 0
}

// TestCloseRounds says what Close finds whenever it asks.
func TestCloseRounds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		results []int32
		rounds  int
		err     error
	}{
		{[]int32{0}, 1, nil},
		{[]int32{1, 0}, 2, nil},
		{[]int32{9, 4, 1, 1, 0}, 5, nil},
		{[]int32{1}, closeRounds, syscall.ETIMEDOUT},
		{[]int32{2, errno(syscall.EINVAL)}, 2, syscall.EINVAL},
	} {
		r, fake := newFake(1, 1, 0, true, &choices{})
		k := &canceller{fakeKernel: fake, results: tc.results}
		r.kernel = k
		if err := r.Close(); !errors.Is(err, tc.err) || k.rounds != tc.rounds {
			t.Errorf("results %v: %d rounds, %v; want %d, %v", tc.results, k.rounds, err, tc.rounds, tc.err)
		}
	}
}

// TestCloseMany closes a ring with more operations than its queue has room for,
// or than one entry to the kernel finishes.
func TestCloseMany(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		const n = 3000
		r := setup(t, 1024, p)
		w, err := NewWaker()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		for range n {
			w.Watch(next(t, r, 1), 1)
			if r.Space() == 0 {
				r.Submit(0)
			}
		}
		r.Submit(0)
		start := time.Now()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("Close took %v", time.Since(start))
	})
}
