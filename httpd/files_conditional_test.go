package httpd

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestFilesHead(t *testing.T) {
	t.Parallel()
	h := &Files{Root: openFilesRoot(t, writeTree(t, filesTree))}
	for _, target := range []string{"/hello.txt", "/plain/", "/missing"} {
		get, head := askFiles(t, h, "GET", target), askFiles(t, h, "HEAD", target)
		if got := filesBody(t, head); got != "" {
			t.Errorf("HEAD %s: body %q, want none", target, got)
		}
		if get.StatusCode != head.StatusCode {
			t.Errorf("HEAD %s: status %d, GET has %d", target, head.StatusCode, get.StatusCode)
		}
		for _, name := range []string{"Content-Type", "ETag", "Last-Modified", "Cache-Control"} {
			if got, want := head.Header.Get(name), get.Header.Get(name); got != want {
				t.Errorf("HEAD %s: %s %q, GET has %q", target, name, got, want)
			}
		}
	}
	if got := askFiles(t, h, "HEAD", "/hello.txt").Header.Get("Content-Length"); got != "13" {
		t.Errorf("Content-Length: got %q, want 13", got)
	}
}

// TestFilesPreconditions is RFC 9110 13 as a table.
func TestFilesPreconditions(t *testing.T) {
	t.Parallel()
	h := &Files{Root: openFilesRoot(t, writeTree(t, filesTree))}
	first := askFiles(t, h, "GET", "/hello.txt")
	tag, modified := first.Header.Get("ETag"), first.Header.Get("Last-Modified")
	if !strings.HasPrefix(tag, `"`) {
		t.Fatalf("ETag of an old file: %q, want a strong one", tag)
	}
	if want := filesLongAgo.Format(http.TimeFormat); modified != want {
		t.Fatalf("Last-Modified: got %q, want %q", modified, want)
	}
	if got := first.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control: got %q, want no-cache", got)
	}
	earlier := filesLongAgo.Add(-time.Hour).Format(http.TimeFormat)
	tests := []struct {
		name   string
		header []string
		status int
	}{
		{"same tag", []string{"If-None-Match: " + tag}, 304},
		{"same tag, weak", []string{"If-None-Match: W/" + tag}, 304},
		{"one of several", []string{`If-None-Match: "x", ` + tag}, 304},
		{"any", []string{"If-None-Match: *"}, 304},
		{"other tag", []string{`If-None-Match: "x"`}, 200},
		{"other tag beats date", []string{`If-None-Match: "x"`, "If-Modified-Since: " + modified}, 200},
		{"not modified since", []string{"If-Modified-Since: " + modified}, 304},
		{"modified since", []string{"If-Modified-Since: " + earlier}, 200},
		{"date is no date", []string{"If-Modified-Since: yesterday"}, 200},
		{"if-match", []string{"If-Match: " + tag}, 200},
		{"if-match fails", []string{`If-Match: "x"`}, 412},
		{"if-match is strong", []string{"If-Match: W/" + tag}, 412},
		{"unmodified", []string{"If-Unmodified-Since: " + modified}, 200},
		{"modified", []string{"If-Unmodified-Since: " + earlier}, 412},
		{"range", []string{"Range: bytes=0-4"}, 206},
		{"if-range tag", []string{"Range: bytes=0-4", "If-Range: " + tag}, 206},
		{"if-range other tag", []string{"Range: bytes=0-4", `If-Range: "x"`}, 200},
		{"if-range weak tag", []string{"Range: bytes=0-4", "If-Range: W/" + tag}, 200},
		{"if-range date", []string{"Range: bytes=0-4", "If-Range: " + modified}, 206},
		{"if-range other date", []string{"Range: bytes=0-4", "If-Range: " + earlier}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp := askFiles(t, h, "GET", "/hello.txt", tt.header...)
			if resp.StatusCode != tt.status {
				t.Errorf("got %d, want %d", resp.StatusCode, tt.status)
			}
			if got := resp.Header.Get("ETag"); tt.status != 412 && got != tag {
				t.Errorf("ETag: got %q, want %q", got, tag)
			}
			if body := filesBody(t, resp); (tt.status == 304 || tt.status == 412) && body != "" {
				t.Errorf("body: got %q, want none", body)
			}
		})
	}
}

