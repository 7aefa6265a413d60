package tftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// fetchFunc is a fetcher that is one function.
type fetchFunc func(ctx context.Context, url, held string) (*Fetched, error)

func (f fetchFunc) Fetch(ctx context.Context, url, held string) (*Fetched, error) {
	return f(ctx, url, held)
}

// content is what a fetcher has found.
func content(b []byte) *Fetched {
	return &Fetched{Body: io.NopCloser(bytes.NewReader(b)), Size: int64(len(b)), Version: "1"}
}

// arrived waits until nothing is on its way.
func (r *remotes) arrived(t *testing.T) {
	t.Helper()
	eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for c := range r.copies {
			if c.arriving {
				return false
			}
		}
		return true
	})
}

// TestAskedAboutIsKept: a copy that the origin is being asked about makes way for no
// other; that all are dropped at the end is an answer, too.
func TestAskedAboutIsKept(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{false, true} {
		asked, hold := make(chan struct{}), make(chan struct{})
		r := newRemotes(t.Context(), &Server{RemoteFresh: -1, RemoteMemory: 1, RemoteDisk: 1000, CacheDir: t.TempDir()})
		r.fetcher = fetchFunc(func(_ context.Context, _, held string) (*Fetched, error) {
			if held == "" {
				return content(noise(1000)), nil
			}
			close(asked)
			<-hold
			return &Fetched{NotModified: true, Version: held}, nil
		})
		o, _, err := r.open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		r.arrived(t)
		o.Close()
		again := make(chan error)
		go func() {
			o, _, err := r.open(t.Context(), "a")
			if err == nil {
				_, err = o.ReadAt(make([]byte, 1000), 0)
				o.Close()
			}
			again <- err
		}()
		<-asked
		if _, _, err := r.open(t.Context(), "b"); !errors.Is(err, errNoRoom) {
			t.Errorf("another file: %v, want %v", err, errNoRoom)
		}
		want := error(nil)
		if ends {
			r.mu.Lock()
			for c := range r.copies {
				r.drop(c)
			}
			r.mu.Unlock()
			want = errDropped
		}
		close(hold)
		if err := <-again; !errors.Is(err, want) {
			t.Errorf("dropped %v: %v, want %v", ends, err, want)
		}
		r.close()
	}
}

// TestCopiesAreLimited: also those of nothing, of which there is one for any name.
func TestCopiesAreLimited(t *testing.T) {
	t.Parallel()
	r := newRemotes(t.Context(), &Server{})
	r.fetcher = fetchFunc(func(context.Context, string, string) (*Fetched, error) { return content(nil), nil })
	open := func(i int) (origin, error) {
		o, _, err := r.open(t.Context(), fmt.Sprint(i))
		return o, err
	}
	var all []origin
	for i := range remotesHeld {
		o, err := open(i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	if _, err := open(-1); !errors.Is(err, errNoRoom) {
		t.Errorf("all are in use: %v, want %v", err, errNoRoom)
	}
	r.arrived(t)
	for _, o := range all {
		o.Close()
	}
	for i := range 100 {
		o, err := open(remotesHeld + i)
		if err != nil {
			t.Fatal(err)
		}
		o.Close()
	}
	r.mu.Lock()
	if len(r.copies) != remotesHeld || len(r.files) > remotesHeld+1 {
		t.Errorf("%d copies of %d files are held, want %d", len(r.copies), len(r.files), remotesHeld)
	}
	r.mu.Unlock()
	r.close()
}

// TestPasswordIsHidden: what is said of a file behind a URL has no password, whatever
// comes of it.
func TestPasswordIsHidden(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	url := strings.Replace(o.URL, "//", "//user:secret@", 1)
	var log strings.Builder
	s := &Server{
		Mounts: []Mount{{Prefix: "a/", URL: url + "/img/"}, {Prefix: "none/", URL: url}},
		// The log is read when nobody writes to it any more.
		RemoteFresh: -1, RemoteDisk: 2 << 20, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	r := serve(t, s, false)
	ask := func(name string, want bool) {
		t.Helper()
		if _, _, err := get(t, &Client{}, r, name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		rec := r.record(t)
		if all := fmt.Sprint(rec); strings.Contains(all, "secret") || !strings.HasPrefix(name, "none/") && !strings.Contains(rec.Path, o.URL[len("http://"):]) {
			t.Errorf("record %s", all)
		}
	}
	ask("a/small", true)
	ask("a/absent", false)
	ask("a/broken", false)
	ask("a/large", false) // no room
	ask("none/x", false)  // behind a port that is no number
	remotesOf(r).arrived(t)
	o.Close()
	ask("a/small", true) // though its origin fails
	ask("a/chunked", false)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if all := log.String(); strings.Contains(all, "secret") || !strings.Contains(all, "the copy is used") {
		t.Errorf("log %s", all)
	}
}

// TestQuestionNobodyWaitsFor: it is given up.
func TestQuestionNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	r := newRemotes(t.Context(), &Server{})
	gone, leave := context.WithCancel(t.Context())
	r.fetcher = fetchFunc(func(ctx context.Context, _, _ string) (*Fetched, error) {
		leave()
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if _, _, err := r.open(gone, "f"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := r.close(); err != nil { // which does not end it
		t.Error(err)
	}
}

// TestSilentOrigin: one that does not answer has failed before its clients are given
// up.
func TestSilentOrigin(t *testing.T) {
	t.Parallel()
	var silent atomic.Bool
	var asked atomic.Int64
	origin := fetchFunc(func(ctx context.Context, _, _ string) (*Fetched, error) {
		if silent.Load() {
			asked.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return content(noise(1000)), nil
	})
	r := serve(t, &Server{Mounts: []Mount{{URL: "x:"}}, Fetcher: origin, RemoteFresh: time.Millisecond, Silence: 300 * time.Millisecond}, false)
	if _, _, err := get(t, &Client{}, r, "f"); err != nil {
		t.Fatal(err)
	}
	remotesOf(r).arrived(t)
	time.Sleep(2 * time.Millisecond) // it is fresh no longer
	silent.Store(true)
	for range 2 {
		if b, _, err := get(t, &Client{}, r, "f"); err != nil || !bytes.Equal(b, noise(1000)) {
			t.Errorf("a copy: %d bytes, %v", len(b), err)
		}
		_, _, err := get(t, &Client{}, r, "g")
		if e, ok := errors.AsType[*Error](err); !ok || e.Message != errOriginSilent.Error() {
			t.Errorf("no copy: %v", err)
		}
	}
	if got := asked.Load(); got != 2 {
		t.Errorf("the origin was asked %d times", got)
	}
}
