package httpd

import (
	"bytes"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// filesLongAgo is old enough for strong entity tags.
var filesLongAgo = time.Date(2024, 2, 29, 12, 30, 15, 0, time.UTC)

// filesTree is the folder most tests serve; names that end in a slash are
// folders.
var filesTree = map[string]string{
	"hello.txt":               "hello, world\n",
	"digits.bin":              "0123456789",
	"page.html":               "<title>page</title>",
	"README":                  "plain words\n",
	"blob":                    "\x00\x01\x02",
	"empty.txt":               "",
	".secret":                 "hidden",
	".git/config":             "hidden",
	".well-known/acme.txt":    "token",
	".well-known/.hidden":     "hidden",
	"site/index.html":         "<h1>site</h1>",
	"plain/a.txt":             "a",
	"plain/.dot":              "hidden",
	"plain/deep/b.txt":        "b",
	"odd/index.html/file.txt": "index.html is a folder here",
	"a:b/c.txt":               "colon",
}

// writeTree makes the files below a new folder, all of them old.
func writeTree(t *testing.T, tree map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range tree {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, filesLongAgo, filesLongAgo); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openFilesRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// askFiles sends one request straight to h. Header lines are "Name: value".
func askFiles(t *testing.T, h http.Handler, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func filesBody(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFilesStatus(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, filesTree)
	handlers := map[string]http.Handler{
		"root": &Files{Root: openFilesRoot(t, dir)},
		"fs":   &Files{FS: os.DirFS(dir)},
	}
	tests := []struct {
		method, target string
		status         int
		body           string // "" is not compared
	}{
		{"GET", "/hello.txt", 200, "hello, world\n"},
		{"GET", "/hello.txt?x=1", 200, "hello, world\n"},
		{"GET", "/empty.txt", 200, ""},
		{"GET", "/plain/deep/b.txt", 200, "b"},
		{"GET", "/plain%2Fdeep/b.txt", 200, "b"},
		{"GET", "/site/", 200, "<h1>site</h1>"},
		{"GET", "/site/index.html", 200, "<h1>site</h1>"},
		{"GET", "/.well-known/acme.txt", 200, "token"},
		{"GET", "/", 200, ""},
		{"GET", "/odd/", 200, ""},
		{"GET", "/missing", 404, "404 Not Found\n"},
		{"GET", "/missing/", 404, ""},
		{"GET", "/hello.txt/", 404, ""},
		{"GET", "/hello.txt/x", 404, ""},
		{"GET", "/.secret", 404, ""},
		{"GET", "/%2Esecret", 404, ""},
		{"GET", "/.git/", 404, ""},
		{"GET", "/.git/config", 404, ""},
		{"GET", "/plain/.dot", 404, ""},
		{"GET", "/.well-known/.hidden", 404, ""},
		{"GET", "/plain/.well-known/x", 404, ""},
		{"GET", "/" + strings.Repeat("x", 300), 404, ""},
		{"GET", "/..%2fetc/passwd", 400, "400 Bad Request\n"},
		{"GET", "/%2e%2e/%2e%2e/etc/passwd", 400, ""},
		{"GET", "/plain/../hello.txt", 400, ""},
		{"GET", "/./hello.txt", 400, ""},
		{"GET", "/hello.txt%00", 400, ""},
		{"GET", "/..%5chello.txt", 404, ""},
		{"POST", "/hello.txt", 405, ""},
		{"DELETE", "/hello.txt", 405, ""},
		{"OPTIONS", "/", 405, ""},
	}
	for kind, h := range handlers {
		for _, tt := range tests {
			t.Run(kind+" "+tt.method+" "+tt.target[:min(len(tt.target), 40)], func(t *testing.T) {
				t.Parallel()
				resp := askFiles(t, h, tt.method, tt.target)
				body := filesBody(t, resp)
				if resp.StatusCode != tt.status || tt.body != "" && body != tt.body {
					t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, tt.status, tt.body)
				}
				if got := resp.Header.Get("X-Content-Type-Options"); got != "nosniff" {
					t.Errorf("X-Content-Type-Options: got %q, want nosniff", got)
				}
				if got, want := resp.Header.Get("Allow"), "GET, HEAD"; tt.status == 405 && got != want {
					t.Errorf("Allow: got %q, want %q", got, want)
				}
			})
		}
	}
}

func TestFilesUnconfigured(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := &Files{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if got := askFiles(t, h, "GET", "/").StatusCode; got != 500 {
		t.Errorf("status: got %d, want 500", got)
	}
	for _, want := range []string{"peer=192.0.2.1", "op=serve", "neither Root nor FS"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log %q lacks %q", log.String(), want)
		}
	}
}

func TestFilesHidden(t *testing.T) {
	t.Parallel()
	h := &Files{Root: openFilesRoot(t, writeTree(t, filesTree)), ShowHidden: true}
	for _, target := range []string{"/.secret", "/.git/config", "/plain/.dot", "/.well-known/.hidden"} {
		if got := askFiles(t, h, "GET", target).StatusCode; got != 200 {
			t.Errorf("%s: got %d, want 200", target, got)
		}
	}
	if body := filesBody(t, askFiles(t, h, "GET", "/")); !strings.Contains(body, ".secret") {
		t.Error("the listing lacks .secret")
	}
}

func TestFilesTypes(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, content, want string }{
		{"a.html", "x", "text/html; charset=utf-8"},
		{"A.HTML", "x", "text/html; charset=utf-8"},
		{"a.css", "x", "text/css; charset=utf-8"},
		{"a.js", "x", "text/javascript; charset=utf-8"},
		{"a.mjs", "x", "text/javascript; charset=utf-8"},
		{"a.json", "{}", "application/json"},
		{"a.svg", "<svg/>", "image/svg+xml"},
		{"a.webp", "x", "image/webp"},
		{"a.wasm", "x", "application/wasm"},
		{"a.woff2", "x", "font/woff2"},
		{"a.pdf", "x", "application/pdf"},
		{"a.tar.gz", "x", "application/gzip"},
		{"a.mp4", "x", "video/mp4"},
		{"LICENSE", "Apache", "text/plain; charset=utf-8"},
		{"page", "<html><script>alert(1)</script>", "text/plain; charset=utf-8"},
		{"umlaut", strings.Repeat("ä", 300), "text/plain; charset=utf-8"},
		{"cut", strings.Repeat("a", 511) + "ä", "text/plain; charset=utf-8"},
		{"latin1", "gr\xfc\xdfe", octetStream},
		{"binary.unknown", "\x00\x01", octetStream},
		{"module.ts", "export const x = 1;\n", "text/plain; charset=utf-8"},
		{"nothing", "", "text/plain; charset=utf-8"},
	}
	tree := make(map[string]string, len(tests))
	for _, tt := range tests {
		tree[tt.name] = tt.content
	}
	h := &Files{Root: openFilesRoot(t, writeTree(t, tree))}
	for _, tt := range tests {
		resp := askFiles(t, h, "GET", "/"+tt.name)
		if got := resp.Header.Get("Content-Type"); got != tt.want {
			t.Errorf("%s: Content-Type %q, want %q", tt.name, got, tt.want)
		}
		if got := filesBody(t, resp); got != tt.content {
			t.Errorf("%s: body %q, want %q", tt.name, got, tt.content)
		}
	}
}

func TestContentTypesAreWellFormed(t *testing.T) {
	t.Parallel()
	for ext, mediaType := range contentTypes {
		if parsed, params, err := mime.ParseMediaType(mediaType); err != nil || parsed != mediaType || len(params) > 0 {
			t.Errorf("%s: %q: %v", ext, mediaType, err)
		}
		if ext != strings.ToLower(ext) || !strings.HasPrefix(ext, ".") {
			t.Errorf("%q is never looked up", ext)
		}
	}
}

func TestFilesRedirect(t *testing.T) {
	t.Parallel()
	h := &Files{Root: openFilesRoot(t, writeTree(t, filesTree))}
	tests := []struct {
		h                        http.Handler
		target, location, landed string
	}{
		{h, "/plain", "./plain/", "/plain/"},
		{h, "/plain?sort=size&x=%2F", "./plain/?sort=size&x=%2F", "/plain/?sort=size&x=%2F"},
		{h, "/plain/deep", "./deep/", "/plain/deep/"},
		{h, "/a:b", "./a:b/", "/a:b/"},
		{h, "/plain%2f", "./plain/", "/plain/"},
		{h, "/plain%2Fdeep", "./plain/deep/", "/plain/deep/"},
		{h, "/plain%2Fdeep/", "../plain/deep/", "/plain/deep/"},
		{h, "/plain/deep%2F?x", "../plain/deep/?x", "/plain/deep/?x"},
		{h, "/plain%2F/deep/", "../../plain/deep/", "/plain/deep/"},
		{h, "/site%2f", "./site/", "/site/"},
		{http.StripPrefix("/pub", h), "/pub/plain%2fdeep%2f", "./plain/deep/", "/pub/plain/deep/"},
		{h, "//plain", "../plain", "/plain"},
		{h, "//plain/", "../../plain/", "/plain/"},
		{h, "/plain//deep/b.txt", "../../../plain/deep/b.txt", "/plain/deep/b.txt"},
		{h, "//example.com/", "../../example.com/", "/example.com/"},
		{h, "//example.com", "../example.com", "/example.com"},
		{h, "///", "../../", "/"},
		{http.StripPrefix("/pub", h), "/pub", "./pub/", "/pub/"},
		{http.StripPrefix("/pub", h), "/x%20y/../pub", "", ""},
		{http.StripPrefix("/pub", h), "/pub/plain", "./plain/", "/pub/plain/"},
		{http.StripPrefix("/pub", h), "/pub//plain/", "../../plain/", "/pub/plain/"},
		{http.StripPrefix("/pub/", h), "/pub/plain", "./plain/", "/pub/plain/"},
		{http.StripPrefix("/pub/", h), "/pub/plain//deep/", "../../../plain/deep/", "/pub/plain/deep/"},
	}
	for _, tt := range tests {
		resp := askFiles(t, tt.h, "GET", "http://host"+tt.target)
		if tt.location == "" {
			if resp.StatusCode < 400 {
				t.Errorf("%s: got %d, want an error", tt.target, resp.StatusCode)
			}
			continue
		}
		location := resp.Header.Get("Location")
		if resp.StatusCode != 301 || location != tt.location {
			t.Errorf("%s: got %d %q, want 301 %q", tt.target, resp.StatusCode, location, tt.location)
			continue
		}
		base := &url.URL{Scheme: "http", Host: "host", Path: strings.SplitN(tt.target, "?", 2)[0]}
		landed, err := base.Parse(location)
		if err != nil || landed.Host != "host" || landed.RequestURI() != tt.landed {
			t.Errorf("%s: leads to %v (%v), want %s", tt.target, landed, err, tt.landed)
		}
	}
}

func TestErrorPage(t *testing.T) {
	t.Parallel()
	h := &Files{Root: openFilesRoot(t, writeTree(t, filesTree)), NoListing: true}
	for target, want := range map[string]int{"/missing": 404, "/plain/": 403, "/%2e%2e/": 400, "/site/": 200} {
		resp := askFiles(t, h, "GET", target, "Accept: text/html,application/xhtml+xml,*/*;q=0.8")
		body := filesBody(t, resp)
		if resp.StatusCode != want || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: got %d %q, want %d as HTML", target, resp.StatusCode, resp.Header.Get("Content-Type"), want)
		}
		if want != 200 && !strings.Contains(body, http.StatusText(want)) {
			t.Errorf("%s: the page does not say %q", target, http.StatusText(want))
		}
	}
}