func TestFilesRanges(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, filesTree)
	handlers := map[string]http.Handler{
		"root":        &Files{Root: openFilesRoot(t, dir)},
		"not seeking": &Files{FS: zipOf(t, filesTree)},
	}
	tests := []struct {
		header string
		status int
		body   string
		within string // Content-Range
	}{
		{"bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"bytes=3-5", 206, "345", "bytes 3-5/10"},
		{"bytes=7-", 206, "789", "bytes 7-9/10"},
		{"bytes=-2", 206, "89", "bytes 8-9/10"},
		{"bytes=-20", 206, "0123456789", "bytes 0-9/10"},
		{"bytes=8-99", 206, "89", "bytes 8-9/10"},
		{"bytes=10-", 416, "", "bytes */10"},
		{"bytes=5-3", 416, "", ""},
		{"lines=1-2", 416, "", ""},
	}
	for kind, h := range handlers {
		for _, tt := range tests {
			t.Run(kind+" "+tt.header, func(t *testing.T) {
				t.Parallel()
				resp := askFiles(t, h, "GET", "/digits.bin", "Range: "+tt.header)
				if resp.StatusCode != tt.status || resp.Header.Get("Content-Range") != tt.within {
					t.Errorf("got %d %q, want %d %q", resp.StatusCode, resp.Header.Get("Content-Range"), tt.status, tt.within)
				}
				if body := filesBody(t, resp); tt.status == 206 && body != tt.body {
					t.Errorf("body: got %q, want %q", body, tt.body)
				}
			})
		}
		t.Run(kind+" several", func(t *testing.T) {
			t.Parallel()
			checkMultiRange(t, askFiles(t, h, "GET", "/digits.bin", "Range: bytes=7-8, 0-1, -1"), []string{"78", "01", "9"})
		})
	}
}

func checkMultiRange(t *testing.T, resp *http.Response, want []string) {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || resp.StatusCode != 206 || mediaType != "multipart/byteranges" {
		t.Fatalf("got %d %q %v, want 206 multipart/byteranges", resp.StatusCode, mediaType, err)
	}
	parts := multipart.NewReader(resp.Body, params["boundary"])
	for _, content := range want {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(part); string(got) != content {
			t.Errorf("part: got %q, want %q", got, content)
		}
		if got := part.Header.Get("Content-Type"); got != octetStream {
			t.Errorf("part's Content-Type: got %q, want %q", got, octetStream)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("after the last part: %v, want EOF", err)
	}
}

// zipOf packs the tree; the files of an archive cannot seek.
func zipOf(t *testing.T, tree map[string]string) fs.FS {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range tree {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFileETag(t *testing.T) {
	t.Parallel()
	info := func(size int, modified time.Time) fs.FileInfo {
		fsys := fstest.MapFS{"f": {Data: make([]byte, size), ModTime: modified}}
		i, err := fs.Stat(fsys, "f")
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	old := fileETag(info(1, filesLongAgo), time.Now())
	if again := fileETag(info(1, filesLongAgo), time.Now()); again != old {
		t.Errorf("the same file has two tags: %s and %s", old, again)
	}
	for name, other := range map[string]fs.FileInfo{"size": info(2, filesLongAgo), "time": info(1, filesLongAgo.Add(1))} {
		if tag := fileETag(other, time.Now()); tag == old {
			t.Errorf("another %s has the same tag %s", name, tag)
		}
	}
	if tag := fileETag(info(1, filesLongAgo), filesLongAgo.Add(time.Second)); tag != "W/"+old {
		t.Errorf("just written: got %s, want W/%s", tag, old)
	}
	if tag := fileETag(info(1, filesLongAgo), filesLongAgo.Add(-time.Hour)); tag != "W/"+old {
		t.Errorf("written in the future: got %s, want W/%s", tag, old)
	}
	if tag := fileETag(info(1, time.Time{}), time.Now()); tag != "" {
		t.Errorf("no time: got %s, want none", tag)
	}
}

// TestFilesCacheControl: an outer handler decides.
func TestFilesCacheControl(t *testing.T) {
	t.Parallel()
	files := &Files{Root: openFilesRoot(t, writeTree(t, filesTree))}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		files.ServeHTTP(w, r)
	})
	if got := askFiles(t, h, "GET", "/hello.txt").Header.Get("Cache-Control"); got != "max-age=60" {
		t.Errorf("got %q, want max-age=60", got)
	}
}

// fileTaker is a writer with a ReadFrom, as a server's is.
type fileTaker struct {
	*httptest.ResponseRecorder
	took io.Reader
}

func (f *fileTaker) ReadFrom(r io.Reader) (int64, error) {
	f.took = r
	return io.Copy(struct{ io.Writer }{f.ResponseRecorder}, r)
}

// TestFilesSendfile: the server is handed the *os.File itself, through an
// access log too.
func TestFilesSendfile(t *testing.T) {
	t.Parallel()
	files := &Files{Root: openFilesRoot(t, writeTree(t, filesTree))}
	for name, h := range map[string]http.Handler{
		"bare":   files,
		"logged": &AccessLog{Handler: files, Out: io.Discard},
	} {
		w := &fileTaker{ResponseRecorder: httptest.NewRecorder()}
		h.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), "GET", "/digits.bin", nil))
		limited, ok := w.took.(*io.LimitedReader)
		if !ok {
			t.Fatalf("%s: ReadFrom was given %T, want *io.LimitedReader", name, w.took)
		}
		if _, ok := limited.R.(*os.File); !ok {
			t.Errorf("%s: the limited reader reads %T, want *os.File", name, limited.R)
		}
	}
}
