package tftp

import (
	"context"
	"io"
	"time"
)

// WritePolicy says what clients may write into Server.Root.
type WritePolicy int

const (
	// WriteNone refuses every write.
	WriteNone WritePolicy = iota
	// WriteCreate takes new files and refuses names that exist.
	WriteCreate
	// WriteOverwrite takes new files and replaces those that exist, whose
	// permissions stay as they are.
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
func (s *Server) startUpload(ctx context.Context, sh *shared, r *Request) (Upload, error) {
	most := limit(s.MaxFileSize, defaultMaxFileSize)
	if r.Size > most {
		return nil, ErrTooLarge // RFC 2349: the size is announced so that this can be said at once
	}
	var up Upload
	var err error
	if s.Create != nil {
		up, err = s.Create(ctx, r)
	} else {
		if s.CaseInsensitive && s.Root != nil {
			r.Path = sh.folder.findToWrite(r.Path, time.Now())
		}
		up, err = stage(s.Root, r.Path, s.Write, &sh.swept)
	}
	if err != nil {
		return nil, err
	}
	return &limited{Upload: up, left: most}, nil
}
