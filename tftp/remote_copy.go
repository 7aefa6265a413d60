package tftp

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// remoteCopy is one version of a remote file, while and after it arrives. All but
// its spool, version and tag is guarded by remotes.mu.
//
// It is dropped when its room is wanted, or when it is the current one no longer,
// and nobody reads it or waits to hear that it still is; one that is still arriving
// goes on for a moment first.
type remoteCopy struct {
	spool   *spool
	version string
	tag     string  // tells it from others
	of      *remote // nil: not the current one, not yet or no longer
	refs    int     // readers

	arriving     bool
	cancel       func()      // ends that
	lingering    *time.Timer // ends it when nobody has come back; nil: somebody reads
	failed       bool        // it did not arrive whole
	dropped      bool
	used         time.Time
	memory, disk int64 // what it holds, bytes
}

// remoteHandle is one reader's origin.
type remoteHandle struct {
	*spool
	release func()
}

// Close gives the copy back.
func (h *remoteHandle) Close() error { h.release(); return nil }

// interrupt implements interruptible: a spool says itself when it is given up.
func (h *remoteHandle) interrupt() { h.release() }

// hold makes a reader. mu is held.
func (r *remotes) hold(c *remoteCopy) (origin, identity, error) {
	c.refs++
	c.used = time.Now()
	if c.lingering != nil {
		c.lingering.Stop()
		c.lingering = nil
	}
	return r.handle(c)
}

// handle is the origin for a reader that is counted already.
func (r *remotes) handle(c *remoteCopy) (origin, identity, error) {
	h := &remoteHandle{c.spool, sync.OnceFunc(func() { r.release(c) })}
	return h, identity{size: c.spool.length(), tag: c.tag}, nil
}

// release is called when a reader has finished.
func (r *remotes) release(c *remoteCopy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.refs--; c.refs > 0 || c.dropped {
		return
	}
	switch {
	case c.of == nil:
		r.drop(c)
	case c.arriving:
		c.lingering = time.AfterFunc(r.linger, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if c.refs == 0 && c.arriving {
				r.drop(c)
			}
		})
	}
}

// replace makes c the current copy of a file; nil: it has none. mu is held.
func (r *remotes) replace(f *remote, c *remoteCopy) {
	old := f.copy
	f.copy = c
	if c != nil {
		c.of = f
	}
	if old == nil {
		return
	}
	old.of = nil
	if old.refs == 0 {
		r.drop(old)
	}
}

// drop gives back what a copy holds. mu is held.
func (r *remotes) drop(c *remoteCopy) {
	if c.dropped {
		return
	}
	c.dropped = true
	delete(r.copies, c)
	r.memoryHeld -= c.memory
	r.diskHeld -= c.disk
	c.cancel()
	if c.lingering != nil {
		c.lingering.Stop()
	}
	if f := c.of; f != nil {
		f.copy, c.of = nil, nil
		if f.asking == nil && r.files[f.url] == f {
			delete(r.files, f.url)
		}
	}
	c.spool.remove()
}

// enter counts a copy in. Where there are many it takes the place of one that nobody
// reads: an origin may have something for any name.
func (r *remotes) enter(c *remoteCopy) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.copies) >= remotesHeld {
		idle := r.idle(func(*remoteCopy) bool { return true })
		if idle == nil {
			return errNoRoom
		}
		r.drop(idle)
	}
	c.tag = r.tag()
	r.copies[c] = struct{}{}
	return nil
}

// room counts what a copy is about to hold, or holds no longer, and drops what
// nobody reads to make way for it. It reports whether the limits allow it.
func (r *remotes) room(c *remoteCopy, memory, disk int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !c.dropped {
		tooMuch := memory > 0 && r.memoryHeld+memory > r.memory
		tooFull := disk > 0 && r.diskHeld+disk > r.disk
		if !tooMuch && !tooFull {
			c.memory, c.disk = c.memory+memory, c.disk+disk
			r.memoryHeld, r.diskHeld = r.memoryHeld+memory, r.diskHeld+disk
			return true
		}
		idle := r.idle(func(x *remoteCopy) bool { return tooMuch && x.memory > 0 || tooFull && x.disk > 0 })
		if idle == nil {
			break
		}
		r.drop(idle)
	}
	return false
}

// idle is the copy that was not used for longest, of those that nobody reads or asks
// the origin about and that qualify; one that is there goes before one on its way. mu
// is held.
func (r *remotes) idle(qualifies func(*remoteCopy) bool) *remoteCopy {
	var oldest *remoteCopy
	for c := range r.copies {
		if c.refs > 0 || c.of == nil || c.of.asking != nil || !qualifies(c) {
			continue
		}
		if oldest == nil || c.arriving != oldest.arriving && oldest.arriving || c.arriving == oldest.arriving && c.used.Before(oldest.used) {
			oldest = c
		}
	}
	return oldest
}

// giveUpIdle ends the downloads that nobody waits for: there is another to be made.
func (r *remotes) giveUpIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.copies {
		if c.refs == 0 && c.of != nil && c.arriving {
			r.drop(c)
		}
	}
}

// receive begins the download of what a question has found. It takes over its slot
// and its body, unless it fails.
func (r *remotes) receive(f *remote, q *question, got *Fetched) (*remoteCopy, error) {
	c := &remoteCopy{version: got.Version, arriving: true, used: time.Now(), cancel: func() { q.cancel(errDropped) }}
	room := func(memory, disk int64) bool { return r.room(c, memory, disk) }
	c.spool = newSpool(r.dir, got.Size, min(remoteInMemory, r.memory), r.disk, room)
	err := r.enter(c)
	if err == nil {
		err = c.spool.reserve(got.Size) // better now than in the middle
	}
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.drop(c)
		return nil, fmt.Errorf("tftp: fetch %s: %w", redacted(f.url), err)
	}
	r.work.Go(func() {
		err := r.download(c.spool, got, q)
		<-r.slots
		r.mu.Lock()
		defer r.mu.Unlock()
		c.arriving, c.failed = false, err != nil
		c.cancel()
		c.spool.end(err)
		if c.lingering != nil {
			c.lingering.Stop()
			c.lingering = nil
		}
		if f := c.of; f != nil && err != nil {
			r.replace(f, nil) // the next who asks gets a new try
		}
	})
	return c, nil
}

// download fills the spool. A body that stalls is cut off.
func (r *remotes) download(s *spool, got *Fetched, q *question) error {
	defer got.Body.Close()
	stalled := time.AfterFunc(r.stall, func() { q.cancel(errOriginSilent) })
	defer stalled.Stop()
	n, err := io.Copy(s, &alive{got.Body, func() { stalled.Reset(r.stall) }})
	switch {
	case s.broken != nil:
		return s.broken // it was not the origin
	case err == nil && got.Size >= 0 && n != got.Size:
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		return nil
	}
	if !stalled.Stop() {
		err = errOriginSilent
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
