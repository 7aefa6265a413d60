package tftp

import (
	"crypto/sha256"
	"hash"
	"io"
)

// resumable writes a file that may arrive in several attempts, each from the
// beginning. What was written before is compared by its digest.
type resumable struct {
	w       io.Writer
	most    int64 // bytes; <= 0: unlimited
	written int64

	digest hash.Hash // of what is written
	replay hash.Hash // of what has come of it again
	left   int64     // of it, still to come again
}

// begin starts an attempt.
func (r *resumable) begin() {
	if r.digest == nil {
		r.digest = sha256.New()
	}
	r.left = r.written
	r.replay = sha256.New()
}

// Write compares what was written before and writes the rest.
func (r *resumable) Write(b []byte) (int, error) {
	n := len(b)
	if r.left > 0 {
		known := b[:min(int64(len(b)), r.left)]
		r.replay.Write(known)
		r.left -= int64(len(known))
		b = b[len(known):]
		if r.left == 0 && string(r.replay.Sum(nil)) != string(r.digest.Sum(nil)) {
			return 0, ErrChanged
		}
	}
	if r.most > 0 && r.written+int64(len(b)) > r.most {
		return 0, ErrTooLarge
	}
	if len(b) > 0 {
		m, err := r.w.Write(b)
		r.digest.Write(b[:m])
		r.written += int64(m)
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// end is called when all has come.
func (r *resumable) end() error {
	if r.left > 0 {
		return ErrChanged // it has become shorter
	}
	return nil
}
