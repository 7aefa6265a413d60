package httpd

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

func TestFilesSymlinks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("making symbolic links needs a privilege")
	}
	outside := writeTree(t, map[string]string{"secret.txt": "outside", "index.html": "outside"})
	dir := writeTree(t, map[string]string{"real.txt": "inside", "sub/x.txt": "x", "trap/keep.txt": "k"})
	for link, target := range map[string]string{
		"inside.txt":       "real.txt",
		"folder":           "sub",
		"sub/up.txt":       "../real.txt",
		"absolute.txt":     filepath.Join(outside, "secret.txt"),
		"relative.txt":     "../" + filepath.Base(outside) + "/secret.txt",
		"away":             outside,
		"loop":             "loop",
		"dangling":         "nowhere",
		"trap/index.html":  filepath.Join(outside, "index.html"),
		"absolute-to-self": filepath.Join(dir, "real.txt"),
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	h := &Files{Root: openFilesRoot(t, dir)}
	for target, want := range map[string]int{
		"/inside.txt": 200, "/folder/x.txt": 200, "/sub/up.txt": 200, "/trap/": 200,
		"/absolute.txt": 404, "/relative.txt": 404, "/away": 404, "/away/": 404, "/away/secret.txt": 404,
		"/loop": 404, "/dangling": 404, "/absolute-to-self": 404,
	} {
		resp := askFiles(t, h, "GET", target)
		body := filesBody(t, resp)
		if resp.StatusCode != want || strings.Contains(body, "outside") {
			t.Errorf("%s: got %d %.80q, want %d and nothing from outside", target, resp.StatusCode, body, want)
		}
	}
	body := filesBody(t, askFiles(t, h, "GET", "/?format=json"))
	for name, want := range map[string]bool{
		`"inside.txt","type":"file","size":6`: true, `"folder","type":"folder"`: true,
		"absolute": false, "relative": false, "away": false, "loop": false, "dangling": false,
	} {
		if got := strings.Contains(body, name); got != want {
			t.Errorf("listing has %s: %t, want %t\n%s", name, got, want, body)
		}
	}
}

// TestFilesSpecial would hang if a FIFO were opened.
func TestFilesSpecial(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"a.txt": "a", "sub/b.txt": "b"})
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Skip("no unix sockets here:", err)
	}
	defer ln.Close()
	if err := makeFIFO(filepath.Join(dir, "fifo")); err != nil {
		t.Skip("no FIFOs here:", err)
	}
	if err := makeFIFO(filepath.Join(dir, "sub", indexName)); err != nil {
		t.Fatal(err)
	}
	for kind, h := range map[string]http.Handler{"root": &Files{Root: openFilesRoot(t, dir)}, "fs": &Files{FS: os.DirFS(dir)}} {
		for target, want := range map[string]int{"/fifo": 403, "/socket": 403, "/sub/": 200, "/": 200} {
			resp := askFiles(t, h, "GET", target)
			if resp.StatusCode != want {
				t.Errorf("%s %s: got %d, want %d", kind, target, resp.StatusCode, want)
			}
			if body := filesBody(t, resp); strings.Contains(body, "./fifo") || strings.Contains(body, "./socket") {
				t.Errorf("%s %s lists a special file", kind, target)
			}
		}
	}
}

// TestFilesVanish removes files while they are listed and read.
func TestFilesVanish(t *testing.T) {
	t.Parallel()
	info, err := fs.Stat(fstest.MapFS{"f": {}}, "f")
	if err != nil {
		t.Fatal(err)
	}
	h := &Files{FS: os.DirFS(writeTree(t, filesTree))}
	gone := vanished{fs.FileInfoToDirEntry(info)}
	if e, ok := h.newEntry(".", gone); ok {
		t.Errorf("an entry that vanished is listed: %+v", e)
	}
	// The name is there for stat and gone for open.
	if got := askFiles(t, &Files{FS: vanishingFS{fstest.MapFS{"f": {Data: []byte("x")}}}}, "GET", "/f").StatusCode; got != 404 {
		t.Errorf("a file that vanished: got %d, want 404", got)
	}
}

