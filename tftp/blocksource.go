package tftp

import (
	"errors"
	"io"
)

// blockSource cuts a reader into blocks and keeps those that may have to be sent
// again.
type blockSource struct {
	r       io.Reader
	ascii   bool
	size    int   // of a block
	whole   int64 // how many bytes there are to be; -1: not known
	first   uint64
	kept    [][]byte
	encoder asciiEncoder
	raw     []byte // read and not yet translated
	ended   bool
	used    bool // something was read
	lastLen int
	last    uint64
}

// errOtherSize says that a file was announced with a size that it has not.
var errOtherSize = errors.New("the input has another size than announced")

// start sets the block size; nothing has been cut yet.
func (s *blockSource) start(p params) { s.size, s.first = p.blockSize, 1 }

// block returns a block; those up to base are let go.
func (s *blockSource) block(n, base uint64) (b []byte, last bool, err error) {
	for s.first <= base && len(s.kept) > 0 {
		s.kept = s.kept[1:]
		s.first++
	}
	for uint64(len(s.kept)) <= n-s.first {
		b, err := s.read()
		if err != nil {
			return nil, false, err
		}
		s.kept = append(s.kept, b)
		number := s.first + uint64(len(s.kept)) - 1
		if len(b) < s.size {
			s.last, s.lastLen = number, len(b)
		}
		// The last block would make a file of it: an announcement that is not kept
		// has to end the transfer before.
		if total := s.bytes(number); s.whole >= 0 && (total > s.whole || s.last != 0 && total < s.whole) {
			return nil, false, errOtherSize
		}
	}
	b = s.kept[n-s.first]
	return b, len(b) < s.size, nil
}

// read cuts the next block.
func (s *blockSource) read() ([]byte, error) {
	s.used = true
	b := make([]byte, s.size)
	if !s.ascii {
		n, err := io.ReadFull(s.r, b)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
		}
		return b[:n], err
	}
	n := 0
	for n < len(b) {
		wrote, used := s.encoder.encode(b[n:], s.raw)
		n += wrote
		s.raw = s.raw[used:]
		if n == len(b) || s.ended && wrote == 0 {
			break
		}
		if len(s.raw) == 0 && !s.ended {
			s.raw = make([]byte, 4<<10)
			m, err := s.r.Read(s.raw)
			s.raw = s.raw[:m]
			if err == io.EOF {
				s.ended = true
			} else if err != nil {
				return nil, err
			}
		}
	}
	return b[:n], nil
}

// bytes is how much the blocks up to base hold.
func (s *blockSource) bytes(base uint64) int64 {
	if s.last != 0 && base >= s.last {
		return int64(base-1)*int64(s.size) + int64(s.lastLen)
	}
	return int64(base) * int64(s.size)
}
