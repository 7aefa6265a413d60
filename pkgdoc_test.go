package burrow_test

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// checkPackageDocs returns what is wrong with the package comments of the
// tree, one sentence each: every package has exactly one, it stands in doc.go
// or main.go, and that of a library begins with its name.
func checkPackageDocs(tree []source) []string {
	var broken []string
	comments := map[string]int{}
	for _, s := range tree {
		if s.test {
			continue
		}
		comments[s.pkg] += 0
		if s.file.Doc == nil {
			continue
		}
		comments[s.pkg]++
		if base := path.Base(s.name); base != "doc.go" && base != "main.go" {
			broken = append(broken, s.name+": the package comment belongs in doc.go or main.go")
		}
		name, text := s.file.Name.Name, s.file.Doc.Text()
		if want := "Package " + name + " "; name != "main" && !strings.HasPrefix(text, want) {
			broken = append(broken, fmt.Sprintf("%s: the package comment does not begin with %q", s.name, want))
		}
	}
	for pkg, n := range comments {
		if n != 1 {
			broken = append(broken, fmt.Sprintf("%s has %d package comments, want 1", pkg, n))
		}
	}
	slices.Sort(broken)
	return broken
}

func TestPackageDocs(t *testing.T) {
	t.Parallel()
	tree, err := readTree(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, sentence := range checkPackageDocs(tree) {
		t.Error(sentence)
	}
}

// TestPackageDocsFindWhatIsWrong runs the check over packages that are each
// wrong in one way.
func TestPackageDocsFindWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"library", map[string]string{"a/doc.go": "// Package a is.\npackage a", "a/b.go": "package a", "a/b_test.go": "// Tests.\npackage a"}, ""},
		{"program", map[string]string{"a/main.go": "// Hello greets.\npackage main"}, ""},
		{"tests only", map[string]string{"a/a_test.go": "package a"}, ""},
		{"none", map[string]string{"a/a.go": "package a"}, "a has 0 package comments, want 1"},
		{"detached", map[string]string{"a/doc.go": "// Package a is.\n\npackage a"}, "a has 0 package comments, want 1"},
		{"two", map[string]string{"a/doc.go": "// Package a is.\npackage a", "a/main.go": "// Package a does.\npackage a"}, "a has 2 package comments, want 1"},
		{"elsewhere", map[string]string{"a/a.go": "// Package a is.\npackage a"}, "a/a.go: the package comment belongs in doc.go or main.go"},
		{"nameless", map[string]string{"a/doc.go": "// Something.\npackage a"}, `a/doc.go: the package comment does not begin with "Package a "`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{}
			for name, text := range tc.files {
				tree[name] = &fstest.MapFile{Data: []byte(text)}
			}
			all, err := readTree(tree)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(checkPackageDocs(all), "\n"); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}
