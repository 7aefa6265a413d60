package tftp

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

var (
	// errSpoolFull says that a remote file is larger than allowed.
	errSpoolFull = &Error{CodeDiskFull, "file on the origin is too large"}
	// errNoRoom says that it would be allowed if fewer were in use.
	errNoRoom = &Error{CodeDiskFull, "no room for another file of an origin at present"}
	// errDropped says that a spool has been given up.
	errDropped = errors.New("tftp: remote file is used no longer")
)

// keepError says that this machine failed to keep a remote file.
type keepError struct{ err error }

func (e *keepError) Error() string { return fmt.Sprintf("cannot keep the file: %v", e.err) }
func (e *keepError) Unwrap() error { return e.err }

// As tells the client whose fault it is, and not where: that names folders.
func (e *keepError) As(target any) bool {
	t, ok := target.(**Error)
	if ok {
		*t = &Error{CodeUndefined, "server cannot keep the file"}
		if errors.Is(e.err, syscall.ENOSPC) {
			*t = &Error{CodeDiskFull, "no room on the server"}
		}
	}
	return ok
}

// spool is a remote file while and after it arrives: written front to back by
// one goroutine, read anywhere by others, who wait for what is not there yet.
// It is in memory at first and moves to a temporary file when it grows.
type spool struct {
	dir              string
	inMemory, atMost int64 // bytes
	// room asks for bytes, in memory and on disk, or gives them back, before they
	// are written. No lock is held.
	room func(memory, disk int64) bool

	// What only the writer uses.
	taken  int64 // bytes that there is room for
	onDisk bool  // where that is
	broken error // what writing failed with

	mu     sync.Mutex
	more   sync.Cond // waits on mu: bytes came, or the end
	size   int64     // guarded by mu; -1: not known
	have   int64     // guarded by mu; changed by the writer only
	memory []byte    // guarded by mu; nil once there is a file
	file   *os.File  // guarded by mu
	ended  bool      // guarded by mu
	err    error     // guarded by mu: how it ended, nil when all is there
}

func newSpool(dir string, size, inMemory, atMost int64, room func(memory, disk int64) bool) *spool {
	s := &spool{dir: dir, size: size, inMemory: inMemory, atMost: atMost, room: room}
	s.more.L = &s.mu
	return s
}

// reserve makes sure of room for n bytes in all. Only the writer calls it.
func (s *spool) reserve(n int64) error {
	switch {
	case n > s.atMost:
		return errSpoolFull
	case n <= s.taken:
		return nil
	case s.onDisk:
		if !s.room(0, n-s.taken) {
			return errNoRoom
		}
	case n > s.inMemory || !s.room(n-s.taken, 0):
		if !s.room(-s.taken, n) {
			return errNoRoom
		}
		s.onDisk = true
	}
	s.taken = n
	return nil
}

// Write appends.
func (s *spool) Write(b []byte) (int, error) {
	if err := s.reserve(s.have + int64(len(b))); err != nil {
		s.broken = err
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, s.err
	}
	if err := s.store(b); err != nil {
		s.broken = &keepError{err}
		return 0, s.broken
	}
	s.have += int64(len(b))
	s.more.Broadcast()
	return len(b), nil
}

// store puts b where it belongs. mu is held.
func (s *spool) store(b []byte) error {
	if !s.onDisk {
		s.memory = append(s.memory, b...)
		return nil
	}
	if s.file == nil {
		if err := s.move(); err != nil {
			return err
		}
	}
	_, err := s.file.WriteAt(b, s.have)
	return err
}

// move writes what is in memory to a file. Until all of it is there, readers go on
// with the memory. mu is held.
func (s *spool) move() error {
	f, err := os.CreateTemp(s.dir, "burrow-tftp-*")
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(s.memory, 0); err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	s.file, s.memory = f, nil
	return nil
}

// end says that nothing more comes: err is nil when all is there.
func (s *spool) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.err = true, err
	if err == nil {
		s.size = s.have
	}
	s.more.Broadcast()
}

// length is the size of the file, -1 when it is not known yet.
func (s *spool) length() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// ReadAt waits until b can be filled or the file ends.
func (s *spool) ReadAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.have < off+int64(len(b)) && !s.ended {
		s.more.Wait()
	}
	n := int(max(0, min(s.have-off, int64(len(b)))))
	if s.err != nil && (n < len(b) || s.err == errDropped) {
		return 0, s.err
	}
	if s.file == nil {
		copy(b[:n], s.memory[min(off, int64(len(s.memory))):])
	} else if m, err := s.file.ReadAt(b[:n], off); m < n {
		if err == io.EOF { // it was there when it was written
			err = io.ErrUnexpectedEOF
		}
		return m, &keepError{err}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// remove gives back what it holds. Who still reads it, or writes to it, is told.
func (s *spool) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.file
	s.memory, s.file = nil, nil
	s.ended, s.err = true, errDropped
	s.more.Broadcast()
	if f == nil {
		return nil
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
