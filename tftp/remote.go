package tftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"
	"time"
)

const (
	defaultRemoteMemory = 64 << 20 // bytes
	defaultRemoteDisk   = 4 << 30  // bytes
	defaultRemoteFresh  = time.Minute
	defaultRemoteStale  = time.Hour

	remoteInMemory  = 2 << 20          // bytes: larger files go to the disk
	remoteAnswer    = 20 * time.Second // an origin that has not answered by then has failed
	remoteHurry     = 3 * time.Second  // the same where a copy does: firmware does not wait for long
	remoteStall     = 30 * time.Second // a download that makes no progress for so long is given up
	remoteLinger    = 5 * time.Second  // a download that nobody waits for goes on; firmware asks, leaves and asks again
	remoteAtOnce    = 64               // requests to origins, downloads among them
	remoteFailure   = 3 * time.Second  // for so long a failed question is not asked again
	remotesRecalled = 1024             // files of which no more is known than a failure
	remotesHeld     = 4096             // copies, however small they are
)

// remotes are the files behind mounts. Each is asked for once however many want
// it, and kept while there is room. Methods may be called concurrently.
//
// A request for a URL joins the question that is under way, or begins one where
// what is held is not fresh; all who wait for a question get its outcome. A file
// that is still arriving is fresh.
type remotes struct {
	ctx           context.Context // of questions and downloads
	fetcher       Fetcher
	dir           string
	memory, disk  int64         // limits on all copies, also those on their way or replaced; bytes
	fresh         time.Duration // for so long nobody asks the origin again
	stale         time.Duration // and so much longer a copy does while the origin fails
	answers       time.Duration // for so long an origin may take to answer
	hurry         time.Duration // and no longer where a copy does
	stall, linger time.Duration
	slots         chan struct{} // one is taken for each request to an origin
	fetches, hits func()        // counters
	failing       func(url string, err error)
	work          sync.WaitGroup

	mu                   sync.Mutex
	files                map[string]*remote // guarded by mu, by URL
	copies               map[*remoteCopy]struct{}
	memoryHeld, diskHeld int64 // guarded by mu: of copies
	serial               int   // guarded by mu
}

// remote is what is known of one URL. Its fields are guarded by remotes.mu.
type remote struct {
	url     string
	asking  *question   // nil: nobody asks
	copy    *remoteCopy // the current one; nil: there is none
	checked time.Time   // when the origin said that it was
	err     error       // what the origin failed with since
	failed  time.Time
}

// question is one request to an origin, on behalf of all who wait for it.
type question struct {
	cancel  context.CancelCauseFunc
	waiting int           // guarded by remotes.mu
	done    chan struct{} // closed when there is an outcome
	copy    *remoteCopy   // held once for each who waits
	err     error
}

// newRemotes are the remote files of a server.
func newRemotes(ctx context.Context, s *Server) *remotes {
	// Clients are to hear of an origin that does not answer before they are given up.
	answers := min(remoteAnswer, s.pace().silence*2/3)
	r := &remotes{
		ctx: ctx, fetcher: s.Fetcher, dir: s.CacheDir,
		memory: limit(s.RemoteMemory, defaultRemoteMemory), disk: limit(s.RemoteDisk, defaultRemoteDisk),
		fresh: s.RemoteFresh, stale: s.RemoteStale,
		answers: answers, hurry: min(remoteHurry, answers), stall: remoteStall, linger: remoteLinger,
		slots:   make(chan struct{}, remoteAtOnce),
		fetches: func() { s.counters.fetches.Add(1) }, hits: func() { s.counters.fetchHits.Add(1) },
		failing: func(url string, err error) {
			s.logger().Warn("tftp: origin fails, the copy is used", "proto", "tftp", "op", "fetch", "url", url, "err", err)
		},
		files: map[string]*remote{}, copies: map[*remoteCopy]struct{}{},
	}
	if r.fetcher == nil {
		r.fetcher = &HTTPFetcher{}
	}
	if r.fresh == 0 {
		r.fresh = defaultRemoteFresh
	}
	if r.stale == 0 {
		r.stale = defaultRemoteStale
	}
	return r
}

// open gives the content of a URL, which may still be on its way.
func (r *remotes) open(ctx context.Context, url string) (origin, identity, error) {
	now := time.Now()
	r.mu.Lock()
	f := r.files[url]
	if f == nil {
		r.forget()
		f = &remote{url: url}
		r.files[url] = f
	}
	switch {
	case f.asking != nil:
		r.hits()
	case f.copy != nil && (f.copy.arriving || now.Sub(f.checked) < r.fresh):
		r.hits()
		defer r.mu.Unlock()
		return r.hold(f.copy)
	case f.err != nil && r.fresh > 0 && now.Sub(f.failed) < remoteFailure:
		r.hits()
		defer r.mu.Unlock()
		if r.makesDo(f, now) {
			return r.hold(f.copy)
		}
		return nil, identity{}, f.err
	default:
		r.ask(f, now)
	}
	q := f.asking
	q.waiting++
	r.mu.Unlock()
	select {
	case <-q.done:
	case <-ctx.Done():
		if r.leave(f, q) {
			return nil, identity{}, ctx.Err()
		}
	}
	if q.err != nil {
		return nil, identity{}, q.err
	}
	return r.handle(q.copy)
}

