package radix

import (
	"net/url"
	"strings"
	"testing"
)

// value is where the oracle found a wildcard's value.
type value struct{ start, end int }

// matchSlowly matches one pattern the obvious way: split, decode, compare.
func matchSlowly(p *Pattern, method, path string) ([]value, bool) {
	if p.method != "" && p.method != method && (p.method != "GET" || method != "HEAD") {
		return nil, false
	}
	if path == "" || path[0] != '/' {
		return nil, false
	}
	var values []value
	texts := strings.Split(path[1:], "/")
	off := 1
	for i, s := range p.segments {
		if s.kind == rest {
			if i >= len(texts) {
				return nil, false
			}
			if s.text != "" {
				values = append(values, value{off, len(path)})
			}
			return values, true
		}
		if i >= len(texts) {
			return nil, false
		}
		text := texts[i]
		decoded, err := url.PathUnescape(text)
		if err != nil {
			decoded = text
		}
		switch s.kind {
		case literal:
			if decoded != s.text {
				return nil, false
			}
		case digits:
			if decoded == "" || strings.Trim(decoded, "0123456789") != "" {
				return nil, false
			}
		case any1:
			if decoded == "" {
				return nil, false
			}
		}
		if s.kind != literal {
			values = append(values, value{off, off + len(text)})
		}
		off += len(text) + 1
	}
	return values, len(texts) == len(p.segments)
}

// lookupSlowly finds the route that every other match covers.
func lookupSlowly(t *testing.T, tree *Tree[int], host, method, path string) (*Route[int], []value) {
	t.Helper()
	for _, h := range []string{host, ""} {
		var best *Route[int]
		var bestValues []value
		for r := range tree.All() {
			if r.Pattern.host != h {
				continue
			}
			values, ok := matchSlowly(r.Pattern, method, path)
			if ok && (best == nil || best.Pattern.covers(r.Pattern)) {
				best, bestValues = r, values
			} else if ok && !r.Pattern.covers(best.Pattern) {
				t.Fatalf("%q and %q both match %s %s and neither covers the other", r.Pattern, best.Pattern, method, path)
			}
		}
		if best != nil {
			return best, bestValues
		}
	}
	return nil, nil
}

// checkLookup compares all ways of looking one request up with the oracle.
func checkLookup(t *testing.T, tree *Tree[int], host, method, path string) {
	t.Helper()
	want, wantValues := lookupSlowly(t, tree, host, method, path)
	for _, form := range []string{"string", "bytes"} {
		var ps Params
		var got *Route[int]
		if form == "string" {
			got = tree.Lookup(host, method, path, &ps)
		} else {
			got = tree.LookupBytes([]byte(host), []byte(method), []byte(path), &ps)
		}
		if got != want {
			t.Fatalf("%s lookup of %q %s %q: got %v, want %v", form, host, method, path, patternOf(got), patternOf(want))
		}
		if ps.Len() != len(wantValues) {
			t.Fatalf("%s lookup of %q in %v: %d values, want %d", form, path, patternOf(want), ps.Len(), len(wantValues))
		}
		for i, w := range wantValues {
			if start, end := ps.At(i); start != w.start || end != w.end {
				t.Fatalf("%s lookup of %q in %v: value %d at %d:%d, want %d:%d", form, path, patternOf(want), i, start, end, w.start, w.end)
			}
		}
		if got != nil {
			checkExact(t, got.Pattern, path, ps.Exact())
		}
	}
	sub, _ := lookupSlowly(t, tree, host, method, path+"/")
	if sub != nil && !exactSlowly(sub.Pattern, path+"/") {
		sub = nil
	}
	if got := tree.Subtree(host, method, path); got != sub {
		t.Fatalf("subtree of %q: got %v, want %v", path, patternOf(got), patternOf(sub))
	}
	if got := tree.SubtreeBytes([]byte(host), []byte(method), []byte(path)); got != sub {
		t.Fatalf("subtree of bytes %q: got %v, want %v", path, patternOf(got), patternOf(sub))
	}
}

func exactSlowly(p *Pattern, path string) bool {
	last := len(p.segments) - 1
	return p.segments[last].kind != rest ||
		strings.Count(path, "/") == last+1 && strings.HasSuffix(path, "/")
}

func checkExact(t *testing.T, p *Pattern, path string, got bool) {
	t.Helper()
	if want := exactSlowly(p, path); got != want {
		t.Fatalf("match of %q by %q: exact %v, want %v", path, p, got, want)
	}
}

func patternOf(r *Route[int]) string {
	if r == nil {
		return "none"
	}
	return r.Pattern.text
}

// plant returns a tree of those patterns that are well-formed and fit together,
// each with its index as value.
func plant(patterns []string) *Tree[int] {
	var tree *Tree[int]
	for i, text := range patterns {
		p, err := Parse(text)
		if err != nil {
			continue
		}
		if next, err := tree.Insert(p, i); err == nil {
			tree = next
		}
	}
	return tree
}
