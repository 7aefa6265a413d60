package radix

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestCleanPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"", "/"},
		{"a", "/a"},
		{"/", "/"},
		{"//", "/"},
		{"/a/", "/a/"},
		{"/a//", "/a/"},
		{"/a/.", "/a"},
		{"/a/./", "/a/"},
		{"/a/..", "/"},
		{"/a/../", "/"},
		{"/../../a", "/a"},
		{"/a/...", "/a/..."},
		{"/.a/..b", "/.a/..b"},
		{"/a/%2e%2e/b", "/a/%2e%2e/b"},
	} {
		if got := CleanPath(c.in); got != c.want {
			t.Errorf("clean %q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzCleanPath(f *testing.F) {
	f.Add("/a/./b/../c//")
	f.Add("..")
	f.Fuzz(func(t *testing.T, p string) {
		got := CleanPath(p)
		if !IsClean(got) || !IsClean([]byte(got)) || IsClean(p) != (got == p) {
			t.Errorf("clean %q: %q is clean: %v", p, got, IsClean(got))
		}
		if want := path.Clean("/" + p); strings.TrimSuffix(got, "/") != strings.TrimSuffix(want, "/") {
			t.Errorf("clean %q: got %q, want %q", p, got, want)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	f.Add("a%2Fb%")
	f.Add("%zz%41")
	f.Fuzz(func(t *testing.T, s string) {
		want, err := url.PathUnescape(s)
		if err != nil {
			want = s
		}
		if got := Unescape(s); got != want {
			t.Errorf("unescape %q: got %q, want %q", s, got, want)
		}
		if got := UnescapeBytes([]byte(s)); string(got) != want {
			t.Errorf("unescape bytes %q: got %q, want %q", s, got, want)
		}
		if got := ValidEscapes([]byte(s)); got != (err == nil) {
			t.Errorf("valid escapes %q: got %v", s, got)
		}
		escaped := string(appendQueryEscaped(nil, s))
		if back, err := url.QueryUnescape(escaped); err != nil || back != s {
			t.Errorf("query escape %q: got %q, which is %q, %v", s, escaped, back, err)
		}
		canonical := string(appendCanonical(nil, s))
		if strings.Count(canonical, "/") != strings.Count(s, "/") {
			t.Errorf("canonical %q of %q has other slashes", canonical, s)
		}
	})
}
