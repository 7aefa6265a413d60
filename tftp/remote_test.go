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
	"testing/fstest"
	"time"
)

// origins is an HTTP server that tests hold back and break.
type origins struct {
	*httptest.Server
	asked, full atomic.Int64
	files       map[string][]byte
	hold        chan struct{} // what /slow waits for
}

func newOrigins(t *testing.T) *origins {
	o := &origins{hold: make(chan struct{}), files: map[string][]byte{
		"/img/small": noise(1000), "/img/large": noise(3 << 20), "/img/empty": {}, "/img/a b%": noise(10),
	}}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(o.Close)
	return o
}

func (o *origins) serve(w http.ResponseWriter, r *http.Request) {
	o.asked.Add(1)
	switch r.URL.Path {
	case "/img/slow":
		w.Header().Set("Content-Length", "100000")
		w.Write(noise(100_000)[:40_000])
		w.(http.Flusher).Flush()
		select {
		case <-o.hold:
			w.Write(noise(100_000)[40_000:])
		case <-r.Context().Done():
		}
		return
	case "/img/breaks":
		w.Header().Set("Content-Length", "100000")
		w.Write(noise(100_000)[:70_000])
		return // fewer than promised: the connection is cut
	case "/img/chunked":
		for range 10 {
			w.Write(noise(30_000))
			w.(http.Flusher).Flush()
		}
		return
	case "/img/forbidden":
		w.WriteHeader(http.StatusForbidden)
		return
	case "/img/broken":
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	b, ok := o.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(b)))
	if r.Header.Get("If-None-Match") == "" {
		o.full.Add(1)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

func TestRemote(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		o := newOrigins(t)
		dir := t.TempDir()
		r := serve(t, &Server{
			FS: fstest.MapFS{"local": {Data: []byte("here")}}, CacheDir: dir,
			Mounts: []Mount{{Prefix: "boot/", URL: o.URL + "/img/"}, {Prefix: "one", URL: o.URL + "/img/small"}, {URL: o.URL + "/other/"}},
		}, std)
		for name, want := range map[string][]byte{
			"boot/small": o.files["/img/small"], "boot/large": o.files["/img/large"], "boot/empty": {},
			"/boot/a b%": o.files["/img/a b%"], "one": o.files["/img/small"], "local": []byte("here"),
			"boot/chunked": bytes.Repeat(noise(30_000), 10),
		} {
			for range 2 {
				b, rec, err := get(t, &Client{}, r, name)
				if err != nil || !bytes.Equal(b, want) {
					t.Errorf("%s: %d bytes, %v", name, len(b), err)
				}
				if rec.Size >= 0 && rec.Size != int64(len(want)) {
					t.Errorf("%s: size %d announced", name, rec.Size)
				}
			}
		}
		for name, want := range map[string]error{"boot/none": fs.ErrNotExist, "none": fs.ErrNotExist, "boot/forbidden": fs.ErrPermission} {
			if _, _, err := get(t, &Client{}, r, name); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		if _, _, err := get(t, &Client{}, r, "boot/broken"); err == nil || !strings.Contains(err.Error(), "origin answered 502") {
			t.Errorf("an origin that fails: %v", err)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("left in the folder: %v", left)
		}
	})
}

// TestRemoteOnce: many who ask for a file cause one request.
func TestRemoteOnce(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	r := serve(t, &Server{Mounts: []Mount{{URL: o.URL + "/img/"}}, CacheDir: t.TempDir()}, false)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			var b bytes.Buffer
			_, err := (&Client{}).Get(t.Context(), r.addr.String(), "large", &b)
			if err != nil || !bytes.Equal(b.Bytes(), o.files["/img/large"]) {
				t.Errorf("%d bytes, %v", b.Len(), err)
			}
		})
	}
	wg.Wait()
	if n := o.asked.Load(); n != 1 {
		t.Errorf("the origin was asked %d times", n)
	}
	if st := r.Stats(); st.Fetches != 1 || st.FetchHits != 11 {
		t.Errorf("%d fetches, %d hits", st.Fetches, st.FetchHits)
	}
}

