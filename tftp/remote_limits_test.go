package tftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slowOrigin sends the first bytes of each file and the rest when it is let go, or
// never; first it answers with a status where there is one.
type slowOrigin struct {
	*httptest.Server
	asked, sending, most atomic.Int64
	status               atomic.Int64
	answer, rest         chan struct{} // what its answers, and the rest of files, wait for
	begins, size         int
	etag                 string
}

func newSlowOrigin(t *testing.T, begins, size int) *slowOrigin {
	o := &slowOrigin{answer: make(chan struct{}), rest: make(chan struct{}), begins: begins, size: size}
	close(o.answer)
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(o.Close)
	return o
}

func (o *slowOrigin) serve(w http.ResponseWriter, r *http.Request) {
	o.asked.Add(1)
	select {
	case <-o.answer:
	case <-r.Context().Done():
		return
	}
	if status := int(o.status.Load()); status != 0 {
		w.WriteHeader(status)
		return
	}
	n := o.sending.Add(1)
	defer o.sending.Add(-1)
	for m := o.most.Load(); n > m && !o.most.CompareAndSwap(m, n); m = o.most.Load() {
	}
	if o.etag != "" {
		w.Header().Set("ETag", o.etag)
	}
	w.Header().Set("Content-Length", fmt.Sprint(o.size))
	b := noise(o.size)
	w.Write(b[:o.begins])
	if o.begins == o.size {
		return
	}
	w.(http.Flusher).Flush()
	select {
	case <-o.rest:
		w.Write(b[o.begins:])
	case <-r.Context().Done():
	}
}

// remotesOf are the remote files of a server that runs.
func remotesOf(r *running) *remotes {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shared.remotes
}

// holds are the bytes that these hold, as they count them and in fact.
func (r *remotes) holds() (memory, disk, inFact int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.copies {
		c.spool.mu.Lock()
		inFact += c.spool.have
		c.spool.mu.Unlock()
	}
	return r.memoryHeld, r.diskHeld, inFact
}

// TestDownloadsAreLimited: downloads under way count against the limits, those that
// nobody waits for make way for others, and what is in use is not exceeded.
func TestDownloadsAreLimited(t *testing.T) {
	t.Parallel()
	const size = 600_000
	o := newSlowOrigin(t, size/2, size)
	s := slow(&Server{Mounts: []Mount{{URL: o.URL + "/"}}, RemoteMemory: 2 * size, RemoteDisk: 3 * size, CacheDir: t.TempDir()})
	r := serve(t, s, false)
	var last *hand
	for i := range 30 { // one after the other asks and leaves
		h := newHand(t, r)
		h.ask(opRRQ, fmt.Sprint(i), option{"tsize", "0"})
		h.expect("OACK [tsize=600000]")
		if i == 29 {
			last = h
			break
		}
		h.say(&packet{op: opERROR})
		r.record(t)
	}
	eventually(t, func() bool { return o.sending.Load() <= 5 })
	if memory, disk, inFact := remotesOf(r).holds(); memory > 2*size || disk > 3*size || inFact > memory+disk || inFact == 0 {
		t.Errorf("%d bytes are held in memory and %d on disk, %d in fact", memory, disk, inFact)
	}
	// The one that somebody waits for stays. With four more all is in use.
	var all []*hand
	for i := range 5 {
		h := newHand(t, r)
		h.ask(opRRQ, fmt.Sprint("more", i), option{"tsize", "0"})
		if i == 4 {
			h.expect(`ERROR 3 (disk full) "no room for another file of an origin at present"`)
			break
		}
		h.expect("OACK [tsize=600000]")
		all = append(all, h)
	}
	close(o.rest)
	last.ack(0)
	if got, _ := last.hear(); !strings.HasPrefix(got, "DATA 1 ") {
		t.Errorf("heard %s", got)
	}
	all[0].ack(0)
	if got, _ := all[0].hear(); !strings.HasPrefix(got, "DATA 1 ") {
		t.Errorf("heard %s", got)
	}
}