type vanished struct{ fs.DirEntry }

func (vanished) Info() (fs.FileInfo, error) { return nil, fs.ErrNotExist }

// vanishingFS knows its files by Stat only.
type vanishingFS struct{ fstest.MapFS }

func (vanishingFS) Open(string) (fs.File, error) { return nil, fs.ErrNotExist }

func TestFilesErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want int
	}{
		{fs.ErrPermission, 403},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, 403},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, 404},
		{fmt.Errorf("disk on fire"), 500},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EIO}, 500},
	}
	for _, tt := range tests {
		h := &Files{FS: failingFS{tt.err}, Logger: slog.New(slog.DiscardHandler)}
		resp := askFiles(t, h, "GET", "/x")
		body := filesBody(t, resp)
		if resp.StatusCode != tt.want || strings.Contains(body, "fire") {
			t.Errorf("%v: got %d %q, want %d without the cause", tt.err, resp.StatusCode, body, tt.want)
		}
	}
}

type failingFS struct{ err error }

func (f failingFS) Open(string) (fs.File, error) { return nil, f.err }

func TestResolvePathWindows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path          string
		unix, windows pathVerdict
	}{
		{"/a/b.txt", pathGood, pathGood},
		{"/CON", pathGood, pathAbsent},
		{"/sub/nul.txt", pathGood, pathAbsent},
		{"/aux.tar.gz", pathGood, pathAbsent},
		{"/com1", pathGood, pathAbsent},
		{"/COM¹", pathGood, pathAbsent},
		{"/lpt9.log", pathGood, pathAbsent},
		{"/com10", pathGood, pathGood},
		{"/console.log", pathGood, pathGood},
		{"/conin$", pathGood, pathAbsent},
		{"/a\\b", pathGood, pathAbsent},
		{"/..\\x", pathAbsent, pathAbsent},
		{"/C:/x", pathGood, pathAbsent},
		{"/file.txt::$DATA", pathGood, pathAbsent},
		{"/file.txt.", pathGood, pathAbsent},
		{"/file.txt ", pathGood, pathAbsent},
		{"/GIT~1/config", pathGood, pathAbsent},
		{"/backup~", pathGood, pathGood},
		{"/a\x00b", pathMalformed, pathMalformed},
		{"/...", pathAbsent, pathAbsent},
	}
	for _, tt := range tests {
		if _, got := resolvePath(tt.path, false, false); got != tt.unix {
			t.Errorf("%q: got %d, want %d", tt.path, got, tt.unix)
		}
		if _, got := resolvePath(tt.path, false, true); got != tt.windows {
			t.Errorf("%q on Windows: got %d, want %d", tt.path, got, tt.windows)
		}
	}
}

func FuzzResolvePath(f *testing.F) {
	for _, seed := range []string{"/", "", "//", "/a/b", "/../x", "/.a", "/a//b/", "/.well-known/x", "/a\\b", "/\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		for _, windows := range []bool{false, true} {
			name, verdict := resolvePath(p, false, windows)
			switch verdict {
			case pathGood:
				if name != "." && (!filepath.IsLocal(name) || strings.HasPrefix(name, "/") || strings.Contains("/"+name, "/..")) {
					t.Errorf("%q: name %q may leave the root", p, name)
				}
			case pathDoubled:
				ref := collapsedReference((&url.URL{Path: p}).EscapedPath(), p)
				if !strings.HasPrefix(ref, "./") && !strings.HasPrefix(ref, "../") {
					t.Errorf("%q: reference %q may leave the site", p, ref)
				}
				if strings.ContainsAny(ref, "\r\n\\") || strings.Contains(ref, "//") {
					t.Errorf("%q: reference %q is not clean", p, ref)
				}
			}
		}
	})
}
