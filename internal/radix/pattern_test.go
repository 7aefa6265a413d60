package radix

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, method, host string
		names              []string
		segments           []segment
	}{
		{"/", "", "", nil, []segment{{rest, ""}}},
		{"/{$}", "", "", nil, []segment{{literal, ""}}},
		{"GET /a", "GET", "", nil, []segment{{literal, "a"}}},
		{"GET \t h.example/a/", "GET", "h.example", nil, []segment{{literal, "a"}, {rest, ""}}},
		{"/{a}/{b:int}/{c...}", "", "", []string{"a", "b", "c"}, []segment{{any1, "a"}, {digits, "b"}, {rest, "c"}}},
		{"/a%2Fb/%zz", "", "", nil, []segment{{literal, "a/b"}, {literal, "%zz"}}},
		{"CONNECT /a//b", "CONNECT", "", nil, []segment{{literal, "a"}, {literal, ""}, {literal, "b"}}},
		{"/{_x1}/{é}", "", "", []string{"_x1", "é"}, []segment{{any1, "_x1"}, {any1, "é"}}},
	} {
		p, err := Parse(c.text)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if p.String() != c.text || p.Method() != c.method || p.Host() != c.host {
			t.Errorf("parse %q: method %q host %q, want %q %q", c.text, p.Method(), p.Host(), c.method, c.host)
		}
		if !slices.Equal(p.Names(), c.names) || !slices.Equal(p.segments, c.segments) {
			t.Errorf("parse %q: got %v %v, want %v %v", c.text, p.Names(), p.segments, c.names, c.segments)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "no '/'"},
		{"GET", "no '/'"},
		{"GET h.example", "no '/'"},
		{"G,ET /", "bad method"},
		{"GET {x}/a", "wildcard in the host"},
		{"GET /a//b", "unclean"},
		{"GET /a/../b", "unclean"},
		{"/a{x}", "fill its whole segment"},
		{"/{x}a", "fill its whole segment"},
		{"/{", "fill its whole segment"},
		{"/{x", "fill its whole segment"},
		{"/{}", "bad wildcard name"},
		{"/{...}", "bad wildcard name"},
		{"/{:int}", "bad wildcard name"},
		{"/{1}", "bad wildcard name"},
		{"/{x...}/a", "at the end"},
		{"/{$}/a", "at the end"},
		{"/{x:uint}", "unknown type"},
		{"/{x:int...}", "bad wildcard name"},
		{"/{x}/{x:int}", "appears twice"},
	} {
		_, err := Parse(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("parse %q: got error %v, want one with %q", c.text, err, c.want)
		}
	}
}

// TestCoversExhaustively compares meets and covers, which look at patterns only,
// with the sets of paths that small patterns really match.
func TestCoversExhaustively(t *testing.T) {
	t.Parallel()
	var paths []string
	for prefixes, depth := []string{""}, 0; depth < 4; depth++ {
		var longer []string
		for _, prefix := range prefixes {
			for _, seg := range []string{"a", "b", "1", "12", ""} {
				longer = append(longer, prefix+"/"+seg)
			}
		}
		paths = append(paths, longer...)
		prefixes = longer
	}
	type sample struct {
		p       *Pattern
		matches []bool
	}
	var samples []sample
	prefixes := []string{""}
	for depth := range 3 {
		var longer []string
		for _, prefix := range prefixes {
			n := string(rune('p' + depth))
			for _, seg := range []string{"a", "1", "", "{" + n + "}", "{" + n + ":int}", "{$}", "{" + n + "...}"} {
				p, err := Parse(prefix + "/" + seg)
				if err != nil {
					t.Fatal(err)
				}
				s := sample{p, make([]bool, len(paths))}
				for i, path := range paths {
					_, s.matches[i] = matchSlowly(p, "GET", path)
				}
				samples = append(samples, s)
				if seg != "{$}" && !strings.HasSuffix(seg, "...}") {
					longer = append(longer, prefix+"/"+seg)
				}
			}
		}
		prefixes = longer
	}
	for _, a := range samples {
		for _, b := range samples {
			meets, covers := false, true
			for i := range paths {
				meets = meets || a.matches[i] && b.matches[i]
				covers = covers && (a.matches[i] || !b.matches[i])
			}
			if a.p.meets(b.p) != meets || a.p.covers(b.p) != covers {
				t.Fatalf("%q against %q: meets %v covers %v, want %v %v", a.p, b.p, a.p.meets(b.p), a.p.covers(b.p), meets, covers)
			}
		}
	}
}

func TestInsertConflicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, text, want string }{
		{"/a", "/a", "same requests"},
		{"/{x}", "/{y}", "same requests"},
		{"/a/", "/a/{x...}", "same requests"},
		{"/{x:int}", "/{y:int}", "same requests"},
		{"/a/{x}", "/{y}/b", "both match /a/b "},
		{"/{x:int}/{y}", "/{x}/b", "both match /1/b "},
		{"/{x:int}/{y}", "/{x}/{y:int}", "both match /1/1 "},
		{"/a%2Fb/{x}", "/{y}/", "" /* the first is more specific */},
		{"/a%2Fb/{x}", "/{y}/c", "both match /a%2Fb/c "},
		{"GET /", "/index.html", "both match /index.html "},
		{"/a/", "/a/{x}", ""},
		{"/a/", "/a/{$}", ""},
		{"/{x}", "/{$}", ""},
		{"/{x}", "/{x:int}", ""},
		{"/{x:int}", "/a", ""},
		{"/{x:int}", "/12", ""},
		{"GET /", "HEAD /", ""},
		{"GET /", "POST /", ""},
		{"HEAD /a", "GET /{x}", ""},
		{"HEAD /{x}", "GET /a", "both match /a "},
		{"h/a", "/{x}", ""},
		{"h/{x}", "/a", ""},
		{"h/a", "g/a", ""},
		{"h/a", "h/a", "same requests"},
	} {
		for range 2 {
			tree := plant([]string{c.old})
			p, err := Parse(c.text)
			if err != nil {
				t.Fatal(err)
			}
			_, err = tree.Insert(p, 1)
			if c.want == "" && err != nil {
				t.Errorf("insert %q after %q: %v", c.text, c.old, err)
			}
			conflict, ok := errors.AsType[*ConflictError](err)
			if c.want != "" && (!ok || conflict.Pattern != p || conflict.Existing.String() != c.old || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("insert %q after %q: got error %v, want one with %q", c.text, c.old, err, c.want)
			}
			c.old, c.text = c.text, c.old
		}
	}
}
