package tftp

import (
	"io/fs"
	"path"
	"runtime"
	"strings"
	"sync"
	"time"
)

// driveLetter reports whether a name begins with a drive of Windows, "C:".
func driveLetter(name string) bool {
	return len(name) >= 2 && name[1] == ':' && ('a' <= name[0]|0x20 && name[0]|0x20 <= 'z')
}

// foreignColon reports whether a colon in a segment means something to the system:
// on Windows it separates a drive, or a stream, from the name. Elsewhere it is a
// letter like others; iPXE asks for files by hardware address.
func foreignColon(segment string) bool {
	return runtime.GOOS == "windows" && strings.Contains(segment, ":")
}

// cleanName turns the name in a request into one that fs.FS knows. Clients
// write paths as Unix and as Windows do, with and without a leading separator;
// anything that could mean a file elsewhere is refused, and so are names that
// begin with a dot unless hidden files are served. Files that are not complete are
// never.
func cleanName(name string, hidden bool) (string, error) {
	name = strings.ReplaceAll(name, `\`, "/")
	var segments []string
	for segment := range strings.SplitSeq(name, "/") {
		switch {
		case segment == "" || segment == ".":
			// Doubled separators come from firmware that joins a folder and a name.
		case segment == "..":
			return "", &Error{CodeAccess, "file name leads out of the tree"}
		case len(segments) == 0 && driveLetter(segment), foreignColon(segment):
			return "", &Error{CodeAccess, "file name with a drive letter"}
		case strings.Contains(segment, "\x00"):
			return "", &Error{CodeAccess, "not a file name"}
		case segment[0] == '.' && !hidden, strings.HasPrefix(strings.ToLower(segment), stagedPrefix):
			return "", &Error{CodeNotFound, "file not found"}
		default:
			segments = append(segments, segment)
		}
	}
	clean := strings.Join(segments, "/")
	if !fs.ValidPath(clean) || clean == "." {
		return "", &Error{CodeAccess, "not a file name"}
	}
	return clean, nil
}

const (
	listingKept = 5 * time.Second // how old a remembered listing may be
	listingsMax = 256             // folders
)

// folder finds names whatever the case of their letters. Its methods may be
// called concurrently.
type folder struct {
	fsys fs.FS

	mu       sync.Mutex
	listings map[string]listing // guarded by mu
}

// listing is a folder as it was a moment ago: lower-case name to real name.
type listing struct {
	at    time.Time
	names map[string]string
}

// find returns the real name of a file, or name itself when there is none.
func (f *folder) find(name string, now time.Time) string {
	if _, err := fs.Stat(f.fsys, name); err == nil {
		return name // as it was asked for: it wins over any other spelling
	}
	dir := "."
	for segment := range strings.SplitSeq(name, "/") {
		real, ok := f.list(dir, now)[strings.ToLower(segment)]
		if !ok {
			return name
		}
		dir = path.Join(dir, real)
	}
	return dir
}

// findToWrite is find for a file that may have to be made: in the folder of that
// name, whatever the case of its letters, and in the place of the file that has its
// name in another case.
func (f *folder) findToWrite(name string, now time.Time) string {
	dir := path.Dir(name)
	if dir != "." {
		dir = f.find(dir, now)
	}
	f.mu.Lock()
	delete(f.listings, dir) // a file of a moment ago counts
	f.mu.Unlock()
	return f.find(path.Join(dir, path.Base(name)), now)
}

func (f *folder) list(dir string, now time.Time) map[string]string {
	f.mu.Lock()
	l, ok := f.listings[dir]
	f.mu.Unlock()
	if ok && now.Sub(l.at) < listingKept {
		return l.names
	}
	entries, err := fs.ReadDir(f.fsys, dir)
	if err != nil {
		return nil
	}
	l = listing{at: now, names: make(map[string]string, len(entries))}
	for _, e := range entries {
		if key := strings.ToLower(e.Name()); l.names[key] == "" {
			l.names[key] = e.Name() // of several spellings the first by name
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listings == nil || len(f.listings) >= listingsMax {
		f.listings = map[string]listing{}
	}
	f.listings[dir] = l
	return l.names
}
