package sock

import (
	"crypto/tls"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// recheckEvery is how often the certificate files are looked at: two system
// calls, paid by one handshake.
const recheckEvery = time.Second

// certFiles is a certificate that follows its files. Methods may be called
// concurrently after the first load.
type certFiles struct {
	certFile, keyFile string
	start             time.Time // zero of due; immutable

	cert atomic.Pointer[tls.Certificate] // the last that worked
	due  atomic.Int64                    // when to look again: nanoseconds after start

	mu   sync.Mutex
	seen [2]fileState // of the last attempt, good or bad; guarded by mu
}

// fileState tells two versions of a file apart.
type fileState struct {
	info fs.FileInfo // nil when the file cannot be looked at
	err  string      // why
}

func stateOf(file string) fileState {
	fi, err := os.Stat(file) // through symbolic links, which get swapped as a whole
	if err != nil {
		return fileState{err: err.Error()}
	}
	return fileState{info: fi}
}

func (s fileState) same(t fileState) bool {
	if s.info == nil || t.info == nil {
		return s.info == nil && t.info == nil && s.err == t.err
	}
	return s.info.Size() == t.info.Size() && s.info.ModTime().Equal(t.info.ModTime()) && os.SameFile(s.info, t.info)
}

// getCertificate is tls.Config.GetCertificate.
func (f *certFiles) getCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := int64(time.Since(f.start)) // monotonic: a clock that is set back stops nothing
	if due := f.due.Load(); now >= due && f.due.CompareAndSwap(due, now+int64(recheckEvery)) {
		f.reload()
	}
	return f.cert.Load(), nil
}

// load takes the pair that the files hold now.
func (f *certFiles) load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = [2]fileState{stateOf(f.certFile), stateOf(f.keyFile)}
	return f.readLocked()
}

// reload takes a new pair when the files changed.
func (f *certFiles) reload() {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := [2]fileState{stateOf(f.certFile), stateOf(f.keyFile)}
	if now[0].same(f.seen[0]) && now[1].same(f.seen[1]) {
		return
	}
	// Taken before reading: a change in between shows at the next look. A pair
	// that is being written is broken now and complete then.
	f.seen = now
	if err := f.readLocked(); err != nil {
		slog.Default().Error("certificate files changed and do not work; the old certificate stays in use",
			"proto", "tls", "op", "reload certificate", "err", err)
	}
}

func (f *certFiles) readLocked() error {
	cert, err := loadPair(f.certFile, f.keyFile, time.Now())
	if err != nil {
		return err
	}
	f.cert.Store(cert)
	f.due.Store(int64(time.Since(f.start) + recheckEvery))
	return nil
}
