package tftp

import (
	"errors"
	"io"
	"os"
	"sync"
)

// errSpoolFull says that a remote file is larger than allowed.
var errSpoolFull = &Error{CodeDiskFull, "file on the origin is too large"}

// spool is a remote file while and after it arrives: written front to back by
// one goroutine, read anywhere by others, who wait for what is not there yet.
// It is in memory at first and moves to a temporary file when it grows.
type spool struct {
	dir              string
	inMemory, atMost int64 // bytes

	mu     sync.Mutex
	more   sync.Cond // waits on mu: bytes came, or the end
	size   int64     // guarded by mu; -1: not known
	have   int64     // guarded by mu
	memory []byte    // guarded by mu; nil once there is a file
	file   *os.File  // guarded by mu
	ended  bool      // guarded by mu
	err    error     // guarded by mu: how it ended, nil when all is there
}

func newSpool(dir string, size, inMemory, atMost int64) *spool {
	s := &spool{dir: dir, size: size, inMemory: inMemory, atMost: atMost}
	s.more.L = &s.mu
	return s
}

// Write appends.
func (s *spool) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.have+int64(len(b)) > s.atMost {
		return 0, errSpoolFull
	}
	if err := s.store(b); err != nil {
		return 0, err
	}
	s.have += int64(len(b))
	s.more.Broadcast()
	return len(b), nil
}

// store puts b where it belongs. mu is held.
func (s *spool) store(b []byte) error {
	if s.file == nil && s.have+int64(len(b)) > s.inMemory {
		f, err := os.CreateTemp(s.dir, "burrow-tftp-*")
		if err != nil {
			return err
		}
		s.file = f
		if _, err := f.WriteAt(s.memory, 0); err != nil {
			return err
		}
		s.memory = nil
	}
	if s.file != nil {
		_, err := s.file.WriteAt(b, s.have)
		return err
	}
	s.memory = append(s.memory, b...)
	return nil
}

// end says that nothing more comes: err is nil when all is there.
func (s *spool) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.err = true, err
	if err == nil {
		s.size = s.have
	}
	s.more.Broadcast()
}

// failed reports whether the file did not arrive whole.
func (s *spool) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended && s.err != nil
}

// length is the size of the file, -1 when it is not known yet.
func (s *spool) length() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// held are the bytes that it takes, in memory and on disk.
func (s *spool) held() (memory, disk int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return 0, s.have
	}
	return s.have, 0
}

// ReadAt waits until b can be filled or the file ends.
func (s *spool) ReadAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.have < off+int64(len(b)) && !s.ended {
		s.more.Wait()
	}
	n := int(max(0, min(s.have-off, int64(len(b)))))
	if n < len(b) && s.err != nil {
		return 0, s.err
	}
	var err error
	if s.file != nil {
		_, err = s.file.ReadAt(b[:n], off)
	} else {
		copy(b[:n], s.memory[min(off, int64(len(s.memory))):])
	}
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

// remove gives back what it holds. Nobody reads it any more.
func (s *spool) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory = nil
	if s.file == nil {
		return nil
	}
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
