package tftp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"
)

// counted is a tree that counts what is read of its files.
type counted struct {
	fs.FS
	bytes  atomic.Int64
	stream bool // its files cannot be read at an offset
}

type countedFile struct {
	fs.File
	c *counted
}

type countedReaderAt struct{ countedFile }

func (c *counted) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if c.stream {
		return countedFile{f, c}, nil
	}
	return countedReaderAt{countedFile{f, c}}, nil
}

func (f countedFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	f.c.bytes.Add(int64(n))
	return n, err
}

func (f countedReaderAt) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.(io.ReaderAt).ReadAt(b, off)
	f.c.bytes.Add(int64(n))
	return n, err
}

// TestReadOnce: a room full of machines that boot from one image reads it once.
func TestReadOnce(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		data := noise(1<<20 + 17)
		tree := &counted{FS: fstest.MapFS{"image": {Data: data, ModTime: time.Unix(1, 0)}}, stream: stream}
		r := serve(t, &Server{FS: tree, MaxTransfersPerAddr: -1}, false)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				var b bytes.Buffer
				_, err := (&Client{}).Get(t.Context(), r.addr.String(), "image", &b)
				if err != nil || !bytes.Equal(b.Bytes(), data) {
					t.Errorf("%d bytes, %v", b.Len(), err)
				}
			})
		}
		wg.Wait()
		if got := tree.bytes.Load(); got != int64(len(data)) {
			t.Errorf("stream %v: %d bytes were read of a file of %d", stream, got, len(data))
		}
	}
}

// TestChangedFile: a file that has changed is read anew, also with its old size.
func TestChangedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	r := serve(t, &Server{Root: root}, false)
	for i, want := range []string{"old", "old", "new"} {
		if err := os.WriteFile(dir+"/f", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(1000+i/2), 0)
		if err := os.Chtimes(dir+"/f", at, at); err != nil {
			t.Fatal(err)
		}
		if b, _, err := get(t, &Client{}, r, "f"); err != nil || string(b) != want {
			t.Errorf("%q, %v, want %q", b, err, want)
		}
		r.record(t)
	}
}

// TestSmallCache: with the least memory, larger files, many at once.
func TestSmallCache(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{}
	for _, name := range []string{"a", "b", "c", "d"} {
		tree[name] = &fstest.MapFile{Data: noise(1<<20 + int(name[0]))}
	}
	s := &Server{FS: tree, CacheBytes: 1}
	r := serve(t, s, false)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			name := string(rune('a' + i%4))
			var b bytes.Buffer
			_, err := (&Client{}).Get(t.Context(), r.addr.String(), name, &b)
			if err != nil || !bytes.Equal(b.Bytes(), tree[name].Data) {
				t.Errorf("%s: %d bytes, %v", name, b.Len(), err)
			}
		})
	}
	wg.Wait()
	if got := r.Stats().CacheBytes; got > leastCacheBytes {
		t.Errorf("%d bytes are kept", got)
	}
}

// TestShrunkFile: a file that became shorter ends the transfer with an error,
// not with less than was announced.
func TestShrunkFile(t *testing.T) {
	t.Parallel()
	c := newCache(0)
	f := c.open("k", identity{size: 100_000}, closable{bytes.NewReader(noise(50_000))})
	defer f.release()
	w := make(waiting, 8)
	for i, want := range []error{nil, errShrunk} {
		if ch := f.chunk(int64(i), w); ch != nil {
			ch.unpin()
			if want != nil {
				t.Errorf("chunk %d is there", i)
			}
			continue
		}
		if err := <-w; !errors.Is(err, want) {
			t.Errorf("chunk %d: %v, want %v", i, err, want)
		}
	}
	c.reading.Wait()
}

type closable struct{ io.ReaderAt }

func (closable) Close() error { return nil }

type waiting chan error

func (w waiting) chunkRead(_ int64, ch *chunk, err error) {
	ch.unpin()
	w <- err
}

// TestRootIsTheLimit: links do not lead out of the folder.
func TestRootIsTheLimit(t *testing.T) {
	t.Parallel()
	outside, inside := t.TempDir(), t.TempDir()
	os.WriteFile(outside+"/secret", []byte("x"), 0o644)
	if err := os.Symlink(outside+"/secret", inside+"/link"); err != nil {
		t.Skip(err)
	}
	os.WriteFile(inside+"/file", []byte("y"), 0o644)
	os.Symlink("file", inside+"/good")
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	r := serve(t, &Server{Root: root}, false)
	if b, _, err := get(t, &Client{}, r, "link"); err == nil {
		t.Errorf("a link out of the folder was followed: %q", b)
	}
	if b, _, err := get(t, &Client{}, r, "good"); err != nil || string(b) != "y" {
		t.Errorf("a link within the folder: %q, %v", b, err)
	}
}

// slowTree is a tree whose files take their time to read.
type slowTree struct {
	fs.FS
	each time.Duration
}

type slowFile struct {
	countedReaderAt
	each time.Duration
}

func (s slowTree) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return slowFile{countedReaderAt{countedFile{f, &counted{}}}, s.each}, nil
}

func (f slowFile) ReadAt(b []byte, off int64) (int, error) {
	time.Sleep(f.each)
	return f.countedReaderAt.ReadAt(b, off)
}

// TestBlocksAcrossChunks: transfers of many different files, which take the room
// in the cache from each other, get to their end, though their blocks lie in two
// or three chunks.
func TestBlocksAcrossChunks(t *testing.T) {
	t.Parallel()
	const n = 60
	tree := fstest.MapFS{}
	for i := range n {
		tree[fmt.Sprint(i)] = &fstest.MapFile{Data: noise(150_000 + i)}
	}
	r := serve(t, &Server{FS: slowTree{tree, 2 * time.Millisecond}, CacheBytes: 1}, false)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprint(i)
			var b bytes.Buffer
			c := &Client{BlockSize: []int{1468, 1024, 65464}[i%3], Silence: 10 * time.Second}
			if _, err := c.Get(t.Context(), r.addr.String(), name, &b); err != nil || !bytes.Equal(b.Bytes(), tree[name].Data) {
				t.Errorf("%s: %d bytes, %v", name, b.Len(), err)
			}
		})
	}
	wg.Wait()
}
