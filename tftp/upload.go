package tftp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// WritePolicy says what clients may write into Server.Root.
type WritePolicy int

const (
	// WriteNone refuses every write.
	WriteNone WritePolicy = iota
	// WriteCreate takes new files and refuses names that exist.
	WriteCreate
	// WriteOverwrite takes new files and replaces those that exist.
	WriteOverwrite
)

// Upload is a file on its way in. The server calls its methods one after the
// other, on goroutines where they may block, and ends with Commit or Abort.
type Upload interface {
	io.Writer
	// Commit is called when all has been written. Only when it returns nil is
	// the client told that the file is there.
	Commit() error
	// Abort is called instead when the transfer failed.
	Abort() error
}

// errNoWrite is the answer to writes where the policy has none.
var errNoWrite = &Error{CodeAccess, "writing is not allowed here"}

// stagedPrefix begins the names of files that are not complete. The dot hides
// them from clients.
const stagedPrefix = ".burrow-upload-"

// staged is an upload into a folder: it has another name until it is complete.
type staged struct {
	root      *os.Root
	name      string
	temporary string
	replace   bool
	file      *os.File
}

// stage starts an upload. Folders are not created.
func stage(root *os.Root, name string, policy WritePolicy) (Upload, error) {
	if policy == WriteNone || root == nil {
		return nil, errNoWrite
	}
	info, err := root.Lstat(name)
	switch {
	case err == nil && policy == WriteCreate:
		return nil, fmt.Errorf("tftp: write %s: %w", name, fs.ErrExist)
	case err == nil && !info.Mode().IsRegular():
		return nil, &Error{CodeAccess, "not a regular file"}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if folder, err := root.Stat(path.Dir(name)); err != nil || !folder.IsDir() {
		return nil, &Error{CodeNotFound, "there is no such folder"}
	}
	temporary := path.Join(path.Dir(name), stagedPrefix+rand.Text())
	return &staged{root: root, name: name, temporary: temporary, replace: policy == WriteOverwrite}, nil
}

// open makes the file. That is left until there is something to write, or all
// is there: a request alone, whose sender may be forged, makes no file.
func (s *staged) open() (err error) {
	if s.file == nil {
		s.file, err = s.root.OpenFile(s.temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}
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
	if err := s.open(); err != nil {
		return err
	}
	err := s.file.Close()
	if err == nil && s.replace {
		err = s.root.Rename(s.temporary, s.name)
	} else if err == nil {
		// A link fails where the name exists; a rename would replace it.
		err = s.root.Link(s.temporary, s.name)
	}
	if err != nil || !s.replace {
		err = errors.Join(err, s.root.Remove(s.temporary))
	}
	return err
}

// Abort removes what was written.
func (s *staged) Abort() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.file.Close(), s.root.Remove(s.temporary))
}

// limited is an upload that may not grow beyond a size.
type limited struct {
	Upload
	left int64
}

// Write fails with ErrTooLarge beyond the limit.
func (l *limited) Write(b []byte) (int, error) {
	if int64(len(b)) > l.left {
		return 0, ErrTooLarge
	}
	l.left -= int64(len(b))
	return l.Upload.Write(b)
}

// startUpload opens the upload for a request, within the server's limit.
func (s *Server) startUpload(ctx context.Context, r *Request) (Upload, error) {
	most := limit(s.MaxFileSize, defaultMaxFileSize)
	if r.Size > most {
		return nil, ErrTooLarge // RFC 2349: the size is announced so that this can be said at once
	}
	var up Upload
	var err error
	if s.Create != nil {
		up, err = s.Create(ctx, r)
	} else {
		up, err = stage(s.Root, r.Path, s.Write)
	}
	if err != nil {
		return nil, err
	}
	return &limited{Upload: up, left: most}, nil
}
