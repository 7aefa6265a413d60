package tftp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// immediate is an origin that may have bytes at hand.
type immediate interface {
	// readNow is ReadAt without waiting for a disk: it reports whether it filled b.
	readNow(b []byte, off int64) bool
}

// readNow reads chunk i on the spot where the system has it in memory: that costs
// less than handing the work to a goroutine. mu is held.
func (c *cache) readNow(f *file, i int64) bool {
	origin, ok := f.origin.(immediate)
	if !ok || f.id.size < 0 {
		return false
	}
	c.used += chunkSize
	c.shrink()
	b := c.buffer()
	n := max(0, min(f.id.size-i*chunkSize, chunkSize))
	f.slow = !origin.readNow(b[:n], i*chunkSize) || f.changed(f.origin) != nil
	if f.slow {
		c.used -= chunkSize
		c.keep(b)
		return false
	}
	ch := &chunk{file: f, index: i, data: b[:n]}
	f.chunks[i] = ch
	ch.place = c.recent.PushFront(ch)
	return true
}

// read has chunks read from i on, those of a run that are not there. mu is held.
func (c *cache) read(f *file, i int64) {
	var run []*chunk
	for n := i; n < i+runLength && (n == i || f.id.size >= 0 && f.has(n)) && f.chunks[n] == nil; n++ {
		ch := &chunk{file: f, index: n}
		f.chunks[n] = ch
		c.used += chunkSize
		run = append(run, ch)
	}
	c.shrink()
	f.refs++ // the reader's own
	f.reads++
	origin := f.origin
	c.reading.Add(1)
	go func() {
		defer c.reading.Done()
		for _, ch := range run {
			c.mu.Lock()
			data := c.buffer()
			c.mu.Unlock()
			n, err := origin.ReadAt(data, ch.index*chunkSize)
			if err == nil || errors.Is(err, io.EOF) {
				err = errors.Join(f.checkSize(ch.index, n), f.changed(origin))
			}
			c.arrived(ch, data[:n], err)
		}
		c.mu.Lock()
		f.reads--
		c.mu.Unlock()
		f.release()
	}()
}

// arrived puts what was read into its chunk and tells those who wait.
func (c *cache) arrived(ch *chunk, data []byte, err error) {
	c.mu.Lock()
	waiters := ch.waiters
	ch.waiters = nil
	if err != nil {
		delete(ch.file.chunks, ch.index) // the next who asks tries again
		c.used -= chunkSize
	} else {
		ch.data = data
		ch.pins = len(waiters)
		ch.place = c.recent.PushFront(ch)
		c.shrink()
	}
	c.mu.Unlock()
	for _, w := range waiters {
		w.chunkRead(ch.index, ch, err)
	}
}

// checkSize finds out that a file has become shorter since it was opened.
func (f *file) checkSize(index int64, n int) error {
	if f.id.size < 0 {
		return nil
	}
	if want := min(f.id.size-index*chunkSize, chunkSize); int64(n) < want {
		return fmt.Errorf("tftp: read %s: %w", f.key, errShrunk)
	}
	return nil
}

// changed finds out, after each chunk that is read, that a file was written to since it
// was opened: what was read before may not go with what was read after. That another one
// has taken its name is none of that. Only files of the system's are asked: the times
// of others may be made up.
func (f *file) changed(o origin) error {
	asked, ok := o.(interface{ Stat() (fs.FileInfo, error) })
	if !ok || f.id.inode == (inode{}) {
		return nil
	}
	info, err := asked.Stat()
	if err != nil || info.Size() == f.id.size && info.ModTime().Equal(f.id.modTime) {
		return nil
	}
	return fmt.Errorf("tftp: read %s: %w", f.key, errWritten)
}

var (
	errShrunk  = errors.New("the file became shorter while it was sent")
	errWritten = errors.New("the file was written to while it was sent")
)
