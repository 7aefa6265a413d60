package httpd

import (
	"io"
	"net/http"
	"os"
	"slices"
	"time"
)

// ReadFrom implements io.ReaderFrom: a file of known length goes from the disk to
// the socket without passing through the process, where the connection can.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if w.x != nil && !w.x.hijacked && !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if f, off, n, ok := w.fileOf(src); ok {
		return w.sendFile(src, f, off, n)
	}
	buf := make([]byte, pieceSize)
	return io.CopyBuffer(struct{ io.Writer }{w}, src, buf)
}

// sendable is the least file that is worth a system call of its own, in bytes.
const sendable = 16 << 10

// fileOf finds the regular file behind a reader, and which part of it is meant.
func (w *response) fileOf(src io.Reader) (f *os.File, off, n int64, ok bool) {
	x := w.x
	if x == nil || x.hijacked || w.head || w.length < 0 || w.err != nil || !bodyAllowed(w.status) || x.s.std.TLSConfig != nil {
		return nil, 0, 0, false
	}
	n = w.length - w.written
	lr, limited := src.(*io.LimitedReader)
	if limited {
		src, n = lr.R, min(n, lr.N)
	}
	f, ok = src.(*os.File)
	if !ok || n < sendable {
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
	if !limited && info.Size()-off > n {
		return nil, 0, 0, false // more than was declared: the slow way refuses it
	}
	n = min(n, info.Size()-off)
	return f, off, n, n >= sendable
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