// TestRequestsToOriginsAreLimited: beyond so many at once they wait for their turn.
func TestRequestsToOriginsAreLimited(t *testing.T) {
	t.Parallel()
	o := newSlowOrigin(t, 1000, 1000)
	o.answer = make(chan struct{})
	r := serve(t, &Server{Mounts: []Mount{{URL: o.URL + "/"}}, MaxTransfersPerAddr: -1}, false)
	const n = remoteAtOnce + 20
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if b, _, err := get(t, &Client{}, r, fmt.Sprint(i)); err != nil || len(b) != 1000 {
				t.Errorf("%d: %d bytes, %v", i, len(b), err)
			}
		})
	}
	eventually(t, func() bool { return r.Stats().Fetches == n && o.asked.Load() == remoteAtOnce })
	close(o.answer)
	wg.Wait()
}

// TestAbandonedDownload: one that nobody waits for ends, also where a read of it is
// under way, but not at once.
func TestAbandonedDownload(t *testing.T) {
	t.Parallel()
	o := newSlowOrigin(t, 100_000, 200_000)
	r := serve(t, slow(&Server{Mounts: []Mount{{URL: o.URL + "/"}}, CacheDir: t.TempDir()}), false)
	// Set before there is anything to linger.
	remotes := func() *remotes {
		eventually(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.shared != nil })
		return remotesOf(r)
	}()
	remotes.mu.Lock()
	remotes.linger = 200 * time.Millisecond
	remotes.mu.Unlock()
	for _, begin := range []bool{false, true} {
		h := newHand(t, r)
		h.ask(opRRQ, fmt.Sprint(begin), option{"blksize", "50000"}, option{"tsize", "0"})
		h.expect("OACK [blksize=50000 tsize=200000]")
		if begin {
			h.ack(0)
			h.hear()
			h.ack(1) // what comes next is not there yet, and a goroutine waits for it
			h.expectNothing()
		}
		h.say(&packet{op: opERROR})
		r.record(t)
		if o.sending.Load() != 1 {
			t.Error("the download did not linger")
		}
		eventually(t, func() bool { return o.sending.Load() == 0 })
		if memory, disk, _ := remotes.holds(); memory+disk != 0 {
			t.Errorf("%d and %d bytes are held", memory, disk)
		}
	}
}

// TestFailureIsShared: all who wait for an answer get it, also when it is an error,
// and that is not asked for again at once.
func TestFailureIsShared(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusServiceUnavailable} {
		o := newSlowOrigin(t, 1, 1)
		o.answer = make(chan struct{})
		o.status.Store(int64(status))
		r := serve(t, &Server{Mounts: []Mount{{URL: o.URL + "/"}}}, false)
		const n = 20
		var wg sync.WaitGroup
		ask := func() {
			_, _, err := get(t, &Client{}, r, "f")
			if _, ok := errors.AsType[*Error](err); !ok || errors.Is(err, fs.ErrNotExist) != (status == http.StatusNotFound) {
				t.Errorf("status %d: %v", status, err)
			}
		}
		for range n {
			wg.Go(ask)
		}
		eventually(t, func() bool { st := r.Stats(); return st.Fetches+st.FetchHits == n })
		close(o.answer)
		wg.Wait()
		ask()
		if got := o.asked.Load(); got != 1 {
			t.Errorf("status %d: the origin was asked %d times", status, got)
		}
	}
}

