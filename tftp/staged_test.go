package tftp

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// upload stages a file, writes it and returns what Commit says.
func upload(t *testing.T, root *os.Root, name, content string, policy WritePolicy, links bool) error {
	t.Helper()
	up, err := stage(root, name, policy, &sweeper{})
	if err != nil {
		return err
	}
	if !links {
		up.(*staged).link = func(string, string) error { return &os.LinkError{Op: "linkat", Err: syscall.EPERM} }
	}
	if _, err := up.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	return up.Commit()
}

// names are those in a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestStaged: new files are made and old ones replaced, where the file system has
// links and where it has none, and nothing else is left.
func TestStaged(t *testing.T) {
	t.Parallel()
	for _, links := range []bool{true, false} {
		root, dir := newRoot(t)
		if err := upload(t, root, "f", "one", WriteCreate, links); err != nil {
			t.Errorf("links %v: %v", links, err)
		}
		// A second one finds it at once, or when it is complete.
		if err := upload(t, root, "f", "two", WriteCreate, links); !errors.Is(err, fs.ErrExist) {
			t.Errorf("links %v: an existing file: %v", links, err)
		}
		first, err := stage(root, "g", WriteCreate, &sweeper{})
		if err != nil {
			t.Fatal(err)
		}
		first.Write([]byte("one"))
		if err := upload(t, root, "g", "two", WriteCreate, links); err != nil {
			t.Errorf("links %v: %v", links, err)
		}
		if err := first.Commit(); !errors.Is(err, fs.ErrExist) {
			t.Errorf("links %v: a file made meanwhile: %v", links, err)
		}
		if b, err := root.ReadFile("g"); string(b) != "two" {
			t.Errorf("links %v: %q, %v", links, b, err)
		}
		for _, mode := range []fs.FileMode{0o600, 0} {
			os.Chmod(filepath.Join(dir, "f"), mode)
			if err := upload(t, root, "f", "three", WriteOverwrite, links); err != nil {
				t.Errorf("links %v: %v", links, err)
			}
			info, err := root.Stat("f")
			if err != nil || info.Mode() != mode || info.Size() != 5 {
				t.Errorf("links %v: a file of %v became %v, %v", links, mode, info.Mode(), err)
			}
		}
		if got := names(t, dir); !slices.Equal(got, []string{"f", "g"}) {
			t.Errorf("links %v: left are %v", links, got)
		}
	}
}

// TestSweep: what a killed server has left is removed, and nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	root, dir := newRoot(t)
	old := time.Now().Add(-2 * leftAfter)
	made := func(name string, at time.Time) string {
		os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644)
		os.Chtimes(filepath.Join(dir, name), at, at)
		return name
	}
	made(stagedName(), old)
	want := []string{
		made(stagedName(), time.Now()), made(stagedPrefix+"of somebody else", old), made("f", old),
	}
	os.Mkdir(filepath.Join(dir, stagedPrefix+strings.Repeat("A", 26)), 0o755)
	want = append(want, stagedPrefix+strings.Repeat("A", 26), "g")
	r := serve(t, &Server{Root: root, Write: WriteCreate}, false)
	if _, err := (&Client{}).Put(t.Context(), r.addr.String(), "g", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("left are %v\nwant %v", got, want)
	}
	if _, _, err := get(t, &Client{}, r, want[0]); err == nil {
		t.Error("a file that is not complete can be had")
	}
}

// TestSweepAgain: what was too young at first is removed by a later upload.
func TestSweepAgain(t *testing.T) {
	t.Parallel()
	root, dir := newRoot(t)
	os.WriteFile(filepath.Join(dir, stagedName()), nil, 0o644)
	var w sweeper
	now := time.Now()
	w.sweep(root, ".", now)
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left are %v", got)
	}
	w.sweep(root, ".", now.Add(leftAfter+time.Minute))
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left are %v", got)
	}
}

// TestCaseOfUploads: where case does not count, a name is taken by any spelling of
// it, and a folder is found by any.
func TestCaseOfUploads(t *testing.T) {
	t.Parallel()
	root, dir := newRoot(t)
	os.Mkdir(filepath.Join(dir, "Boot"), 0o755)
	os.WriteFile(filepath.Join(dir, "README"), []byte("x"), 0o644)
	put := func(policy WritePolicy, name string) error {
		r := serve(t, &Server{Root: root, Write: policy, CaseInsensitive: true}, false)
		_, err := (&Client{}).Put(t.Context(), r.addr.String(), name, strings.NewReader("new"), 3)
		return err
	}
	if err := put(WriteCreate, "readme"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("beside README: %v", err)
	}
	if err := put(WriteOverwrite, "readme"); err != nil {
		t.Error(err)
	}
	if err := put(WriteCreate, `BOOT\Menu`); err != nil {
		t.Error(err)
	}
	if err := put(WriteCreate, "boot/MENU"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("beside Boot/Menu: %v", err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"Boot", "README"}) {
		t.Errorf("there are %v", got)
	}
	if b, err := root.ReadFile("README"); string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	if got := names(t, filepath.Join(dir, "Boot")); !slices.Equal(got, []string{"Menu"}) {
		t.Errorf("there are %v", got)
	}
}
