package radix

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func FuzzLookup(f *testing.F) {
	f.Add("/\n/a/{x}\n/a/b\nGET /a/{n:int}", "", "GET", "/a/b")
	f.Add("/a/b/z\n/a/{x}/c\n/{p...}", "", "GET", "/a/b/c")
	f.Add("h/x/{y}\n/x/{y}/\nPOST /x/{$}", "h", "HEAD", "/x/a%2Fb")
	f.Add("/user/newa\n/user/newb\n/user/{id}", "", "GET", "/user/new")
	f.Add("/a%2fb/\n/%25/{x}\n/%zz", "", "GET", "/%25/%3")
	f.Fuzz(func(t *testing.T, patterns, host, method, path string) {
		list := strings.Split(patterns, "\n")
		if len(list) > 50 || len(path) > 2000 {
			return
		}
		checkLookup(t, plant(list), host, method, path)
	})
}

// TestLookupRandom is FuzzLookup on input that is mostly meaningful.
func TestLookupRandom(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	hits := 0
	for range 3000 {
		var patterns []string
		for range 1 + rng.IntN(12) {
			var b strings.Builder
			b.WriteString(pick("", "", "", "GET ", "GET ", "HEAD ", "POST "))
			b.WriteString(pick("", "", "", "h"))
			for i := range 1 + rng.IntN(4) {
				b.WriteString("/" + pick("a", "ab", "abc", "b", "1", "12", "a%2Fb", "a%252Fb", "%25", "{x#}", "{x#}", "{x#:int}"))
				if i > 2 {
					break
				}
			}
			b.WriteString(pick("", "", "", "/", "/{$}", "/{r...}"))
			text := b.String()
			for i := 0; strings.Contains(text, "#"); i++ {
				text = strings.Replace(text, "#", string(rune('a'+i)), 1)
			}
			patterns = append(patterns, text)
		}
		tree := plant(patterns)
		for range 20 {
			var path strings.Builder
			for range 1 + rng.IntN(3) {
				path.WriteString("/" + pick("a", "ab", "abc", "b", "1", "12", "%31", "%61b", "a%2fb", "a%252Fb", "%25", "", "%zz"))
			}
			host, method := pick("", "h", "g"), pick("GET", "GET", "HEAD", "POST", "PUT")
			checkLookup(t, tree, host, method, path.String())
			if tree.Lookup(host, method, path.String(), &Params{}) != nil {
				hits++
			}
		}
	}
	if hits < 5000 {
		t.Errorf("only %d of the requests matched anything: the test says little", hits)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	tree := plant([]string{
		"/", "/users/", "/users/me", "/users/{id}", "/users/{id:int}", "/users/{id}/keys", "GET /users/{id}/keys/{key}",
		"/user/newa", "/user/newb", "/user/{id}", "/files/{path...}", "/files/{$}", "/a%2Fb/x", "/a%252Fb/x", "h.example/users/{id}",
	})
	for _, c := range []struct{ host, method, path, want string }{
		{"", "GET", "/users/me", "/users/me"},
		{"", "GET", "/users/m%65", "/users/me"},
		{"", "GET", "/users/mex", "/users/{id}"},
		{"", "GET", "/users/m", "/users/{id}"},
		{"", "GET", "/users/ME", "/users/{id}"},
		{"", "GET", "/users/17", "/users/{id:int}"},
		{"", "GET", "/users/1%37", "/users/{id:int}"},
		{"", "GET", "/users/17/keys", "/users/{id}/keys"},
		{"", "GET", "/users/17/keyz", "/users/"},
		{"", "GET", "/users/", "/users/"},
		{"", "GET", "/users", "/"},
		{"", "HEAD", "/users/x/keys/1", "GET /users/{id}/keys/{key}"},
		{"", "POST", "/users/x/keys/1", "/users/"},
		{"", "get", "/users/x/keys/1", "/users/"},
		{"", "GET", "/user/new", "/user/{id}"}, // a place where text only branches hides no wildcard
		{"", "GET", "/files/", "/files/{$}"},
		{"", "GET", "/files/a/b", "/files/{path...}"},
		{"", "GET", "/a%2fb/x", "/a%2Fb/x"},
		{"", "GET", "/a%252Fb/x", "/a%252Fb/x"}, // the text "%2F" is no escaped slash
		{"", "GET", "/a/b/x", "/"},
		{"h.example", "GET", "/users/me", "h.example/users/{id}"},
		{"h.example", "GET", "/users/", "/users/"},
		{"", "GET", "", "none"},
		{"", "GET", "*", "none"},
	} {
		var ps Params
		if got := patternOf(tree.Lookup(c.host, c.method, c.path, &ps)); got != c.want {
			t.Errorf("lookup of %q %s %q: got %q, want %q", c.host, c.method, c.path, got, c.want)
		}
		checkLookup(t, tree, c.host, c.method, c.path)
	}
}

func TestEmptyTree(t *testing.T) {
	t.Parallel()
	for _, tree := range []*Tree[int]{nil, {}} {
		var ps Params
		if tree.Lookup("", "GET", "/", &ps) != nil || tree.LookupBytes(nil, []byte("GET"), []byte("/"), &ps) != nil ||
			tree.Subtree("", "GET", "/a") != nil || tree.SubtreeBytes(nil, []byte("GET"), []byte("/a")) != nil ||
			tree.Allowed("", "/") != nil || tree.HasHosts() {
			t.Error("an empty tree matches something")
		}
		for r := range tree.All() {
			t.Errorf("an empty tree has the route %v", r)
		}
	}
}

// TestInsertKeepsOldTree derives two trees from one: none sees another's routes.
func TestInsertKeepsOldTree(t *testing.T) {
	t.Parallel()
	base := plant([]string{"/abc", "/abd/{x}", "GET h/abc", "/s/1", "/s/2", "/s/3"})
	insert := func(tree *Tree[int], text string) *Tree[int] {
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		next, err := tree.Insert(p, 9)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	left, right := insert(base, "/abd/e"), insert(base, "/a")
	left2 := insert(left, "GET h/abz")
	left, right = insert(left, "/s/4"), insert(right, "/s/5")
	for _, c := range []struct {
		name string
		tree *Tree[int]
		host string
		path string
		want string
	}{
		{"base", base, "", "/abd/e", "/abd/{x}"},
		{"base", base, "", "/a", "none"},
		{"left", left, "", "/abd/e", "/abd/e"},
		{"left", left, "", "/a", "none"},
		{"left", left, "h", "/abz", "none"},
		{"left2", left2, "h", "/abz", "GET h/abz"},
		{"left2", left2, "", "/abd/e", "/abd/e"},
		{"left", left, "", "/s/4", "/s/4"},
		{"left", left, "", "/s/5", "none"},
		{"right", right, "", "/s/5", "/s/5"},
		{"right", right, "", "/abd/e", "/abd/{x}"},
		{"right", right, "", "/a", "/a"},
		{"right", right, "", "/abc", "/abc"},
	} {
		if got := patternOf(c.tree.Lookup(c.host, "GET", c.path, &Params{})); got != c.want {
			t.Errorf("%s tree: lookup of %q: got %q, want %q", c.name, c.path, got, c.want)
		}
	}
}

func TestManyParams(t *testing.T) {
	t.Parallel()
	var pattern, path strings.Builder
	for i := range 40 {
		name := string(rune('a'+i%26)) + string(rune('a'+i/26))
		pattern.WriteString("/{" + name + "}")
		path.WriteString("/v" + name)
	}
	tree := plant([]string{pattern.String() + "/x", pattern.String() + "/{y:int}"})
	var ps Params
	for _, end := range []string{"/x", "/7", "/%37"} { // one Params for all
		r := tree.Lookup("", "GET", path.String()+end, &ps)
		if r == nil {
			t.Fatalf("no match of %s", end)
		}
		for i, name := range r.Pattern.Names()[:40] {
			start, stop := ps.At(i)
			if got, want := path.String()[start:stop], "v"+name; got != want {
				t.Errorf("value %d: got %q, want %q", i, got, want)
			}
		}
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	tree := plant([]string{"GET /a", "POST /a/", "PUT h/a", "DELETE /b", "/c", "GET /%25/{x:int}"})
	for _, c := range []struct {
		host, path string
		want       []string
	}{
		{"", "/a", []string{"GET", "HEAD", "POST"}},
		{"h", "/a", []string{"GET", "HEAD", "POST", "PUT"}},
		{"", "/a/", []string{"POST"}},
		{"", "/b", []string{"DELETE"}},
		{"", "/c", nil},
		{"", "/%25/1", []string{"GET", "HEAD"}},
		{"", "/%25/x", nil},
	} {
		if got := tree.Allowed(c.host, c.path); !slices.Equal(got, c.want) {
			t.Errorf("allowed for %q %q: got %q, want %q", c.host, c.path, got, c.want)
		}
	}
}

func TestLookupAllocates(t *testing.T) {
	tree := plant([]string{"/", "/users/{id}", "/users/me", "/n/{id:int}/{rest...}", "GET h/x/{y}", "/deep/a/b/"})
	long := "/n/1/" + strings.Repeat("x", 3000)
	for _, path := range []string{"/users/me", "/users/17", "/users/1%37", "/n/1/a/b", "/n/1/a%2Fb", "/nothing", "/x/1", long} {
		var ps Params
		host, method, bpath := []byte("h"), []byte("GET"), []byte(path)
		if n := testing.AllocsPerRun(100, func() {
			tree.Lookup("h", "GET", path, &ps)
			tree.LookupBytes(host, method, bpath, &ps)
		}); n != 0 {
			t.Errorf("lookup of %.20q: %v allocations, want 0", path, n)
		}
		if len(path) > scratch {
			continue
		}
		if n := testing.AllocsPerRun(100, func() {
			tree.Subtree("h", "GET", path)
			tree.SubtreeBytes(host, method, bpath)
		}); n != 0 {
			t.Errorf("subtree of %.20q: %v allocations, want 0", path, n)
		}
	}
}
