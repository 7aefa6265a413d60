//go:build unix

package tftp

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReplacedFile: a file that another one has taken the place of is not mixed
// with that, though both have one size and one time.
func TestReplacedFile(t *testing.T) {
	t.Parallel()
	root, dir := newRoot(t)
	at := time.Unix(1700000000, 0)
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(content), 300_000), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("f", "A")
	r := serve(t, slow(&Server{Root: root}), false)
	h := newHand(t, r)
	h.ask(opRRQ, "f", option{"windowsize", "2"})
	h.expect("OACK [windowsize=2]")
	h.ack(0)
	h.hear() // the beginning is in memory now
	h.say(&packet{op: opERROR})
	r.record(t)
	write("g", "B")
	if err := os.Rename(filepath.Join(dir, "g"), filepath.Join(dir, "f")); err != nil {
		t.Fatal(err)
	}
	b, _, err := get(t, &Client{}, r, "f")
	if err != nil || bytes.Count(b, []byte("B")) != 300_000 {
		t.Errorf("%d bytes, of the old file %d, %v", len(b), bytes.Count(b, []byte("A")), err)
	}
}

// TestWrittenFile: one that is written to while it is sent is no file that arrived; one
// that loses its name to another is.
func TestWrittenFile(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(name string) error{
		"written": func(name string) error {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte("B"), 250_000)
			return err
		},
		"replaced": func(name string) error {
			if err := os.WriteFile(name+".new", []byte("B"), 0o644); err != nil {
				return err
			}
			return os.Rename(name+".new", name)
		},
	} {
		root, dir := newRoot(t)
		name := filepath.Join(dir, "f")
		at := time.Unix(1700000000, 0)
		if err := errors.Join(os.WriteFile(name, bytes.Repeat([]byte("A"), 300_000), 0o644), os.Chtimes(name, at, at)); err != nil {
			t.Fatal(err)
		}
		r := serve(t, slow(&Server{Root: root}), false)
		h := newHand(t, r)
		h.ask(opRRQ, "f", option{"blksize", "60000"})
		h.expect("OACK [blksize=60000]")
		h.ack(0)
		h.hear()
		if err := change(name); err != nil {
			t.Fatal(err)
		}
		for i := range uint16(5) {
			h.ack(i + 1)
			got, _ := h.hear()
			if strings.HasPrefix(got, "DATA") {
				continue
			}
			if want := `ERROR 0 (undefined) "file changed while it was sent, try again"`; what == "replaced" || got != want {
				t.Errorf("%s: heard %.100s", what, got)
			}
			break
		}
		if what == "replaced" {
			h.ack(6)
		}
		if rec := r.record(t); (rec.Result == ResultOK) != (what == "replaced") {
			t.Errorf("%s: record %+v", what, rec)
		}
	}
}

// TestWrittenAfterItsEnd: that a file was written to is found out with any chunk, also
// where its last one was read before.
func TestWrittenAfterItsEnd(t *testing.T) {
	t.Parallel()
	const chunks = 20
	root, dir := newRoot(t)
	name := filepath.Join(dir, "f")
	at := time.Unix(1700000000, 0)
	if err := errors.Join(os.WriteFile(name, make([]byte, chunks*chunkSize), 0o644), os.Chtimes(name, at, at)); err != nil {
		t.Fatal(err)
	}
	o, id, err := openFile(rootTree{root}, "f")
	if err != nil {
		t.Fatal(err)
	}
	c := newCache(0)
	f := c.open("f", id, o)
	w := make(waiting, chunks)
	take := func(i int64) error {
		if ch := f.chunk(i, w); ch != nil {
			ch.unpin()
			return nil
		}
		return <-w
	}
	if err := errors.Join(take(0), take(chunks-1)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, noise(chunks*chunkSize), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := take(chunks / 2); !errors.Is(err, errWritten) {
		t.Errorf("%v, want %v", err, errWritten)
	}
	f.release()
	c.reading.Wait()
}

// TestPipe: what is no file is refused at once, whatever the tree is.
func TestPipe(t *testing.T) {
	t.Parallel()
	root, dir := newRoot(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o666); err != nil {
		t.Skip(err)
	}
	os.Mkdir(filepath.Join(dir, "folder"), 0o755)
	os.Symlink("pipe", filepath.Join(dir, "link"))
	for _, s := range []*Server{{Root: root}, {FS: os.DirFS(dir)}, {Root: root, CaseInsensitive: true}} {
		r := serve(t, s, false)
		for _, name := range []string{"pipe", "folder", "link"} {
			if _, _, err := get(t, &Client{}, r, name); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s: %v", name, err)
			}
			if rec := r.record(t); rec.Error != errNotRegular.Message {
				t.Errorf("%s: record %+v", name, rec)
			}
		}
		eventually(t, func() bool { return r.Stats().Active == 0 })
	}
	// The pipe is not even looked into where it is found out only when it is open.
	f, err := rootTree{root}.Open("pipe")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// TestNamesThatAreNone: what is not there, what may not be followed, and names with
// colons.
func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	root, dir := newRoot(t)
	os.WriteFile(filepath.Join(dir, "52:54:00:12:34:56.ipxe"), []byte("x"), 0o644)
	os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644)
	os.Symlink("/etc/hostname", filepath.Join(dir, "out"))
	os.Symlink("../..", filepath.Join(dir, "up"))
	os.Symlink("loop", filepath.Join(dir, "loop"))
	o := newOrigins(t)
	o.files["/img/file/x"] = noise(100)
	local := serve(t, &Server{Root: root, Write: WriteCreate}, false)
	mapped := serve(t, &Server{Root: root, Mounts: []Mount{{URL: o.URL + "/img/"}}}, false)
	for name, want := range map[string]error{
		"52:54:00:12:34:56.ipxe": nil, "file": nil, "/file": nil, "file/": nil,
		"file/x": fs.ErrNotExist, strings.Repeat("n", 300): fs.ErrNotExist, strings.Repeat("n/", 900) + "n": fs.ErrNotExist,
		"out": fs.ErrPermission, "up/x": fs.ErrPermission, "loop": fs.ErrPermission,
		"c:/file": fs.ErrPermission, `C:\file`: fs.ErrPermission, "/c:file": fs.ErrPermission, "x/c:file": fs.ErrNotExist,
	} {
		if _, _, err := get(t, &Client{}, local, name); !errors.Is(err, want) {
			t.Errorf("%.40s: %v, want %v", name, err, want)
		}
	}
	for _, name := range []string{"file/x", strings.Repeat("n", 300)} {
		_, err := (&Client{}).Put(t.Context(), local.addr.String(), name, strings.NewReader("a"), 1)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("put %.40s: %v", name, err)
		}
	}
	// What the tree does not have is looked for behind the URL.
	if b, _, err := get(t, &Client{}, mapped, "file/x"); err != nil || len(b) != 100 {
		t.Errorf("mapped: %d bytes, %v", len(b), err)
	}
}
