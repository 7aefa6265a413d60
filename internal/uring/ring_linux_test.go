package uring

import (
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNops sends so many through a small ring that places are used again and
// again, and that both queues are full at times.
func TestNops(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		sent, got := uint64(0), uint64(0)
		for got < 10_000 {
			for sent < 10_000 && r.Space() > 0 {
				next(t, r, sent).Nop()
				sent++
			}
			if n, err := r.Submit(int(sent % 5)); err != nil || sent%5 > 0 && n > int(sent%5) {
				t.Fatalf("Submit(%d) = %d, %v", sent%5, n, err)
			}
			for c, ok := r.Pop(); ok; c, ok = r.Pop() {
				if c.UserData != got || c.Res != 0 {
					t.Fatalf("completion of %d with %d, want %d with 0", c.UserData, c.Res, got)
				}
				got++
			}
		}
	})
}

func TestQueueCounts(t *testing.T) {
	t.Parallel()
	r := setup(t, 4, Params{CQEntries: 16})
	for i := range 4 {
		if r.Queued() != i || r.Space() != 4-i || r.Pending() != (i > 0) {
			t.Fatalf("after %d: queued %d, space %d, pending %v", i, r.Queued(), r.Space(), r.Pending())
		}
		next(t, r, uint64(i)).Nop()
	}
	if r.Next() != nil {
		t.Fatal("Next gave a fifth of four places")
	}
	if n, err := r.Submit(3); n != 3 || err != nil || r.Queued() != 1 || r.Ready() != 3 {
		t.Fatalf("Submit(3) = %d, %v; queued %d, ready %d; want 3, nil; 1, 3", n, err, r.Queued(), r.Ready())
	}
	if n, err := r.Wait(4, patience); n != 1 || err != nil || r.Ready() != 4 {
		t.Fatalf("Wait = %d, %v; ready %d; want 1, nil; 4", n, err, r.Ready())
	}
}

func TestWaitLimit(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 4, p)
		for _, limit := range []time.Duration{0, time.Nanosecond, 30 * time.Millisecond} {
			start := time.Now()
			if n, err := r.Wait(1, limit); n != 0 || err != nil || r.Ready() != 0 {
				t.Fatalf("Wait = %d, %v, ready %d; want 0, nil, 0", n, err, r.Ready())
			}
			// A signal may end it early, which the runtime sends now and then.
			if took := time.Since(start); took > patience {
				t.Errorf("Wait of %v took %v", limit, took)
			}
		}
	})
}

// TestOverflow has more complete than there is room for.
func TestOverflow(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		p.CQEntries = 8
		r := setup(t, 8, p)
		const all = 40
		for i := range uint64(all) {
			next(t, r, i).Nop()
			if r.Space() == 0 {
				if n, err := r.Submit(0); n != 8 || err != nil {
					t.Fatalf("Submit = %d, %v", n, err)
				}
			}
		}
		if !r.Overflowed() || !r.Pending() || r.Ready() != 8 {
			t.Fatalf("overflowed %v, pending %v, ready %d; want true, true, 8", r.Overflowed(), r.Pending(), r.Ready())
		}
		for i := range uint64(all) {
			want(t, r, i, 0)
		}
		none(t, r)
		if r.Overflowed() || r.Lost() != 0 {
			t.Fatalf("overflowed %v, lost %d; want false, 0", r.Overflowed(), r.Lost())
		}
	})
}

func TestLinks(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		buf := make([]byte, 8)
		s := next(t, r, 1)
		s.Read(-1, buf, 0)
		s.Flags |= SQELink
		next(t, r, 2).Nop()
		got := map[uint64]int32{}
		for range 2 {
			c := one(t, r)
			got[c.UserData] = c.Res
		}
		if got[1] != errno(syscall.EBADF) || got[2] != errno(syscall.ECANCELED) {
			t.Fatalf("a failing chain: %v", got)
		}
		if !r.Features().Has(FeatCQESkip) {
			return
		}
		s = next(t, r, 3)
		s.Nop()
		s.Flags |= SQELink | SQECQESkipSuccess
		next(t, r, 4).Nop()
		want(t, r, 4, 0)
		none(t, r)
	})
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		a, _ := pair(t)
		next(t, r, 1).Timeout(&Timespec{Nsec: 1e6}, 0)
		want(t, r, 1, errno(syscall.ETIME))
		next(t, r, 2).Timeout(&Timespec{Sec: 60}, 1)
		next(t, r, 3).Nop()
		want(t, r, 3, 0)
		want(t, r, 2, 0)
		s := next(t, r, 4)
		s.Recv(a, make([]byte, 8))
		s.Flags |= SQELink
		next(t, r, 5).LinkTimeout(&Timespec{Nsec: 1e6})
		got := map[uint64]int32{}
		for range 2 {
			c := one(t, r)
			got[c.UserData] = c.Res
		}
		if got[4] != errno(syscall.ECANCELED) || got[5] != errno(syscall.ETIME) {
			t.Fatalf("a bounded receive: %v", got)
		}
	})
}

// TestWaker ends waits without limit from another goroutine, which starts only
// when the wait has.
func TestWaker(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		w, err := NewWaker()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		w.Watch(next(t, r, 9), 9)
		turns := make(chan bool)
		defer close(turns)
		go func() {
			for range turns {
				w.Wake()
				w.Wake()
			}
		}()
		for range 200 {
			turns <- true
			c := want(t, r, 9, unix.POLLIN)
			if w.Woken(c) {
				t.Fatal("the watch has ended")
			}
		}
		w.Wake()
		want(t, r, 9, unix.POLLIN)
		w.Wake() // the first one has not been seen
		none(t, r)
	})
}

func TestMsgRing(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		to := setup(t, 8, p)
		probe, err := to.Probe()
		if err != nil {
			t.Fatal(err)
		}
		if !probe.Supports(OpMsgRing) {
			t.Skip("this kernel has no MSG_RING")
		}
		fd := to.FD()
		errs := make(chan error, 1)
		go func() {
			from, err := Setup(8, Params{})
			if err != nil {
				errs <- err
				return
			}
			defer from.Close()
			from.Next().MsgRing(fd, 77, 5)
			_, err = from.Wait(1, patience)
			if c, _ := from.Pop(); err == nil {
				err = c.Err()
			}
			errs <- err
		}()
		want(t, to, 5, 77)
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	})
}

func TestProbe(t *testing.T) {
	t.Parallel()
	r := setup(t, 8, Params{})
	p, err := r.Probe()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []Op{OpNop, OpAccept, OpRecv, OpSend, OpSplice, OpAsyncCancel} {
		if !p.Supports(op) {
			t.Errorf("operation %d is not supported", op)
		}
	}
	if p.Supports(255) {
		t.Error("operation 255 is supported")
	}
}

// TestProbeOfFewer probes a kernel that knows some operations only.
func TestProbeOfFewer(t *testing.T) {
	t.Parallel()
	r, _ := newFake(2, 2, 0, true, &choices{})
	p, err := r.Probe()
	if err != nil {
		t.Fatal(err)
	}
	for op := range OpSendZC {
		if got, want := p.Supports(op), op%2 == 0; got != want {
			t.Errorf("Supports(%d) = %v, want %v", op, got, want)
		}
	}
	if p.Supports(50) {
		t.Error("Supports(50), which was not told")
	}
}
