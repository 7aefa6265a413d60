package tftp

import (
	"bytes"
	"sync/atomic"
	"testing"
)

// inMemory is an origin that has its bytes at hand, or not.
type inMemory struct {
	closable
	atHand atomic.Bool
	slow   atomic.Int64 // reads that could have waited
}

func (o *inMemory) ReadAt(b []byte, off int64) (int, error) {
	o.slow.Add(1)
	return o.closable.ReadAt(b, off)
}

func (o *inMemory) readNow(b []byte, off int64) bool {
	if !o.atHand.Load() {
		return false
	}
	n, _ := o.closable.ReadAt(b, off)
	return n == len(b)
}

// TestReadNow: what the system has in memory is read on the spot, what it has not
// is read ahead elsewhere, and one way gives place to the other.
func TestReadNow(t *testing.T) {
	t.Parallel()
	const chunks = 40
	data := noise(chunks*chunkSize - 100)
	o := &inMemory{closable: closable{bytes.NewReader(data)}}
	c := newCache(0)
	f := c.open("k", identity{size: int64(len(data))}, o)
	w := make(waiting, chunks)
	take := func(i int64) bool {
		t.Helper()
		ch := f.chunk(i, w)
		if ch == nil {
			return false
		}
		defer ch.unpin()
		if want := data[i*chunkSize : min((i+1)*chunkSize, int64(len(data)))]; !bytes.Equal(ch.data, want) {
			t.Errorf("chunk %d: other bytes", i)
		}
		return true
	}
	o.atHand.Store(true)
	for i := range int64(10) {
		if !take(i) || o.slow.Load() != 0 {
			t.Fatalf("chunk %d had to be waited for", i)
		}
	}
	o.atHand.Store(false)
	if take(10) {
		t.Fatal("chunk 10 is there, though nobody has it")
	}
	if err := <-w; err != nil {
		t.Fatal(err)
	}
	c.reading.Wait()
	if got := o.slow.Load(); got != runLength {
		t.Fatalf("%d chunks were read, want a run of %d", got, runLength)
	}
	take(10 + runLength - 1) // which has what comes next read
	c.reading.Wait()
	o.atHand.Store(true)
	was := o.slow.Load()
	for i := int64(10 + runLength); i < chunks; i++ {
		if !take(i) {
			t.Fatalf("chunk %d had to be waited for", i)
		}
	}
	c.reading.Wait()
	if got := o.slow.Load() - was; got != 0 {
		t.Errorf("%d chunks were read elsewhere though they were at hand", got)
	}
	f.release()
}
