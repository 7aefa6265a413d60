package httpd

import (
	"io"
	"net/http"
	"os"
	"slices"
	"time"
)

// ReadFrom implements io.ReaderFrom: a file of known length goes from the disk to
// the socket without passing through the process, where the connection can. A source
// that gives nothing begins no answer.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if f, off, n, ok := w.fileOf(src); ok {
		return w.sendFile(src, f, off, n)
	}
	buf := make([]byte, pieceSize)
	return io.CopyBuffer(struct{ io.Writer }{w}, src, buf)
}

// sendable is the least file that is worth a system call of its own, in bytes.
const sendable = 16 << 10

// fileOf finds the regular file behind a reader, and which part of it is meant, if that
// can be sent as it is. It has the answer begin then.
func (w *response) fileOf(src io.Reader) (f *os.File, off, n int64, ok bool) {
	x := w.x
	if x == nil || x.hijacked || w.head || w.err != nil || x.s.std.TLSConfig != nil {
		return nil, 0, 0, false
	}
	lr, limited := src.(*io.LimitedReader)
	if limited {
		src = lr.R
	}
	f, ok = src.(*os.File)
	if !ok {
		return nil, 0, 0, false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0, 0, false
	}
	off, err = f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, 0, 0, false
	}
	n = info.Size() - off
	if limited {
		n = min(n, lr.N)
	}
	if n < sendable {
		return nil, 0, 0, false
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	// More than was declared is refused by the slow way.
	return f, off, n, bodyAllowed(w.status) && n <= w.length-w.written
}

func (w *response) sendFile(src io.Reader, f *os.File, off, n int64) (int64, error) {
	x := w.x
	begin := 0
	if !w.committed && w.sniffs() && len(x.buf) < sniffLen {
		// What tells the Content-Type goes out with the head.
		have := len(x.buf)
		x.buf = slices.Grow(x.buf, sniffLen-have)[:sniffLen]
		begin, _ = f.ReadAt(x.buf[have:], off) // an error comes again in SendFile
		x.buf = x.buf[:have+begin]
	}
	if err := w.flush(false); err != nil {
		return 0, err
	}
	sent := int64(begin)
	var err error
	if x.late() {
		x.expire()
		err = x.err
	} else {
		err = x.wait(func(patience time.Duration) error {
			m, err := x.c.SendFile(f, off+sent, n-sent, patience)
			sent += m
			return err
		})
	}
	w.written += sent
	x.given += sent
	f.Seek(off+sent, io.SeekStart) // as if it had been read
	if lr, ok := src.(*io.LimitedReader); ok {
		lr.N -= sent
	}
	if err != nil {
		if !x.broken {
			x.fail(err)
		}
		w.err = x.err
	}
	return sent, err
}
