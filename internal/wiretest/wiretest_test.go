package wiretest

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// recorder is a testing.TB that only remembers that it failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestFeedAcceptsASplitBlindParser(t *testing.T) {
	t.Parallel()
	input := []byte("one two three")
	got := Feed(t, input, func(pieces iter.Seq[[]byte]) string {
		var all []byte
		for p := range pieces {
			all = append(all, p...)
		}
		return string(all)
	})
	if got != string(input) {
		t.Errorf("got %q, want %q", got, input)
	}
}

func TestFeedFindsAParserThatSeesSplits(t *testing.T) {
	t.Parallel()
	tests := map[string]func(pieces iter.Seq[[]byte]) string{
		"counts pieces": func(pieces iter.Seq[[]byte]) string {
			n := 0
			for range pieces {
				n++
			}
			return fmt.Sprint(n)
		},
		"keeps what it borrowed": func(pieces iter.Seq[[]byte]) string {
			var kept [][]byte
			for p := range pieces {
				kept = append(kept, p)
			}
			var s strings.Builder
			for _, p := range kept[:len(kept)-1] {
				s.Write(p)
			}
			return fmt.Sprint(strings.Contains(s.String(), "\xAA"))
		},
		"misses one cut": func(pieces iter.Seq[[]byte]) string {
			for p := range pieces {
				return fmt.Sprint(len(p) == 5)
			}
			return ""
		},
	}
	for name, run := range tests {
		r := &recorder{TB: t}
		Feed(r, []byte("0123456789"), run)
		if !r.failed {
			t.Errorf("%s: not found out", name)
		}
	}
}

func TestCutsCoverShortInputsAndSampleLongOnes(t *testing.T) {
	t.Parallel()
	count := func(n int) (c, last int) {
		for i := range cuts(n) {
			c, last = c+1, i
		}
		return c, last
	}
	for _, n := range []int{0, 1, 2, 100, everyCut} {
		if c, last := count(n); c != max(n-1, 0) || last != max(n-1, 0) {
			t.Errorf("%d bytes: %d cuts, the last at %d, want all", n, c, last)
		}
	}
	if c, last := count(1 << 20); c > everyCut+128 || last != 1<<20-1 {
		t.Errorf("1 MiB: %d cuts, the last at %d", c, last)
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"a\nb", "ab"},
		{`a\r\n` + "\n" + `b\t\0\\\x7f\xFF`, "a\r\nb\t\x00\\\x7f\xff"},
		{"", ""},
	}
	for _, tt := range tests {
		got, err := Unescape(tt.in)
		if err != nil || string(got) != tt.want {
			t.Errorf("Unescape(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{`\`, `\q`, `\x1`, `\xzz`} {
		if got, err := Unescape(in); err == nil {
			t.Errorf("Unescape(%q) = %q, want an error", in, got)
		}
	}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	archive := "About things.\n\n-- input one --\na\\r\n-- method one --\nHEAD\n-- events one --\nx\n-- input two --\nb\n-- events two --\ny\n"
	if err := os.WriteFile(filepath.Join(dir, "things.txtar"), []byte(archive), 0o644); err != nil {
		t.Fatal(err)
	}
	got := Vectors(t, filepath.Join(dir, "*.txtar"))
	if len(got) != 2 {
		t.Fatalf("%d vectors, want 2", len(got))
	}
	if v := got[0]; v.Name != "things/one" || string(v.Input) != "a\r" || v.Events != "x\n" || v.Params["method"] != "HEAD" {
		t.Errorf("first vector %+v", v)
	}
	if v := got[1]; v.Name != "things/two" || string(v.Input) != "b" || v.Events != "y\n" {
		t.Errorf("second vector %+v", v)
	}
	r := &recorder{TB: t}
	if got[0].Check(r, "other\n"); !r.failed && os.Getenv("WIRETEST_UPDATE") == "" {
		t.Error("Check took other events")
	}
	if err := got[1].update("z\n"); err != nil {
		t.Fatal(err)
	}
	fresh := Vector{Name: "things/three", file: got[1].file}
	if err := fresh.update("z\n"); err == nil {
		t.Error("updated a case that is not there")
	}
	if v := Vectors(t, filepath.Join(dir, "*.txtar"))[1]; v.Events != "z\n" {
		t.Errorf("events after an update: %q", v.Events)
	}
}

func TestBadArchivesAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "about\n", "-- input a --\n", "about\n-- input --\n", "about\n-- input a --\n\\q\n"} {
		if v, err := parseArchive("p", txtar.Parse([]byte(s))); err == nil {
			t.Errorf("%q: got %v, want an error", s, v)
		}
	}
}
