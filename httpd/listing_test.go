package httpd

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// jsonListing is the JSON answer as a client reads it.
type jsonListing struct {
	Path      string
	Truncated bool
	Entries   []struct {
		Name, Type, Href string
		Size             *int64
		Modified         *time.Time
	}
}

func listJSON(t *testing.T, h http.Handler, target string, header ...string) (l jsonListing) {
	t.Helper()
	resp := askFiles(t, h, "GET", target, header...)
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "application/json" {
		t.Fatalf("%s: got %d %q, want 200 application/json", target, resp.StatusCode, got)
	}
	if err := json.Unmarshal([]byte(filesBody(t, resp)), &l); err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return l
}

func listedNames(l jsonListing) []string {
	out := make([]string, len(l.Entries))
	for i, e := range l.Entries {
		out[i] = e.Name
	}
	return out
}

// sortTree has sizes and dates that order differently from the names.
func sortTree() fstest.MapFS {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	return fstest.MapFS{
		"part 10.txt":  {Data: make([]byte, 5), ModTime: day(1)},
		"Part 9.txt":   {Data: make([]byte, 50), ModTime: day(3)},
		"alpha.txt":    {Data: make([]byte, 500), ModTime: day(2)},
		"Beta.txt":     {Data: make([]byte, 5), ModTime: day(4)},
		"zoo/x":        {Data: []byte("x"), ModTime: day(1)},
		"arch/x":       {Data: []byte("x"), ModTime: day(1)},
		"zoo":          {Mode: os.ModeDir | 0o755, ModTime: day(5)},
		"arch":         {Mode: os.ModeDir | 0o755, ModTime: day(6)},
		".hidden/file": {Data: []byte("x")},
	}
}

func TestListingOrder(t *testing.T) {
	t.Parallel()
	h := &Files{FS: sortTree()}
	tests := []struct {
		query string
		want  string
	}{
		{"", "arch zoo alpha.txt Beta.txt Part 9.txt part 10.txt"},
		{"&sort=name&order=asc", "arch zoo alpha.txt Beta.txt Part 9.txt part 10.txt"},
		{"&sort=name&order=desc", "zoo arch part 10.txt Part 9.txt Beta.txt alpha.txt"},
		{"&sort=size&order=asc", "arch zoo Beta.txt part 10.txt Part 9.txt alpha.txt"},
		{"&sort=size&order=desc", "arch zoo alpha.txt Part 9.txt Beta.txt part 10.txt"},
		{"&sort=date&order=asc", "zoo arch part 10.txt alpha.txt Part 9.txt Beta.txt"},
		{"&sort=date&order=desc", "arch zoo Beta.txt Part 9.txt alpha.txt part 10.txt"},
		{"&sort=nonsense&order=sideways", "arch zoo alpha.txt Beta.txt Part 9.txt part 10.txt"},
	}
	rowName := regexp.MustCompile(`<tr data-i="\d+"[^>]*><td class="name"><a[^>]*>([^<]*)</a>`)
	for _, tt := range tests {
		if got := strings.Join(listedNames(listJSON(t, h, "/?format=json"+tt.query)), " "); got != tt.want {
			t.Errorf("JSON %q: got %s, want %s", tt.query, got, tt.want)
		}
		var shown []string
		for _, m := range rowName.FindAllStringSubmatch(filesBody(t, askFiles(t, h, "GET", "/?"+tt.query)), -1) {
			shown = append(shown, m[1])
		}
		if got := strings.Join(shown, " "); got != tt.want {
			t.Errorf("page %q: got %s, want %s", tt.query, got, tt.want)
		}
	}
}

func TestCompareNames(t *testing.T) {
	t.Parallel()
	sorted := []string{"", "007", "7", "10", "a", "A1", "a2", "a10", "a10b", "ab", "b", "Ä", "é", "\xff"}
	for i := range sorted {
		for j := range sorted {
			got, want := compareNames(sorted[i], sorted[j]), 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got != want {
				t.Errorf("%q to %q: got %d, want %d", sorted[i], sorted[j], got, want)
			}
		}
	}
}

