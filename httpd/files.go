package httpd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Files serves a folder over GET and HEAD: files with ranges and conditional
// requests (RFC 9110 13 and 14), index.html where a folder has one, and a page
// that lists the folder where it has none.
//
// One of Root and FS must be set; the zero value answers every request 500. Set
// the fields before the first request; ServeHTTP may then be called from any
// number of goroutines. Files closes neither Root nor FS.
//
// Mounted below a prefix it needs http.StripPrefix; every link and redirect it
// makes is relative, so it need not know the prefix.
type Files struct {
	// Root is the folder to serve. Symbolic links are followed within it and
	// refused where they lead out of it; one whose target is an absolute path is
	// refused in any case, also when that path is within Root. Root wins when FS is
	// set as well.
	Root *os.Root

	// FS is the file system to serve. What its links may reach is its own
	// affair: use Root for a folder of the operating system. A file that is not
	// an io.Seeker is read again from its start for each range.
	FS fs.FS

	// ShowHidden serves and lists names that begin with a dot. Without it they
	// are answered 404, save /.well-known (RFC 8615).
	ShowHidden bool

	// NoListing answers 403 for a folder without index.html.
	NoListing bool

	// MaxEntries is how many entries of one folder are listed; the page says so
	// when there are more. 0: 50,000; negative: unlimited.
	MaxEntries int

	// Logger is told of errors that are not the client's (keys peer, op, path,
	// err). nil: slog.Default().
	Logger *slog.Logger
}

const indexName = "index.html"

// errSpecial says that a name is neither a folder nor a regular file.
var errSpecial = errors.New("httpd: open: not a regular file or folder")

// ServeHTTP answers GET and HEAD; other methods are answered 405.
//
// Cache-Control is "no-cache" (keep, but ask again: the answer is mostly a
// short 304) unless an outer handler has set the field already.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		// RFC 9110 15.5.6: a 405 names the methods that are allowed.
		w.Header().Set("Allow", "GET, HEAD")
		f.fail(w, r, http.StatusMethodNotAllowed)
		return
	}
	if f.Root == nil && f.FS == nil {
		f.report(w, r, "serve", errors.New("httpd: serve files: neither Root nor FS is set"))
		return
	}
	name, verdict := resolvePath(r.URL.Path, f.ShowHidden, runtime.GOOS == "windows")
	switch verdict {
	case pathMalformed:
		f.fail(w, r, http.StatusBadRequest)
		return
	case pathAbsent:
		f.fail(w, r, http.StatusNotFound)
		return
	case pathDoubled:
		redirectRelative(w, r, collapsedReference(r.URL.EscapedPath(), r.URL.Path))
		return
	}
	file, info, err := f.open(name)
	if err != nil {
		f.failOpen(w, r, err)
		return
	}
	defer file.Close()
	slash := strings.HasSuffix(r.URL.Path, "/") || r.URL.Path == ""
	if mount := mountName(r); mount != "" {
		redirectRelative(w, r, "./"+mount+"/")
		return
	}
	escaped := r.URL.EscapedPath()
	switch {
	case info.IsDir() && strings.Contains(strings.ToLower(escaped), "%2f"):
		// RFC 3986 2.2: not the slash that the links of the page are relative to.
		redirectRelative(w, r, collapsedReference(escaped, name+"/"))
	case info.IsDir() && !slash:
		redirectRelative(w, r, "./"+url.PathEscape(path.Base(name))+"/")
	case info.IsDir():
		f.serveFolder(w, r, name, file)
	case slash && name != ".":
		f.fail(w, r, http.StatusNotFound)
	default:
		f.serveFile(w, r, name, file, info)
	}
}

// serveFolder answers with the folder's index.html, or else with its listing.
func (f *Files) serveFolder(w http.ResponseWriter, r *http.Request, name string, dir fs.File) {
	index := path.Join(name, indexName)
	file, info, err := f.open(index)
	switch {
	case err == nil && !info.IsDir():
		defer file.Close()
		f.serveFile(w, r, index, file, info)
		return
	case err == nil:
		file.Close()
	case f.openStatus(err) != http.StatusNotFound && !errors.Is(err, errSpecial):
		f.failOpen(w, r, err)
		return
	}
	if f.NoListing {
		f.fail(w, r, http.StatusForbidden)
		return
	}
	f.serveListing(w, r, name, dir)
}

