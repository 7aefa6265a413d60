package websocket

import (
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Deflate has messages compressed (RFC 7692) where the peer agrees. The zero value
// is ready. Compressors are shared: a connection whose messages each start anew
// has none, and one that takes over keeps up to 32 KiB for each direction and no
// compressor.
type Deflate struct {
	// ContextTakeover has each message refer to the ones before it, in both
	// directions. It compresses small messages that are alike much better, and
	// costs a connection up to 64 KiB, and each message some 10 us.
	ContextTakeover bool
	// Level is 1 (fastest) to 9 (smallest). 0 means 1.
	Level int
	// MinBytes is the size from which a message is compressed, in bytes. 0 means
	// 256, or 64 with ContextTakeover; negative, every message.
	MinBytes int
	// WindowBits bounds how far back messages refer, both ways, as 8 to 15 bits:
	// fewer cost the peer less memory. 0 means 15. With fewer than 15 Level has no
	// effect: there is one compressor for small windows. A client that does not
	// offer client_max_window_bits is not bound by it.
	WindowBits int
}

// bits is the window, with 0 for the largest.
func (d *Deflate) bits() uint8 {
	if d.WindowBits < 8 || d.WindowBits >= 15 {
		return 0
	}
	return uint8(d.WindowBits)
}

func (d *Deflate) level() int { return min(max(d.Level, 1), 9) }

func (d *Deflate) minBytes() int {
	switch {
	case d.MinBytes < 0:
		return 0
	case d.MinBytes > 0:
		return d.MinBytes
	case d.ContextTakeover:
		return 64
	}
	return 256
}

// maxWindow is the largest window of deflate, in bytes.
const maxWindow = 32 << 10

// window is the end of what went one way, for messages that take over. Owned by
// who writes, or reads, messages.
type window struct{ b []byte }

// add appends a message, and keeps the last size bytes.
func (w *window) add(p []byte, size int) {
	switch {
	case len(p) >= size:
		w.b = append(w.b[:0], p[len(p)-size:]...)
		return
	case len(w.b)+len(p) > size:
		w.b = w.b[:copy(w.b, w.b[len(w.b)+len(p)-size:])]
	}
	w.b = append(w.b, p...)
}

func windowSize(bits uint8) int {
	if bits == 0 {
		return maxWindow
	}
	return 1 << bits
}

// compressors are shared by all connections: one pool for each level, and one for
// each window size.
var compressors struct{ levels, windows [16]sync.Pool }

// compressor writes one message after the other, each as if it were the first.
type compressor struct {
	w    *flate.Writer
	pool *sync.Pool
	out  trimmer
}

func newCompressor(level int, bits uint8) *compressor {
	pool := &compressors.levels[level]
	if bits != 0 {
		pool = &compressors.windows[bits]
	}
	if z, ok := pool.Get().(*compressor); ok {
		return z
	}
	z := &compressor{pool: pool}
	if bits != 0 {
		z.w, _ = flate.NewWriterWindow(&z.out, windowSize(bits)) // 256 to 16384 are valid
	} else {
		z.w, _ = flate.NewWriter(&z.out, level) // 1 to 9 are valid
	}
	return z
}

// begin starts a message that may refer to dict and goes to out.
func (z *compressor) begin(out io.Writer, dict []byte) {
	z.out = trimmer{out: out}
	z.w.ResetDict(&z.out, dict)
}

// free gives z back; out must not be kept by it.
func (z *compressor) free() {
	z.out = trimmer{}
	z.w.ResetDict(nil, nil)
	z.pool.Put(z)
}

// trimmer holds back the last four bytes written: those of a flush are not sent
// (RFC 7692 7.2.1).
type trimmer struct {
	out  io.Writer
	tail [4]byte
	n    int
}

func (t *trimmer) Write(p []byte) (int, error) {
	if len(p) < 4 {
		for _, c := range p {
			if t.n == 4 {
				if _, err := t.out.Write(t.tail[:1]); err != nil {
					return 0, err
				}
				t.n = copy(t.tail[:], t.tail[1:])
			}
			t.tail[t.n] = c
			t.n++
		}
		return len(p), nil
	}
	if _, err := t.out.Write(t.tail[:t.n]); err != nil {
		return 0, err
	}
	keep := len(p) - 4
	if _, err := t.out.Write(p[:keep]); err != nil {
		return 0, err
	}
	t.n = copy(t.tail[:], p[keep:])
	return len(p), nil
}

// sliceWriter appends to b.
type sliceWriter struct{ b []byte }

func (s *sliceWriter) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// decompressors are shared by all connections.
var decompressors sync.Pool

// decompressor reads one message.
type decompressor struct {
	r       io.Reader // a flate.Resetter
	src     source
	streams int // that the message has ended so far
}

// maxStreams bounds the deflate streams of a message: each costs a new window, though
// it may be of two bytes.
const maxStreams = 128

// source gives the bytes of a message, and then those that RFC 7692 7.2.2 appends
// and a last empty block, so that the message ends in io.EOF. It is an
// io.ByteReader: nothing is read ahead.
type source struct {
	b    []byte
	more func() ([]byte, error) // further bytes, io.EOF at their end; nil: none
	tail int
	any  bool // there was something
}

const deflateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// fill makes b not empty; io.EOF when there is nothing left.
func (s *source) fill() error {
	for len(s.b) == 0 {
		if s.more != nil {
			b, err := s.more()
			if err == nil {
				s.b = b
				continue
			}
			if err != io.EOF {
				return err
			}
			s.more = nil
		}
		if s.tail != 0 {
			return io.EOF
		}
		s.b, s.tail = []byte(deflateTail), 1
		if !s.any {
			s.b = []byte("\x00" + deflateTail) // RFC 7692 7.2.3.6: what an empty message should have been
		}
	}
	s.any = true
	return nil
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	n := copy(p, s.b)
	s.b = s.b[n:]
	return n, nil
}

func (s *source) ReadByte() (byte, error) {
	if len(s.b) == 0 {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c, nil
}

// ended reports whether all was read.
func (s *source) ended() bool { return s.tail != 0 && len(s.b) == 0 }

func newDecompressor() *decompressor {
	if d, ok := decompressors.Get().(*decompressor); ok {
		return d
	}
	d := &decompressor{}
	d.r = flate.NewReader(&d.src)
	return d
}

// begin starts a message that may refer to dict.
func (d *decompressor) begin(b []byte, more func() ([]byte, error), dict []byte) {
	d.src, d.streams = source{b: b, more: more, any: len(b) > 0}, 0
	d.r.(flate.Resetter).Reset(&d.src, dict)
}

func (d *decompressor) free() {
	d.src = source{}
	d.r.(flate.Resetter).Reset(&d.src, nil)
	decompressors.Put(d)
}

// errDeflate says that a message cannot be decompressed.
var errDeflate = &ProtocolError{Code: StatusInvalidPayload, Rule: "RFC 7692 7.2.2", Reason: "a compressed message that cannot be decompressed"}

// errStreams says that a message is made to keep us busy.
var errStreams = &ProtocolError{Code: StatusPolicyViolation, Rule: "RFC 7692 7.2.3.4", Reason: "a compressed message of too many streams"}

// read is like Read of an io.Reader, with io.EOF at the end of the message. seen gives
// a copy of what it read before, or its last maxWindow bytes: what a new stream may
// refer to.
func (d *decompressor) read(p []byte, seen func() []byte) (int, error) {
	n, err := d.r.Read(p)
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF:
		if _, ok := err.(flate.CorruptInputError); ok || err == io.ErrUnexpectedEOF {
			err = errDeflate
		}
		return n, err
	case d.src.ended():
		return n, io.EOF
	}
	// RFC 7692 7.2.3.4: the peer has ended the deflate stream, and begins another.
	if d.streams++; d.streams > maxStreams {
		return n, errStreams
	}
	dict := p[:n]
	if n < maxWindow {
		dict = append(seen(), dict...)
	}
	d.r.(flate.Resetter).Reset(&d.src, ending(dict))
	return n, nil
}

// ending is the last maxWindow bytes of b.
func ending(b []byte) []byte { return b[max(len(b)-maxWindow, 0):] }

// inflate appends what b decompresses to, which may be limit bytes (0: any number).
func inflate(dst, b, dict []byte, limit int64) ([]byte, error) {
	d := newDecompressor()
	defer d.free()
	d.begin(b, nil, dict)
	start := len(dst)
	seen := func() []byte {
		out := ending(dst[start:])
		return ending(append(append([]byte(nil), dict...), out...))
	}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, make([]byte, max(512, len(dst)))...)[:len(dst)]
		}
		n, err := d.read(dst[len(dst):cap(dst)], seen)
		dst = dst[:len(dst)+n]
		switch {
		case limit > 0 && int64(len(dst)-start) > limit:
			return dst, ErrMessageTooBig // a bomb is defused as soon as it shows
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}