// TestListingColumns: the links work without script.
func TestListingColumns(t *testing.T) {
	t.Parallel()
	h := &Files{FS: sortTree()}
	for query, want := range map[string][]string{
		"": {
			`class="name" aria-sort="ascending"><a href="?order=desc&amp;sort=name"`,
			`class="size"><a href="?order=desc&amp;sort=size"`,
		},
		"?sort=size&order=desc": {
			`class="size" aria-sort="descending"><a href="?order=asc&amp;sort=size"`,
			`class="name"><a href="?order=asc&amp;sort=name"`,
		},
		"?sort=date": {`class="date" aria-sort="ascending"><a href="?order=desc&amp;sort=date"`},
	} {
		body := filesBody(t, askFiles(t, h, "GET", "/"+query))
		for _, part := range want {
			if !strings.Contains(body, part) {
				t.Errorf("%q: the page lacks %s", query, part)
			}
		}
	}
}

func TestListingJSON(t *testing.T) {
	t.Parallel()
	h := &Files{Root: openFilesRoot(t, writeTree(t, filesTree))}
	l := listJSON(t, h, "/plain/", "Accept: application/json")
	if l.Path != "/plain/" || l.Truncated || !slices.Equal(listedNames(l), []string{"deep", "a.txt"}) {
		t.Fatalf("got %+v", l)
	}
	folder, file := l.Entries[0], l.Entries[1]
	if folder.Type != "folder" || folder.Size != nil || folder.Href != "./deep/" || folder.Modified == nil {
		t.Errorf("folder: got %+v", folder)
	}
	if file.Type != "file" || file.Size == nil || *file.Size != 1 || file.Href != "./a.txt" || !file.Modified.Equal(filesLongAgo) {
		t.Errorf("file: got %+v", file)
	}
	if l := listJSON(t, &Files{FS: fstest.MapFS{}}, "/?format=json"); l.Entries == nil || len(l.Entries) != 0 {
		t.Errorf("empty folder: entries %v, want an empty list", l.Entries)
	}
}

func TestListingAccept(t *testing.T) {
	t.Parallel()
	h := &Files{FS: sortTree()}
	for accept, want := range map[string]string{
		"":                                 "text/html; charset=utf-8",
		"*/*":                              "text/html; charset=utf-8",
		"text/html,application/xml;q=0.9":  "text/html; charset=utf-8",
		"application/json":                 "application/json",
		"Application/JSON;q=0.5, */*;q=.1": "application/json",
		"text/html;q=0.4,application/json": "application/json",
		"text/html,application/json":       "text/html; charset=utf-8",
		"application/json;q=0":             "text/html; charset=utf-8",
		"application/json;q=x":             "text/html; charset=utf-8",
	} {
		resp := askFiles(t, h, "GET", "/", "Accept: "+accept)
		if got := resp.Header.Get("Content-Type"); got != want {
			t.Errorf("Accept %q: got %q, want %q", accept, got, want)
		}
		if got := resp.Header.Get("Vary"); got != "Accept" {
			t.Errorf("Accept %q: Vary %q, want Accept", accept, got)
		}
	}
	if got := askFiles(t, h, "GET", "/?format=html", "Accept: application/json").Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("format=html: got %q", got)
	}
}

// oddNames are names that break pages which do not escape.
var oddNames = []string{
	`quote".txt`, "apostrophe'.txt", "<script>alert(1)<script>", "a&amp;b", "100%.txt", "%41.txt", "what?.txt", "a#b",
	"new\nline", "tab\there", "two  spaces", " leading", "colon:name", "javascript:alert(1)", "back\\slash", "naïve.txt", "日本語.txt",
	"emoji 🐹", "\u202egnp.exe", "{{.Name}}", "}}<!--", "semi;colon", "plus+sign", "e=mc2", "`tick`", strings.Repeat("long", 60),
	"\xff\xfe.bin", "data-i=0",
}

