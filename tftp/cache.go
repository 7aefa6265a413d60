package tftp

import (
	"container/list"
	"io"
	"sync"
	"time"
)

const (
	chunkSize = 32 << 10 // bytes of a file that are read and kept together
	runLength = 4        // chunks that are read in one go

	defaultCacheBytes = 16 << 20
	leastCacheBytes   = 1 << 20 // less makes transfers take chunks from each other
	spareChunks       = 64      // buffers that are kept for reuse
)

// origin is where the bytes of a file come from. ReadAt may block; it is called
// from several goroutines, for different chunks.
type origin interface {
	io.ReaderAt
	io.Closer
}

// interruptible is an origin whose ReadAt may wait for others for long.
type interruptible interface {
	// interrupt is Close though ReadAt is under way, as nobody wants its bytes.
	interrupt()
}

// identity tells whether a file is still the one that is cached.
type identity struct {
	size    int64 // -1: not known
	modTime time.Time
	inode   inode  // of a file of this machine, where it has one
	tag     string // of a remote file
}

// inode tells a file from others that have its size and were last written at the
// same time, such as those of a release that was unpacked over another. changed is
// what a program cannot set. The zero value: not known.
type inode struct {
	device, number uint64
	changed        int64 // nanoseconds
}

// cache keeps chunks of files, so that many transfers of one file read it once.
// Its methods may be called concurrently.
type cache struct {
	max int64 // bytes

	mu      sync.Mutex
	used    int64      // guarded by mu; chunks that are read or being read
	recent  *list.List // guarded by mu; of *chunk that are read, the newest use first
	files   map[string]*file
	spare   [][]byte // guarded by mu
	reading sync.WaitGroup
}

// file is one version of a file. It is shared by the transfers that have it
// open; everything but key, id and cache is guarded by cache.mu.
type file struct {
	cache *cache
	key   string
	id    identity

	origin origin // nil while nobody has the file open
	refs   int
	reads  int  // of refs, those of goroutines that read
	gone   bool // another version has taken its place
	slow   bool // reading it takes a goroutine, as far as is known
	chunks map[int64]*chunk
}

// chunk is a piece of a file. data stays as it is while the chunk is pinned;
// file and index never change; the rest is guarded by cache.mu.
type chunk struct {
	file    *file
	index   int64
	data    []byte // shorter than chunkSize: the file ends here
	waiters []chunkWaiter
	place   *list.Element // in cache.recent; nil while it is being read, and after it was dropped
	pins    int           // transfers that have it in use
}

// chunkWaiter is told when a chunk is there, on a foreign goroutine: it has the
// chunk pinned then, or gets an error. It must not block.
type chunkWaiter interface {
	chunkRead(index int64, ch *chunk, err error)
}

func newCache(limit int64) *cache {
	return &cache{max: max(limit, leastCacheBytes), recent: list.New(), files: map[string]*file{}}
}

// open gives the file that is cached as key and id, or a new one that is read
// from o. The cache closes o when it is used no longer. Every open needs a
// release.
func (c *cache) open(key string, id identity, o origin) *file {
	c.mu.Lock()
	f := c.files[key]
	if f == nil || f.id != id || id.size < 0 {
		if f != nil {
			f.gone = true
			c.forget(f)
		}
		f = &file{cache: c, key: key, id: id, chunks: map[int64]*chunk{}, slow: true}
		c.files[key] = f
	}
	f.refs++
	spare := o
	if f.origin == nil {
		f.origin, spare = o, nil
	}
	c.mu.Unlock()
	if spare != nil {
		spare.Close()
	}
	return f
}

// release gives back what open gave.
func (f *file) release() {
	c := f.cache
	c.mu.Lock()
	f.refs--
	var unused origin
	if f.refs == 0 {
		unused, f.origin = f.origin, nil
		c.forget(f)
	}
	var unwanted interruptible
	if f.refs > 0 && f.refs == f.reads {
		if o, ok := f.origin.(interruptible); ok {
			unwanted, f.origin = o, nil // who opens the file next brings another
		}
	}
	c.mu.Unlock()
	if unused != nil {
		unused.Close()
	}
	if unwanted != nil {
		unwanted.interrupt()
	}
}

// forget drops a file that nobody has open and of which nothing need be kept.
// mu is held.
func (c *cache) forget(f *file) {
	if f.refs > 0 {
		return
	}
	if f.gone {
		for _, ch := range f.chunks {
			c.drop(ch)
		}
	}
	if len(f.chunks) == 0 && c.files[f.key] == f {
		delete(c.files, f.key)
	}
}

// drop takes a chunk that is read out of the cache. mu is held.
func (c *cache) drop(ch *chunk) {
	if ch.place == nil {
		return
	}
	c.recent.Remove(ch.place)
	ch.place = nil
	delete(ch.file.chunks, ch.index)
	c.used -= chunkSize
	c.recycle(ch)
}

// recycle keeps the buffer of a chunk that is dropped and not in use. mu is
// held.
func (c *cache) recycle(ch *chunk) {
	if ch.place == nil && ch.pins == 0 && ch.data != nil {
		c.keep(ch.data[:chunkSize])
		ch.data = nil
	}
}

// keep puts a buffer aside for the next who needs one. mu is held.
func (c *cache) keep(b []byte) {
	if len(c.spare) < spareChunks {
		c.spare = append(c.spare, b)
	}
}

// buffer is one to read a chunk into. mu is held.
func (c *cache) buffer() []byte {
	if n := len(c.spare); n > 0 {
		b := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return b
	}
	return make([]byte, chunkSize)
}

// unpin says that a transfer uses the chunk no longer. nil is allowed.
func (ch *chunk) unpin() {
	if ch == nil {
		return
	}
	c := ch.file.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	ch.pins--
	c.recycle(ch)
}

// chunk returns a chunk, pinned, or nil when it has to be read first; w is told
// then. It has the chunks behind it read ahead. The file must be open.
func (f *file) chunk(i int64, w chunkWaiter) *chunk {
	c := f.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := f.chunks[i]
	if ch == nil {
		if !c.readNow(f, i) {
			c.read(f, i)
		}
		ch = f.chunks[i]
	}
	if ch.place == nil {
		ch.waiters = append(ch.waiters, w)
		return nil
	}
	ch.pins++
	c.recent.MoveToFront(ch.place)
	f.readAhead(i)
	return ch
}

// readAhead has what comes after chunk i read, unless the system turns out to have
// it at hand. mu is held.
func (f *file) readAhead(i int64) {
	for ahead := i + 1; f.slow && ahead <= i+runLength/2 && f.has(ahead); ahead++ {
		if f.chunks[ahead] == nil {
			if !f.cache.readNow(f, ahead) {
				f.cache.read(f, ahead)
			}
			return
		}
	}
}

// has reports whether the file reaches chunk i, as far as is known. mu is held.
func (f *file) has(i int64) bool {
	if f.id.size < 0 {
		before := f.chunks[i-1]
		return before == nil || before.place == nil || len(before.data) == chunkSize
	}
	return i*chunkSize < f.id.size
}

// shrink drops the chunks that were not used for longest. mu is held.
func (c *cache) shrink() {
	for c.used > c.max && c.recent.Len() > 0 {
		ch := c.recent.Back().Value.(*chunk)
		c.drop(ch)
		c.forget(ch.file)
	}
}

// bytes is how much memory the chunks take.
func (c *cache) bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}