// TestFailuresAreForgotten: names that an origin does not have are not kept.
func TestFailuresAreForgotten(t *testing.T) {
	t.Parallel()
	r := newRemotes(t.Context(), &Server{Fetcher: noFiles{}})
	for i := range 3 * remotesRecalled {
		if _, _, err := r.open(t.Context(), fmt.Sprint(i)); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if n := len(r.files); n > remotesRecalled {
		t.Errorf("%d files are known", n)
	}
	r.close()
}

// noFiles is a fetcher that finds nothing.
type noFiles struct{}

func (noFiles) Fetch(context.Context, string, string) (*Fetched, error) { return nil, fs.ErrNotExist }

// TestArrivingIsFresh: a file that is still being downloaded is not asked for again.
func TestArrivingIsFresh(t *testing.T) {
	t.Parallel()
	o := newSlowOrigin(t, 50_000, 100_000)
	r := serve(t, slow(&Server{Mounts: []Mount{{URL: o.URL + "/"}}, RemoteFresh: -1}), false)
	for range 3 {
		h := newHand(t, r)
		h.ask(opRRQ, "f", option{"tsize", "0"})
		h.expect("OACK [tsize=100000]")
	}
	if got := o.asked.Load(); got != 1 {
		t.Errorf("the origin was asked %d times", got)
	}
	close(o.rest)
}

// TestStaleIfError: while the origin fails a copy is served, for as long as is
// allowed; that there is no such file any more is no failure.
func TestStaleIfError(t *testing.T) {
	t.Parallel()
	for stale, served := range map[time.Duration]bool{0: true, -1: false} {
		o := newSlowOrigin(t, 1000, 1000)
		o.etag = `"1"`
		r := serve(t, &Server{Mounts: []Mount{{URL: o.URL + "/"}}, RemoteFresh: -1, RemoteStale: stale}, false)
		if _, _, err := get(t, &Client{}, r, "f"); err != nil {
			t.Fatal(err)
		}
		o.status.Store(http.StatusServiceUnavailable)
		b, _, err := get(t, &Client{}, r, "f")
		if served != (err == nil && bytes.Equal(b, noise(1000))) {
			t.Errorf("RemoteStale %v: %d bytes, %v", stale, len(b), err)
		}
		o.status.Store(http.StatusNotFound)
		if _, _, err := get(t, &Client{}, r, "f"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("RemoteStale %v, no such file: %v", stale, err)
		}
		o.status.Store(http.StatusServiceUnavailable)
		if _, _, err := get(t, &Client{}, r, "f"); err == nil {
			t.Errorf("RemoteStale %v: a file that is no more was served", stale)
		}
	}
}

// TestCannotKeep: that this machine has no place for a file is not blamed on the
// origin.
func TestCannotKeep(t *testing.T) {
	t.Parallel()
	o := newSlowOrigin(t, 3<<20, 3<<20)
	r := serve(t, &Server{Mounts: []Mount{{URL: o.URL + "/"}}, CacheDir: t.TempDir() + "/none"}, false)
	_, _, err := get(t, &Client{}, r, "f")
	if e, ok := errors.AsType[*Error](err); !ok || e.Message != "server cannot keep the file" {
		t.Errorf("the client was told %v", err)
	}
	if rec := r.record(t); !strings.Contains(rec.Error, "cannot keep the file") || strings.Contains(rec.Error, "origin failed") {
		t.Errorf("record %+v", rec)
	}
}

// TestSpoolMoves: what has moved to the disk takes no room in memory.
func TestSpoolMoves(t *testing.T) {
	t.Parallel()
	var memory, disk int64
	s := newSpool(t.TempDir(), -1, 1000, 1<<20, func(m, d int64) bool {
		memory, disk = memory+m, disk+d
		return true
	})
	defer s.remove()
	for _, want := range [][2]int64{{900, 0}, {0, 1800}, {0, 2700}} {
		if _, err := s.Write(noise(900)); err != nil {
			t.Fatal(err)
		}
		if memory != want[0] || disk != want[1] {
			t.Errorf("room for %d bytes in memory and %d on disk, want %v", memory, disk, want)
		}
	}
}

// TestSpoolThatCannotMove: what was in memory stays there, and what never arrived
// is not read.
func TestSpoolThatCannotMove(t *testing.T) {
	t.Parallel()
	s := newSpool(t.TempDir()+"/none", -1, 1000, 1<<20, func(int64, int64) bool { return true })
	if _, err := s.Write(noise(900)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Write(noise(900))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("moved to a folder that is none: %v", err)
	}
	s.end(err)
	b := make([]byte, 900)
	if n, err := s.ReadAt(b, 0); n != 900 || err != nil || !bytes.Equal(b, noise(900)) {
		t.Errorf("what was there: %d bytes, %v", n, err)
	}
	if n, err := s.ReadAt(b, 100); n != 0 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("beyond it: %d bytes, %v", n, err)
	}
	s.remove()
	if n, err := s.ReadAt(b, 0); n != 0 || !errors.Is(err, errDropped) {
		t.Errorf("of one that is no more: %d bytes, %v", n, err)
	}
}

// TestSpoolFileShrinks: a temporary file from which something was cut off is no
// file that ends there.
func TestSpoolFileShrinks(t *testing.T) {
	t.Parallel()
	s := newSpool(t.TempDir(), -1, 0, 1<<20, func(int64, int64) bool { return true })
	defer s.remove()
	if _, err := s.Write(noise(900)); err != nil {
		t.Fatal(err)
	}
	s.end(nil)
	if err := os.Truncate(s.file.Name(), 500); err != nil {
		t.Fatal(err)
	}
	if n, err := s.ReadAt(make([]byte, 900), 0); n != 500 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
