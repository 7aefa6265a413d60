package tftp

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// slowUpload takes its time.
type slowUpload struct {
	memoryUpload
	write, commit time.Duration // how long each takes
	hold          chan struct{} // what commits wait for, if it is not nil
	fails         error         // what they say then
	ending        chan struct{} // gets one when they begin to
	committed     atomic.Bool
}

func (u *slowUpload) Write(b []byte) (int, error) {
	time.Sleep(u.write)
	return u.memoryUpload.Write(b)
}

func (u *slowUpload) Commit() error {
	time.Sleep(u.commit)
	if u.hold != nil {
		u.ending <- struct{}{}
		<-u.hold
	}
	u.committed.Store(u.fails == nil)
	return u.fails
}

// into has a server take what comes into one upload.
func into(u Upload) func(context.Context, *Request) (Upload, error) {
	return func(context.Context, *Request) (Upload, error) { return u, nil }
}

// TestSlowDisk: the time that it takes to store is neither side's silence.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]*slowUpload{"write": {write: 350 * time.Millisecond}, "commit": {commit: 1100 * time.Millisecond}} {
		for _, window := range []int{1, 16} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				up := &slowUpload{write: u.write, commit: u.commit}
				r := serve(t, &Server{Create: into(up), Timeout: 50 * time.Millisecond, Silence: 200 * time.Millisecond}, false)
				data := noise(50_000)
				c := &Client{Timeout: 50 * time.Millisecond, Silence: 600 * time.Millisecond, WindowSize: window}
				_, err := c.Put(t.Context(), r.addr.String(), "x", bytes.NewReader(data), int64(len(data)))
				if rec := r.record(t); rec.Result != ResultOK || err != nil || !bytes.Equal(up.Bytes(), data) {
					t.Errorf("window %d: %d bytes, %v, record %+v", window, up.Len(), err, rec)
				}
			})
		}
	}
}

// storing is a server that has all of a file, and stores it until the test closes
// u.hold.
func storing(t *testing.T) (u *slowUpload, r *running, h *hand, last *packet) {
	t.Helper()
	u = &slowUpload{hold: make(chan struct{}), ending: make(chan struct{}, 1)}
	r = serve(t, slow(&Server{Create: into(u)}), false)
	h = newHand(t, r)
	h.ask(opWRQ, "f")
	h.expect("ACK 0")
	last = &packet{op: opDATA, block: 1, data: []byte("hello")}
	h.say(last)
	<-u.ending
	return u, r, h, last
}

// TestReassured: who asks while its last block is stored is told that somebody is
// there, with the ACK that it has already, now and then.
func TestReassured(t *testing.T) {
	t.Parallel()
	u, r, h, last := storing(t)
	h.say(last)
	h.expect("ACK 0")
	h.say(last)
	h.expectNothing()
	close(u.hold)
	h.expect("ACK 1")
	if rec := r.record(t); rec.Result != ResultOK {
		t.Errorf("record %+v", rec)
	}
}

// TestLeavesWhileStored: a client that gives up meanwhile, and what the record says
// then.
func TestLeavesWhileStored(t *testing.T) {
	t.Parallel()
	for _, fails := range []error{nil, errSpoolFull} {
		u, r, h, _ := storing(t)
		u.fails = fails
		h.say(&packet{op: opERROR, message: "too slow"})
		h.to = r.addr
		h.ask(opWRQ, "g") // and begins anew: not before that is settled
		h.expectNothing()
		close(u.hold)
		rec := r.record(t)
		if rec.Result != ResultAborted || !strings.Contains(rec.Error, "too slow") || strings.Contains(rec.Error, "the file is there") != u.committed.Load() {
			t.Errorf("stored with %v: record %+v", fails, rec)
		}
	}
}

// TestStopWhileStored: the end of the server waits for what is being stored, and the
// client is told what came of it.
func TestStopWhileStored(t *testing.T) {
	t.Parallel()
	u, r, h, _ := storing(t)
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	h.expectNothing()
	close(u.hold)
	h.expect("ACK 1")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if rec := r.record(t); rec.Result != ResultOK || !u.committed.Load() {
		t.Errorf("record %+v", rec)
	}
}

// TestSizeOfUpload: a file that has another size than announced is an error on both
// sides, before it appears.
func TestSizeOfUpload(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	r := serve(t, &Server{Root: root, Write: WriteCreate}, false)
	for _, n := range []int{5, 5000, 512, 100_000} {
		for _, announced := range []int64{int64(n) - 1, int64(n) + 1, 0, 1 << 20} {
			for _, c := range []*Client{{}, {BlockSize: -1, WindowSize: -1}, {NoSize: true}} {
				_, err := c.Put(t.Context(), r.addr.String(), "f", bytes.NewReader(noise(n)), announced)
				if !errors.Is(err, errOtherSize) {
					t.Errorf("%d bytes, announced as %d: %v", n, announced, err)
				}
				if rec := r.record(t); rec.Result != ResultAborted {
					t.Errorf("%d bytes, announced as %d: record %+v", n, announced, rec)
				}
			}
		}
	}
	for _, size := range []string{"4", "6", "500"} {
		h := newHand(t, r)
		h.ask(opWRQ, "f", option{"tsize", size})
		h.expect("OACK [tsize=" + size + "]")
		h.say(&packet{op: opDATA, block: 1, data: []byte("hello")})
		h.expect(`ERROR 4 (illegal operation) "the file has another size than announced"`)
		if rec := r.record(t); rec.Result != ResultFailed {
			t.Errorf("announced as %s: record %+v", size, rec)
		}
	}
	if _, err := root.Stat("f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
	h := newHand(t, r) // which does not know
	h.ask(opWRQ, "f", option{"tsize", "0"})
	h.expect("OACK [tsize=0]")
	h.say(&packet{op: opDATA, block: 1, data: []byte("hello")})
	h.expect("ACK 1")
}
