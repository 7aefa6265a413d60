//go:build linux

package machine

import (
	"os"
	"testing"
)

// TestKeep: a second run of a commit leaves the first one's tables alone.
func TestKeep(t *testing.T) {
	t.Chdir(t.TempDir())
	m := Machine{Date: "2026-01-02", Commit: "abc"}
	for _, text := range []string{"one", "two", "three"} {
		if err := m.Keep(text, "", "-x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Keep("none", "none", ""); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a longer text", "short"} {
		if err := m.Keep(text, "named/file", ""); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"results/2026-01-02-abc-x.txt": "one", "results/2026-01-02-abc-x-2.txt": "two",
		"results/2026-01-02-abc-x-3.txt": "three", "named/file": "short",
	} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if left, _ := os.ReadDir("results"); len(left) != 3 {
		t.Errorf("%d files in results", len(left))
	}
}
