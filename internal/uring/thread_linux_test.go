package uring

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSingleIssuer(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := setup(t, 8, Params{Flags: SetupSingleIssuer})
	next(t, r, 1).Nop()
	errs := make(chan error)
	go func() {
		_, err := r.Submit(0)
		errs <- err
	}()
	var e *Error
	if err := <-errs; !errors.As(err, &e) || e.Errno != syscall.EEXIST {
		t.Fatalf("Submit from another thread: %v, want EEXIST", err)
	}
	if r.Queued() != 1 {
		t.Fatalf("queued %d after the refusal, want 1", r.Queued())
	}
	want(t, r, 1, 0)
}

// TestOtherThread takes the results of operations whose thread waits for
// something else, and of those whose thread has ended.
func TestOtherThread(t *testing.T) {
	t.Parallel()
	for _, mode := range modes[:2] {
		r := setup(t, 8, Params{Flags: mode.flags})
		for _, ends := range []bool{false, true} {
			near, far := pair(t)
			submitted, resume := make(chan int), make(chan bool)
			buf := make([]byte, 1)
			go onThread(func() {
				r.Next().Recv(near, buf)
				r.Submit(0)
				submitted <- unix.Gettid()
				if !ends {
					<-resume
				}
			})
			thread := <-submitted
			res := int32(1)
			if ends {
				waitForEnd(t, thread)
				res = errno(syscall.ECANCELED)
			}
			write(t, far, []byte("x"))
			want(t, r, 0, res)
			close(resume)
		}
	}
}

// onThread runs f on a thread that ends with the calling goroutine, unless that
// is the main thread, which never does: then f has another.
func onThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return // without unlocking
	}
	defer runtime.UnlockOSThread()
	done := make(chan bool)
	go func() {
		defer close(done)
		onThread(f)
	}()
	<-done
}

// waitForEnd waits until a thread of this process is no more.
func waitForEnd(t *testing.T, thread int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); runtime.Gosched() {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", thread)); err != nil {
			return
		}
	}
	t.Fatal("the thread does not end")
}

// TestEnable passes a ring to the thread that enables it.
func TestEnable(t *testing.T) {
	t.Parallel()
	r := setup(t, 8, Params{Flags: SetupSingleIssuer | SetupRDisabled})
	next(t, r, 1).Nop()
	if _, err := r.Submit(0); !errors.Is(err, unix.EBADFD) {
		t.Fatalf("Submit before Enable: %v, want EBADFD", err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := r.Enable()
		if err == nil {
			_, err = r.Submit(0)
		}
		done <- errors.Join(err, r.Close())
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
