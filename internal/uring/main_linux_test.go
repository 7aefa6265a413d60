package uring

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// patience bounds every wait of the tests.
const patience = 10 * time.Second

const (
	deferred    = SetupSingleIssuer | SetupDeferTaskrun | SetupTaskrunFlag | SetupSubmitAll | SetupNoSQArray
	cooperative = SetupCoopTaskrun | SetupTaskrunFlag | SetupSubmitAll
)

// modes are the ways to set up a ring that most tests run in.
var modes = []struct {
	name  string
	flags SetupFlags
}{{"plain", 0}, {"cooperative", cooperative}, {"deferred", deferred}}

// inModes runs f in each mode, on a thread of its own.
func inModes(t *testing.T, f func(*testing.T, Params)) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			f(t, Params{Flags: mode.flags})
		})
	}
}

// setup makes a ring that ends with the test.
func setup(t testing.TB, entries uint32, p Params) *Ring {
	t.Helper()
	r, err := Setup(entries, p)
	if errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EPERM) {
		t.Skip("this kernel refuses io_uring: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// next is Next with room.
func next(t testing.TB, r *Ring, userData uint64) *SQE {
	t.Helper()
	s := r.Next()
	if s == nil {
		t.Fatal("the submission queue is full")
	}
	s.UserData = userData
	return s
}

// one waits for the next completion.
func one(t testing.TB, r *Ring) CQE {
	t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if c, ok := r.Pop(); ok {
			return c
		}
		if _, err := r.Wait(1, time.Until(deadline)); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("no completion")
	return CQE{}
}

// want waits for the next completion and holds it against what it should be.
func want(t testing.TB, r *Ring, userData uint64, res int32) CQE {
	t.Helper()
	c := one(t, r)
	if c.UserData != userData || c.Res != res {
		t.Fatalf("completion of %d with %d (%v), want %d with %d", c.UserData, c.Res, c.Err(), userData, res)
	}
	return c
}

// none fails when there is another completion.
func none(t testing.TB, r *Ring) {
	t.Helper()
	if _, err := r.Submit(0); err != nil {
		t.Fatal(err)
	}
	if c, ok := r.Pop(); ok {
		t.Fatalf("a completion too many: %+v", c)
	}
}

// pair is two connected sockets.
func pair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	return fds[0], fds[1]
}

// write sends all of b, which the socket has room for.
func write(t testing.TB, fd int, b []byte) {
	t.Helper()
	if n, err := unix.Write(fd, b); n != len(b) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
}

// errno is a Res.
func errno(e syscall.Errno) int32 { return -int32(e) }

// file is a new file with the given content, at its start.
func file(t testing.TB, content []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "file")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	return f
}