// serveFile answers with one file. http.ServeContent does ranges (RFC 9110
// 14), If-Range and the other preconditions (RFC 9110 13) from the ETag set
// here. An *os.File is passed as it is, so that the ReadFrom of the writer can
// hand it to sendfile.
func (f *Files) serveFile(w http.ResponseWriter, r *http.Request, name string, file fs.File, info fs.FileInfo) {
	content, ok := file.(io.ReadSeeker)
	if !ok {
		content = &rereader{open: func() (io.ReadCloser, error) { return f.FS.Open(name) }, size: info.Size()}
		defer content.(io.Closer).Close()
	}
	contentType := typeByName(name)
	if contentType == "" {
		var err error
		if contentType, err = sniffText(content); err != nil {
			f.report(w, r, "read", err)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	setNoCache(h)
	if tag := fileETag(info, time.Now()); tag != "" {
		h.Set("ETag", tag)
	}
	http.ServeContent(w, r, "", info.ModTime(), content)
}

// fileETag makes an entity tag of size and modification time; "" where the
// file system keeps no times.
//
// RFC 9110 8.8.1: a strong validator changes whenever the bytes do. Two writes
// within one tick of the file system's clock leave the same time behind, so the
// tag is weak until the file has been left alone for longer than the coarsest
// tick in use (FAT: 2 s); the weak and the later strong tag still match for
// If-None-Match, and ranges are resumed on strong ones only.
func fileETag(info fs.FileInfo, now time.Time) string {
	modified := info.ModTime()
	if modified.IsZero() || modified.Unix() == 0 {
		return ""
	}
	tag := `"` + strconv.FormatInt(info.Size(), 36) + "-" + strconv.FormatInt(modified.UnixNano(), 36) + `"`
	if now.Sub(modified) <= 2*time.Second {
		return "W/" + tag
	}
	return tag
}

// open opens a folder or regular file; anything else is errSpecial and is not
// opened, because opening a FIFO waits for a writer and opening a device may
// do something.
func (f *Files) open(name string) (fs.File, fs.FileInfo, error) {
	info, err := f.stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !servable(info.Mode()) {
		return nil, nil, errSpecial
	}
	var file fs.File
	if f.Root != nil {
		flag := os.O_RDONLY
		if runtime.GOOS != "windows" {
			// Something else may have taken the name since stat.
			flag |= syscall.O_NONBLOCK
		}
		file, err = f.Root.OpenFile(name, flag, 0)
	} else {
		file, err = f.FS.Open(name)
	}
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err == nil && !servable(info.Mode()) {
		err = errSpecial
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// stat follows links; one that leads out of Root is an error.
func (f *Files) stat(name string) (fs.FileInfo, error) {
	if f.Root != nil {
		return f.Root.Stat(name)
	}
	return fs.Stat(f.FS, name)
}

func servable(mode fs.FileMode) bool { return mode.IsDir() || mode.IsRegular() }

// openStatus is the status that tells a client about err.
func (f *Files) openStatus(err error) int {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, errSpecial):
		return http.StatusForbidden
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return http.StatusNotFound
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
		return http.StatusNotFound
	case f.Root != nil && !errors.As(err, &errno):
		// os.Root's refusal to leave the root is an error without a number.
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

func (f *Files) failOpen(w http.ResponseWriter, r *http.Request, err error) {
	if status := f.openStatus(err); status != http.StatusInternalServerError {
		f.fail(w, r, status)
		return
	}
	f.report(w, r, "open", err)
}

// report logs an error that is not the client's and answers 500.
func (f *Files) report(w http.ResponseWriter, r *http.Request, op string, err error) {
	f.logger().Error("files", "peer", r.RemoteAddr, "op", op, "path", r.URL.Path, "err", err)
	f.fail(w, r, http.StatusInternalServerError)
}

func (f *Files) logger() *slog.Logger {
	if f.Logger != nil {
		return f.Logger
	}
	return slog.Default()
}

// fail answers with an error page to a browser and with a line of text to
// anything else.
func (f *Files) fail(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept")
	setNoCache(h)
	if wantsHTML(r.Header.Values("Accept")) {
		writeErrorPage(w, r, status)
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, "%d %s\n", status, http.StatusText(status))
	}
}

func setNoCache(h http.Header) {
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
}

// redirectRelative sends the client to ref, which begins with "./" or "../":
// it can name neither a scheme nor a host, so no path leads to another site.
func redirectRelative(w http.ResponseWriter, r *http.Request, ref string) {
	if r.URL.RawQuery != "" {
		ref += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", ref)
	setNoCache(w.Header())
	w.WriteHeader(http.StatusMovedPermanently)
}

// mountName is the last segment, as the client wrote it, of a request for the
// mount point itself that lacks the slash at its end ("/files" under
// http.StripPrefix("/files", ...)); else "".
func mountName(r *http.Request) string {
	if r.URL.Path != "" {
		return ""
	}
	target, _, _ := strings.Cut(r.RequestURI, "?")
	// RFC 9112 3.2.2: the target may be a whole URL.
	if _, rest, ok := strings.Cut(target, "://"); ok {
		target = rest
	}
	if !strings.Contains(target, "/") {
		return ""
	}
	return target[strings.LastIndexByte(target, '/')+1:]
}

// rereader gives an io.ReadSeeker over a file that can only be read forward:
// going back opens it again, going forward reads and drops.
type rereader struct {
	open func() (io.ReadCloser, error)
	size int64

	file   io.ReadCloser
	at     int64 // where file stands
	offset int64 // where the next Read begins
}

// Read implements io.Reader.
func (s *rereader) Read(b []byte) (int, error) {
	if s.file != nil && s.at > s.offset {
		s.file.Close()
		s.file = nil
	}
	if s.file == nil {
		file, err := s.open()
		if err != nil {
			return 0, err
		}
		s.file, s.at = file, 0
	}
	if skip := s.offset - s.at; skip > 0 {
		n, err := io.CopyN(io.Discard, s.file, skip)
		s.at += n
		if err != nil {
			return 0, err
		}
	}
	n, err := s.file.Read(b)
	s.at += int64(n)
	s.offset = s.at
	return n, err
}

// Seek implements io.Seeker.
func (s *rereader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.offset
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	s.offset = offset
	return offset, nil
}

// Close closes what Read opened.
func (s *rereader) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
