package tftp

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
)

// rootTree is the tree of a Server.Root.
type rootTree struct{ root *os.Root }

// Open does not wait for what is behind a name: to open a pipe takes as long as
// nobody writes to it.
func (t rootTree) Open(name string) (fs.File, error) {
	f, err := t.root.OpenFile(name, os.O_RDONLY|openAtOnce, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Stat and ReadDir are what a search without regard to case asks for.
func (t rootTree) Stat(name string) (fs.FileInfo, error) { return t.root.Stat(name) }

func (t rootTree) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(t.root.FS(), name) }

// errNotRegular is the answer to requests for a folder, a device or a pipe: these
// have no end.
var errNotRegular = &Error{CodeAccess, "not a regular file"}

// openFile opens a file of a tree as an origin.
func openFile(fsys fs.FS, name string) (origin, identity, error) {
	// Other trees may wait: where one can be asked before, it is.
	if look, ok := fsys.(fs.StatFS); ok {
		info, err := look.Stat(name)
		if err == nil && !info.Mode().IsRegular() {
			return nil, identity{}, errNotRegular
		}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, identity{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return nil, identity{}, err
	}
	id := identity{size: info.Size(), modTime: info.ModTime(), inode: inodeOf(info)}
	if o, ok := f.(origin); ok {
		return onDisk(o), id, nil
	}
	return &stream{file: f, reopen: func() (fs.File, error) { return fsys.Open(name) }}, id, nil
}

// stream is an origin over a file that can only be read from front to back. To
// go back it is opened again.
type stream struct {
	reopen func() (fs.File, error)

	mu   sync.Mutex
	file fs.File // guarded by mu
	at   int64   // guarded by mu: where the next Read begins
}

// ReadAt reads forward to off, and from there.
func (s *stream) ReadAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if off < s.at {
		f, err := s.reopen()
		if err != nil {
			return 0, err
		}
		s.file.Close()
		s.file, s.at = f, 0
	}
	if off > s.at {
		n, err := io.CopyN(io.Discard, s.file, off-s.at)
		s.at += n
		if err != nil {
			return 0, err
		}
	}
	n, err := io.ReadFull(s.file, b)
	s.at += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// Close closes the file.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}
