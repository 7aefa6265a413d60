package tftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

const (
	defaultRemoteMemory = 64 << 20 // bytes
	defaultRemoteDisk   = 4 << 30  // bytes
	remoteInMemory      = 2 << 20  // bytes: larger files go to the disk
	remoteFresh         = time.Minute
	remoteStall         = 30 * time.Second
)

// remotes are the files behind mounts. Each is fetched once however many ask
// for it, and kept while there is room. Methods may be called concurrently.
type remotes struct {
	ctx           context.Context // of the downloads
	fetcher       Fetcher
	dir           string
	memory, disk  int64         // limits, bytes
	fresh         time.Duration // for so long nobody asks the origin again
	stall         time.Duration // a download without progress is given up
	mu            sync.Mutex
	objects       map[string]*object // guarded by mu, by URL
	serial        int                // guarded by mu
	downloads     sync.WaitGroup
	fetches, hits func() // counters
}

// object is what is known of one URL. Its fields are guarded by remotes.mu.
type object struct {
	busy    chan struct{} // closed when whoever asks the origin has an answer; nil: nobody does
	spool   *spool
	version string
	tag     string // tells this spool from others
	refs    int    // readers, and the download
	checked time.Time
	used    time.Time
}

// handle is one reader's origin.
type handle struct {
	*spool
	close func()
}

// Close gives the spool back.
func (h *handle) Close() error { h.close(); return nil }

// open gives the content of a URL, which may still be on its way.
func (r *remotes) open(ctx context.Context, url string) (origin, identity, error) {
	for {
		r.mu.Lock()
		o := r.objects[url]
		if o == nil {
			o = &object{}
			r.objects[url] = o
		}
		if o.busy == nil {
			if o.spool != nil && !o.spool.failed() && time.Since(o.checked) < r.fresh {
				r.hits()
				defer r.mu.Unlock()
				return r.hold(o)
			}
			o.busy = make(chan struct{})
			r.mu.Unlock()
			return r.ask(ctx, url, o)
		}
		busy := o.busy
		r.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, identity{}, ctx.Err()
		}
	}
}

// hold makes a reader. mu is held.
func (r *remotes) hold(o *object) (origin, identity, error) {
	o.refs++
	o.used = time.Now()
	s := o.spool
	h := &handle{spool: s}
	h.close = sync.OnceFunc(func() { r.release(o, s) })
	return h, identity{size: s.length(), tag: o.tag}, nil
}

// ask has the fetcher look, and starts the download of what is new. The caller
// has set o.busy.
func (r *remotes) ask(ctx context.Context, url string, o *object) (origin, identity, error) {
	held := o.version // nobody else writes it while busy is set
	if o.spool == nil || o.spool.failed() {
		held = ""
	}
	r.fetches()
	dctx, cancel := context.WithCancel(r.ctx)
	stop := context.AfterFunc(ctx, cancel) // until there is an answer
	got, err := r.fetcher.Fetch(dctx, url, held)
	abandoned := !stop()
	if err == nil && abandoned && got.Body != nil {
		got.Body.Close()
		err = ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	close(o.busy)
	o.busy = nil
	switch {
	case err == nil && got.Size > r.disk:
		got.Body.Close()
		err = errSpoolFull
	case err == nil && got.NotModified && held == "":
		err = errors.New("origin answered 304 to an unconditional request")
	}
	if err != nil {
		cancel()
		if o.refs == 0 && o.spool == nil {
			delete(r.objects, url)
		}
		return nil, identity{}, fmt.Errorf("tftp: fetch %s: %w", url, err)
	}
	o.checked = time.Now()
	if got.NotModified {
		cancel()
		return r.hold(o)
	}
	r.replace(url, o, got, dctx, cancel)
	return r.hold(r.objects[url])
}

// replace puts a new object in the place of o and starts its download. mu is
// held.
func (r *remotes) replace(url string, o *object, got *Fetched, ctx context.Context, cancel context.CancelFunc) {
	if o.refs == 0 && o.spool != nil {
		o.spool.remove()
	}
	r.serial++
	fresh := &object{
		spool:   newSpool(r.dir, got.Size, min(remoteInMemory, r.memory), r.disk),
		version: got.Version, tag: strconv.Itoa(r.serial), refs: 1,
		checked: time.Now(), used: time.Now(),
	}
	r.objects[url] = fresh
	r.downloads.Add(1)
	go func() {
		defer r.downloads.Done()
		defer cancel()
		fresh.spool.end(r.download(fresh.spool, got, cancel))
		r.release(fresh, fresh.spool)
	}()
}

// download fills the spool. A body that stalls is cut off.
func (r *remotes) download(s *spool, got *Fetched, cancel context.CancelFunc) error {
	defer got.Body.Close()
	stalled := time.AfterFunc(r.stall, cancel)
	defer stalled.Stop()
	n, err := io.Copy(s, &alive{got.Body, func() { stalled.Reset(r.stall) }})
	if err == nil && got.Size >= 0 && n != got.Size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil || errors.Is(err, errSpoolFull) {
		return err
	}
	return &originError{got: n, err: err}
}

// alive is a reader that reports each read.
type alive struct {
	io.Reader
	progress func()
}

// Read reads and reports.
func (a *alive) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	a.progress()
	return n, err
}

// originError says that an origin failed while its file was being sent.
type originError struct {
	got int64 // bytes
	err error
}

func (e *originError) Error() string {
	return fmt.Sprintf("origin failed after %d bytes: %v", e.got, e.err)
}

func (e *originError) Unwrap() error { return e.err }

// As tells the client where it failed, and not why: that names hosts.
func (e *originError) As(target any) bool {
	t, ok := target.(**Error)
	if ok {
		*t = &Error{CodeUndefined, fmt.Sprintf("origin failed after %d bytes", e.got)}
	}
	return ok
}

// release is called when a reader, or the download, has finished with a spool.
func (r *remotes) release(o *object, s *spool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o.refs--
	if o.refs == 0 && (s.failed() || !r.current(o)) {
		r.discard(o)
	}
	r.shrink()
}

// current reports whether the object is the one of its URL. mu is held.
func (r *remotes) current(o *object) bool {
	for _, x := range r.objects {
		if x == o {
			return true
		}
	}
	return false
}

// discard forgets an object that nobody reads. mu is held.
func (r *remotes) discard(o *object) {
	for url, x := range r.objects {
		if x == o && o.busy == nil {
			delete(r.objects, url)
		}
	}
	if o.busy == nil || !r.current(o) {
		o.spool.remove()
	}
}

// shrink discards the objects that were not used for longest until the limits
// hold. mu is held.
func (r *remotes) shrink() {
	for {
		var memory, disk int64
		var oldest *object
		for _, o := range r.objects {
			if o.spool == nil {
				continue
			}
			m, d := o.spool.held()
			memory, disk = memory+m, disk+d
			if o.refs == 0 && o.busy == nil && (oldest == nil || o.used.Before(oldest.used)) {
				oldest = o
			}
		}
		if oldest == nil || memory <= r.memory && disk <= r.disk {
			return
		}
		r.discard(oldest)
	}
}

// close ends: the downloads have ended before, with their context.
func (r *remotes) close() {
	r.downloads.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for url, o := range r.objects {
		if o.spool != nil {
			o.spool.remove()
		}
		delete(r.objects, url)
	}
}