// TestRemoteRevalidates: a copy that is not fresh is asked about, not fetched.
func TestRemoteRevalidates(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	r := serve(t, &Server{Mounts: []Mount{{URL: o.URL + "/img/"}}, RemoteFresh: -1, CacheDir: t.TempDir()}, false)
	for range 3 {
		if b, _, err := get(t, &Client{}, r, "small"); err != nil || len(b) != 1000 {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
	}
	if asked, full := o.asked.Load(), o.full.Load(); asked != 3 || full != 1 {
		t.Errorf("asked %d times, sent %d times", asked, full)
	}
}

// TestSlowOriginBlocksNobody: while one transfer waits for its origin, others
// go on; and it is not taken for dead.
func TestSlowOriginBlocksNobody(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		o := newOrigins(t)
		r := serve(t, &Server{FS: abc, Mounts: []Mount{{URL: o.URL + "/img/"}}, CacheDir: t.TempDir()}, std)
		type result struct {
			b   []byte
			err error
		}
		slow := make(chan result, 1)
		started := make(chan struct{})
		go func() {
			var b bytes.Buffer
			once := sync.OnceFunc(func() { close(started) })
			_, err := (&Client{OnProgress: func(done, _ int64) { once() }}).Get(t.Context(), r.addr.String(), "slow", &b)
			slow <- result{b.Bytes(), err}
		}()
		<-started
		for range 5 {
			if _, _, err := get(t, &Client{}, r, "abc"); err != nil {
				t.Error(err)
			}
			if _, _, err := get(t, &Client{}, r, "small"); err != nil {
				t.Error(err)
			}
		}
		close(o.hold)
		if got := <-slow; got.err != nil || !bytes.Equal(got.b, noise(100_000)) {
			t.Errorf("%d bytes, %v", len(got.b), got.err)
		}
	})
}

// TestOriginBreaks: the client is told, in words, and the next one gets a new
// try.
func TestOriginBreaks(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	r := serve(t, &Server{Mounts: []Mount{{URL: o.URL + "/img/"}}, CacheDir: t.TempDir()}, false)
	for range 2 {
		_, _, err := get(t, &Client{}, r, "breaks")
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Message != "origin failed after 70000 bytes" {
			t.Errorf("%v", err)
		}
		if rec := r.record(t); rec.Result != ResultFailed || !strings.Contains(rec.Error, "unexpected EOF") {
			t.Errorf("record %+v", rec)
		}
	}
	if n := o.asked.Load(); n != 2 {
		t.Errorf("the origin was asked %d times", n)
	}
}

// stalling is a fetcher whose content never goes on.
type stalling struct{}

func (s *stalling) Fetch(ctx context.Context, _, _ string) (*Fetched, error) {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })
	return &Fetched{Body: r, Size: 1000}, nil
}

// TestOriginStalls: a download without progress is given up.
func TestOriginStalls(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := newRemotes(ctx, &Server{Fetcher: &stalling{}, CacheDir: t.TempDir()})
	r.stall = 20 * time.Millisecond
	defer func() { cancel(); r.close() }()
	f, id, err := r.open(t.Context(), "u")
	if err != nil || id.size != 1000 {
		t.Fatal(id, err)
	}
	if n, err := f.ReadAt(make([]byte, 10), 0); err == nil || n != 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	f.Close()
}

// TestSpoolLimits: what is kept stays within its limits, the oldest goes first.
func TestSpoolLimits(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	for i := range 20 {
		o.files[fmt.Sprintf("/img/%d", i)] = noise(100_000 + i)
	}
	dir := t.TempDir()
	s := &Server{Mounts: []Mount{{URL: o.URL + "/img/"}}, CacheDir: dir, RemoteMemory: 1000, RemoteDisk: 500_000}
	r := serve(t, s, false)
	for i := range 20 {
		b, _, err := get(t, &Client{}, r, fmt.Sprint(i))
		if err != nil || !bytes.Equal(b, noise(100_000+i)) {
			t.Fatalf("%d: %d bytes, %v", i, len(b), err)
		}
		r.record(t)
	}
	// The last release comes after the record.
	eventually(t, func() bool {
		left, _ := os.ReadDir(dir)
		return len(left) <= 4
	})
	if _, _, err := get(t, &Client{}, r, "large"); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("beyond the limit: %v", err)
	}
}
