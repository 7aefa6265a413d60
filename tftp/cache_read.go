package tftp

import (
	"errors"
	"fmt"
	"io"
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
	if f.slow = !origin.readNow(b[:n], i*chunkSize); f.slow {
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
	if err == nil || errors.Is(err, io.EOF) {
		err = ch.file.checkSize(ch.index, len(data))
	}
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

var errShrunk = errors.New("the file became shorter while it was sent")