func TestListingOddNames(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("the file system refuses some of these names")
	}
	dir := t.TempDir()
	for i, name := range oddNames {
		if err := os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, "content %d", i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "<b>&?#%"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "<b>&?#%", "in\"side"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h := &Files{Root: openFilesRoot(t, dir)}
	page := filesBody(t, askFiles(t, h, "GET", "/"))
	for _, bad := range []string{"<script>alert", "<b>&", `href="javascript:`, "}}<!--"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s unescaped", bad)
		}
	}
	base := &url.URL{Scheme: "http", Host: "host", Path: "/"}
	for _, listed := range listJSON(t, h, "/?format=json").Entries {
		if listed.Type == "folder" {
			continue
		}
		checkLink(t, h, base, listed.Href)
		if !strings.Contains(page, `href="`+strings.ReplaceAll(listed.Href, "&", "&amp;")+`"`) {
			t.Errorf("the page has no link %s", listed.Href)
		}
	}
	inner := askFiles(t, h, "GET", "/%3Cb%3E%26%3F%23%25/")
	body := filesBody(t, inner)
	if inner.StatusCode != 200 || !strings.Contains(body, "in&#34;side") || strings.Contains(body, "<b>&?") {
		t.Errorf("the oddly named folder: %d\n%s", inner.StatusCode, body)
	}
}

// checkLink follows href as a browser does and wants the file that has it.
func checkLink(t *testing.T, h http.Handler, base *url.URL, href string) {
	t.Helper()
	to, err := base.Parse(href)
	if err != nil || to.Host != base.Host || to.Scheme != base.Scheme || to.RawQuery != "" || to.Fragment != "" {
		t.Errorf("%s leads to %v (%v)", href, to, err)
		return
	}
	index := slices.Index(oddNames, strings.TrimPrefix(to.Path, "/"))
	resp := askFiles(t, h, "GET", to.EscapedPath())
	if got, want := filesBody(t, resp), fmt.Sprintf("content %d", index); resp.StatusCode != 200 || got != want {
		t.Errorf("%s: got %d %q, want 200 %q", href, resp.StatusCode, got, want)
	}
}

