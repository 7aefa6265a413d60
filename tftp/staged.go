package tftp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"
)

// stagedPrefix begins the names of files that are not complete. Clients never see
// them; the dot hides them from others.
const stagedPrefix = ".burrow-upload-"

// stagedName is one that no other file has.
func stagedName() string { return stagedPrefix + rand.Text() }

// staged is an upload into a folder: it has another name until it is complete.
type staged struct {
	root      *os.Root
	name      string
	temporary string
	overwrite bool
	old       fs.FileInfo // the file that it takes the place of; nil: there is none
	file      *os.File
	link      func(oldname, newname string) error // root.Link
}

// stage starts an upload. Folders are not created.
func stage(root *os.Root, name string, policy WritePolicy, swept *sweeper) (Upload, error) {
	if policy == WriteNone || root == nil {
		return nil, errNoWrite
	}
	s := &staged{root: root, name: name, overwrite: policy == WriteOverwrite, link: root.Link}
	info, err := root.Lstat(name)
	switch {
	case err == nil && policy == WriteCreate:
		return nil, fmt.Errorf("tftp: write %s: %w", name, fs.ErrExist)
	case err == nil && !info.Mode().IsRegular():
		return nil, errNotRegular
	case err == nil:
		s.old = info
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	dir := path.Dir(name)
	if folder, err := root.Stat(dir); err != nil || !folder.IsDir() {
		return nil, &Error{CodeNotFound, "there is no such folder"}
	}
	swept.sweep(root, dir, time.Now())
	s.temporary = path.Join(dir, stagedName())
	return s, nil
}

// open makes the file. That is left until there is something to write, or all
// is there: a request alone, whose sender may be forged, makes no file.
func (s *staged) open() (err error) {
	if s.file != nil {
		return nil
	}
	mode := fs.FileMode(0o644)
	if s.old != nil {
		mode = s.old.Mode() & 0o600 // until it is the file: others see no more of it than of that
	}
	s.file, err = s.root.OpenFile(s.temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	return err
}

// Write appends to the file.
func (s *staged) Write(b []byte) (int, error) {
	if err := s.open(); err != nil {
		return 0, err
	}
	return s.file.Write(b)
}

// Commit gives the file its name.
func (s *staged) Commit() error {
	err := s.open()
	if err != nil {
		return err
	}
	if s.old != nil {
		err = s.file.Chmod(s.old.Mode().Perm())
	}
	err = errors.Join(err, s.file.Close())
	if err == nil {
		err = s.place()
	}
	if err != nil {
		return errors.Join(err, s.root.Remove(s.temporary))
	}
	return nil
}

// place moves the file to its name.
func (s *staged) place() error {
	if s.overwrite {
		return s.root.Rename(s.temporary, s.name)
	}
	// A link fails where the name exists; a rename would replace it.
	err := s.link(s.temporary, s.name)
	if err == nil {
		s.root.Remove(s.temporary) // if it cannot be removed the file is there all the same
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	// There are file systems without links. An empty file takes the name, which
	// fails where it exists, and is replaced.
	f, err := s.root.OpenFile(s.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if err = errors.Join(f.Close(), s.root.Rename(s.temporary, s.name)); err != nil {
		return errors.Join(err, s.root.Remove(s.name))
	}
	return nil
}

// Abort removes what was written.
func (s *staged) Abort() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.file.Close(), s.root.Remove(s.temporary))
}

// leftAfter is how old a staged file is that no server can be writing any more:
// none waits so long for a client.
const leftAfter = 24 * time.Hour

// sweepAfter is how often a folder is looked into at most.
const sweepAfter = time.Hour

// sweeper removes what uploads have left behind whose server was killed. Its methods
// may be called concurrently; the zero value is ready.
type sweeper struct {
	mu      sync.Mutex
	folders map[string]time.Time // guarded by mu: when they were looked into
}

// sweep looks into a folder, unless that was done a moment ago.
func (w *sweeper) sweep(root *os.Root, dir string, now time.Time) {
	w.mu.Lock()
	done, ok := w.folders[dir]
	if ok && now.Sub(done) < sweepAfter {
		w.mu.Unlock()
		return
	}
	if w.folders == nil {
		w.folders = map[string]time.Time{}
	}
	w.folders[dir] = now
	w.mu.Unlock()
	entries, _ := fs.ReadDir(root.FS(), dir)
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), stagedPrefix)
		if !ok || len(rest) != len(rand.Text()) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > leftAfter {
			root.Remove(path.Join(dir, e.Name())) // what cannot be removed stays
		}
	}
}