// leave is called by one who waits for a question no longer. It reports false when
// there is an outcome. A question that nobody waits for is given up.
func (r *remotes) leave(f *remote, q *question) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.asking != q {
		return false
	}
	if q.waiting--; q.waiting == 0 {
		f.asking = nil
		q.cancel(nil)
	}
	return true
}

// ask begins a question. mu is held.
func (r *remotes) ask(f *remote, now time.Time) {
	q := &question{done: make(chan struct{})}
	var ctx context.Context
	ctx, q.cancel = context.WithCancelCause(r.ctx)
	f.asking = q
	held, wait := "", r.answers
	if f.copy != nil {
		held = f.copy.version
	}
	if r.makesDo(f, now) {
		wait = r.hurry
	}
	r.fetches()
	r.work.Go(func() {
		got, err := r.fetch(ctx, q, f.url, held, wait)
		var c *remoteCopy
		if err == nil && !got.NotModified {
			if c, err = r.receive(f, q, got); err != nil {
				got.Body.Close()
				<-r.slots
			}
		}
		r.answer(f, q, c, err)
	})
}

// fetch has the fetcher look, for a while. Its slot is kept where there is a body to
// come.
func (r *remotes) fetch(ctx context.Context, q *question, url, held string, wait time.Duration) (*Fetched, error) {
	late := time.AfterFunc(wait, func() { q.cancel(errOriginSilent) })
	select {
	case r.slots <- struct{}{}:
	default:
		r.giveUpIdle()
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			late.Stop()
			return nil, fmt.Errorf("tftp: fetch %s: %w", redacted(url), ErrBusy)
		}
	}
	got, err := r.fetcher.Fetch(ctx, url, held)
	inTime := late.Stop()
	switch {
	case err == nil && got.NotModified && held == "":
		err = errors.New("origin answered 304 to an unconditional request")
	case err == nil && got.NotModified:
		<-r.slots
		return got, nil
	case err == nil && got.Size > r.disk:
		err = errSpoolFull
	case err == nil && inTime:
		return got, nil
	case !inTime:
		err = errOriginSilent
	}
	if got != nil && got.Body != nil {
		got.Body.Close()
	}
	<-r.slots
	return nil, fmt.Errorf("tftp: fetch %s: %w", redacted(url), err)
}

// errOriginSilent says that an origin did not answer, or stopped in the middle.
var errOriginSilent = errors.New("the origin does not answer")

// answer gives the outcome of a question to all who wait for it. c is a new copy,
// nil when there is none.
func (r *remotes) answer(f *remote, q *question, c *remoteCopy, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c == nil {
		q.cancel(nil)
	}
	if f.asking != q { // nobody waits any more
		if c != nil {
			r.drop(c)
		}
		return
	}
	f.asking = nil
	defer close(q.done)
	now := time.Now()
	if err == nil && c == nil && f.copy == nil { // all were dropped: this is the end
		err = errDropped
	}
	switch {
	case err == nil:
		f.err, f.checked = nil, now
		if c != nil {
			r.replace(f, c)
		}
	default:
		f.err, f.failed = err, now
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			r.replace(f, nil) // the origin works, and has it no longer
		}
		if !r.makesDo(f, now) {
			q.err = err
			return
		}
		r.failing(redacted(f.url), err)
	}
	q.copy = f.copy
	q.copy.refs += q.waiting
	q.copy.used = now
	if q.copy.failed { // in the meantime: they will find out, and nobody else
		r.replace(f, nil)
	}
}

// makesDo reports whether the copy of a file serves while its origin fails: RFC
// 5861 4 calls that stale-if-error. mu is held.
func (r *remotes) makesDo(f *remote, now time.Time) bool {
	return f.copy != nil && r.stale > 0 && now.Sub(f.checked) < max(0, r.fresh)+r.stale
}

// forget drops the files of which nothing but a failure is known when they are
// many, before another is asked for: clients may think of any name. mu is held.
func (r *remotes) forget() {
	if len(r.files) < remotesRecalled+len(r.copies) {
		return
	}
	for url, f := range r.files {
		if f.copy == nil && f.asking == nil {
			delete(r.files, url)
		}
	}
}

// tag names a copy. mu is held.
func (r *remotes) tag() string {
	r.serial++
	return strconv.Itoa(r.serial)
}

// close ends questions and downloads, whose context has ended, and gives back what
// is held.
func (r *remotes) close() error {
	err := waitFor(&r.work)
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.copies {
		r.drop(c)
	}
	return err
}