func TestListingPolicy(t *testing.T) {
	t.Parallel()
	resp := askFiles(t, &Files{FS: sortTree()}, "GET", "/zoo/")
	policy, page := resp.Header.Get("Content-Security-Policy"), filesBody(t, resp)
	for tag, directive := range map[string]string{"style": "style-src", "script": "script-src"} {
		found := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		if len(found) != 1 {
			t.Fatalf("%d %s elements, want 1", len(found), tag)
		}
		if want := directive + " '" + sourceHash(found[0][1]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("the policy allows too much: %s", policy)
	}
	for _, bad := range []string{" style=", " onclick=", "http://", "https://", "@import", "src="} {
		if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

func TestListingCrumbs(t *testing.T) {
	t.Parallel()
	h := &Files{Root: openFilesRoot(t, writeTree(t, filesTree))}
	page := filesBody(t, askFiles(t, h, "GET", "/plain/deep/"))
	for _, want := range []string{`class="home" href="../../"`, `<a href="../">plain</a>`, `<b aria-current="page">deep</b>`, `class="up" href="../"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if page := filesBody(t, askFiles(t, h, "GET", "/")); strings.Contains(page, `class="up"`) {
		t.Error("the root has a parent")
	}
}

func TestListingConditional(t *testing.T) {
	t.Parallel()
	fsys := sortTree()
	h := &Files{FS: fsys}
	first := askFiles(t, h, "GET", "/")
	tag := first.Header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) || first.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("ETag %q, Cache-Control %q, want a weak tag and no-cache", tag, first.Header.Get("Cache-Control"))
	}
	again := askFiles(t, h, "GET", "/", `If-None-Match: "x", `+tag)
	if body := filesBody(t, again); again.StatusCode != 304 || body != "" {
		t.Errorf("unchanged: got %d with %d bytes, want 304 and none", again.StatusCode, len(body))
	}
	for match, want := range map[string]int{tag: 412, `"x", ` + tag: 412, strings.TrimPrefix(tag, "W/"): 412, "*": 200} {
		if got := askFiles(t, h, "GET", "/", "If-Match: "+match).StatusCode; got != want {
			t.Errorf("If-Match: %s: got %d, want %d", match, got, want)
		}
	}
	if page := filesBody(t, askFiles(t, h, "GET", "/", "If-Match: "+tag, "Accept: text/html")); !strings.Contains(page, "no longer") {
		t.Errorf("the page for 412 does not say why: %s", page)
	}
	for _, other := range []string{"/?sort=size", "/?order=desc", "/?format=json", "/zoo/"} {
		if got := askFiles(t, h, "GET", other).Header.Get("ETag"); got == tag {
			t.Errorf("%s has the tag of /", other)
		}
	}
	fsys["new.txt"] = &fstest.MapFile{}
	if got := askFiles(t, h, "GET", "/", "If-None-Match: "+tag).StatusCode; got != 200 {
		t.Errorf("a file came: got %d, want 200", got)
	}
}

func TestListingLimit(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{}
	for i := range 30 {
		fsys[fmt.Sprintf("f%02d", i)] = &fstest.MapFile{}
	}
	for limit, want := range map[int]int{0: 30, -1: 30, 30: 30, 29: 29, 5: 5} {
		h := &Files{FS: fsys, MaxEntries: limit}
		l := listJSON(t, h, "/?format=json")
		if len(l.Entries) != want || l.Truncated != (want < 30) {
			t.Errorf("limit %d: got %d entries, truncated %t, want %d", limit, len(l.Entries), l.Truncated, want)
		}
		page := filesBody(t, askFiles(t, h, "GET", "/"))
		if got := strings.Contains(page, fmt.Sprintf("Only the first %d entries", want)); got != (want < 30) {
			t.Errorf("limit %d: the page says so: %t", limit, got)
		}
	}
}

// TestListingClientGone: a client that leaves is no error of ours.
func TestListingClientGone(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	h := &Files{FS: sortTree(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	if w.Body.Len() > 0 || log.Len() > 0 {
		t.Errorf("got %d bytes and the log %q, want neither", w.Body.Len(), log.String())
	}
}

func TestListingEmpty(t *testing.T) {
	t.Parallel()
	h := &Files{Root: openFilesRoot(t, t.TempDir())}
	page := filesBody(t, askFiles(t, h, "GET", "/"))
	if !strings.Contains(page, `<p id="empty">This folder is empty.</p>`) || strings.Contains(page, `id="filter"`) {
		t.Errorf("got\n%s", page)
	}
}

func TestHumanSize(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1049: "1.0 kB", 9949: "9.9 kB", 9950: "10 kB", 999_499: "999 kB",
		999_500: "1.0 MB", 1_234_567: "1.2 MB", 5_000_000_000: "5.0 GB", 1<<63 - 1: "9.2 EB",
	} {
		if got := humanSize(bytes); got != want {
			t.Errorf("%d: got %s, want %s", bytes, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := groupDigits(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

// BenchmarkListing is a folder of 10,000 files.
func BenchmarkListing(b *testing.B) {
	dir := b.TempDir()
	for i := range 10_000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("picture %05d.jpg", i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	h := &Files{Root: root}
	for _, format := range []string{"html", "json"} {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			r := httptest.NewRequestWithContext(b.Context(), "GET", "/?format="+format, nil)
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != 200 {
					b.Fatal(w.Code)
				}
				b.SetBytes(int64(w.Body.Len()))
			}
		})
	}
}
