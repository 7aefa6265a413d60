package burrow_test

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const modulePath = "github.com/burrownet/burrow"

// layers is layers.txt as a value: the floor of every package.
type layers struct {
	floors map[string]int // package folder or pattern such as "cmd/*" -> floor
	tests  map[string]bool
	system map[string]bool // may make system calls
}

// testFloor is where the "test" packages stand: on floors 0 to 3.
const testFloor = 4

// systemFloor is where the "sys" packages stand.
const systemFloor = 1

// parseLayers reads the text of layers.txt.
func parseLayers(text string) (layers, error) {
	l := layers{floors: map[string]int{}, tests: map[string]bool{}, system: map[string]bool{}}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		floor, isTest, isSystem := testFloor, words[0] == "test", words[0] == "sys"
		switch {
		case isTest:
		case isSystem:
			floor = systemFloor
		default:
			n, err := strconv.Atoi(strings.TrimPrefix(words[0], "F"))
			if err != nil || words[0][0] != 'F' || n < 0 || n > 5 {
				return l, fmt.Errorf("layers.txt:%d: %q is no floor", i+1, words[0])
			}
			floor = n
		}
		for _, pkg := range words[1:] {
			if _, twice := l.floors[pkg]; twice {
				return l, fmt.Errorf("layers.txt:%d: %s stands on two floors", i+1, pkg)
			}
			l.floors[pkg], l.tests[pkg], l.system[pkg] = floor, isTest, isSystem
		}
	}
	return l, nil
}

// floor looks up a package folder: its own line first, then the patterns.
func (l layers) floor(pkg string) (floor int, ok bool) {
	if floor, ok = l.floors[pkg]; ok {
		return floor, true
	}
	for pattern, floor := range l.floors {
		if hit, err := path.Match(pattern, pkg); err == nil && hit {
			return floor, true
		}
	}
	return 0, false
}

// check returns what breaks the floors in the module that tree holds, one
// sentence each, sorted.
func (l layers) check(tree []source) []string {
	var broken []string
	seen := map[string]bool{}
	for _, s := range tree {
		seen[s.pkg] = true
		broken = append(broken, l.checkImports(s)...)
		if floor, ok := l.floor(s.pkg); ok && floor <= 1 && !s.test && s.pkg != "." {
			broken = append(broken, impurities(s, l.system[s.pkg])...)
		}
	}
	for pkg := range seen {
		if _, ok := l.floor(pkg); !ok && pkg != "." {
			broken = append(broken, pkg+" is not in layers.txt")
		}
	}
	for pkg := range l.floors {
		if !strings.Contains(pkg, "*") && !seen[pkg] {
			broken = append(broken, "layers.txt names "+pkg+", which does not exist")
		}
	}
	slices.Sort(broken)
	return slices.Compact(broken)
}

// checkImports holds one file against the floors. The root package is
// documentation: it imports nothing of the module.
func (l layers) checkImports(s source) []string {
	var broken []string
	own, known := l.floor(s.pkg)
	for _, imp := range s.imports() {
		if imp == modulePath {
			imp += "/."
		}
		pkg, inside := strings.CutPrefix(imp, modulePath+"/")
		if !inside {
			continue
		}
		target, ok := l.floor(pkg)
		switch {
		case pkg == s.pkg && s.test: // an external test imports what it tests
		case s.pkg == "." || pkg == ".":
			broken = append(broken, fmt.Sprintf("%s imports %s: the root package stands apart", s.name, pkg))
		case !ok:
			broken = append(broken, fmt.Sprintf("%s imports %s, which is not in layers.txt", s.name, pkg))
		case l.tests[pkg] && s.test: // what they are for
		case l.tests[pkg]:
			broken = append(broken, fmt.Sprintf("%s imports %s, which is for tests", s.name, pkg))
		case known && target >= own:
			broken = append(broken, fmt.Sprintf("%s (F%d) imports %s (F%d), which is not below it", s.name, own, pkg, target))
		}
	}
	return broken
}

func TestLayers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("layers.txt")
	if err != nil {
		t.Fatal(err)
	}
	l, err := parseLayers(string(text))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := readModule(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, sentence := range l.check(tree) {
		t.Error(sentence)
	}
}

func TestParseLayersRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"F6 a", "G1 a", "F a", "1 a", "F1 a\nF2 a", "F1 a\ntest a"} {
		if _, err := parseLayers(text); err == nil {
			t.Errorf("parseLayers(%q): no error", text)
		}
	}
}

// TestLayersFindWhatIsWrong runs the check over small modules that each break
// one rule, and over one that breaks none.
func TestLayersFindWhatIsWrong(t *testing.T) {
	t.Parallel()
	const floors = "F0 internal/leaf internal/other # two\nF1 internal/wire\nsys internal/ring\nF2 sock engine\nF5 cmd/*\ntest internal/memnet\n"
	whole := map[string]string{
		"doc.go":                       "package burrow",
		"internal/leaf/leaf.go":        "package leaf",
		"internal/other/other.go":      "package other",
		"internal/wire/wire.go":        `package wire; import ("time"; "M/internal/leaf"); var D time.Duration; var _ = leaf.X`,
		"internal/wire/wire_test.go":   `package wire_test; import ("net"; "time"; "M/internal/memnet"; "M/internal/wire"); func f() { go f(); time.Now() }`,
		"internal/ring/ring.go":        `package ring; import "golang.org/x/sys/unix"`,
		"sock/sock.go":                 `package sock; import ("net"; "time"; "M/internal/wire"); func f() { go f(); time.Now() }`,
		"engine/engine.go":             "package engine",
		"internal/memnet/memnet.go":    `package memnet; import "M/sock"`,
		"cmd/burrow/main.go":           `package main; import ("M/sock"; "M/engine")`,
		"cmd/burrow/testdata/x.go":     `package x; import "M/internal/memnet"`,
		"conformance/go.mod":           "module other",
		"conformance/peers/peers.go":   `package peers; import "M/internal/memnet"`,
		"internal/leaf/leaf_windows.s": "TEXT",
	}
	for _, tc := range []struct{ name, file, text, want string }{
		{"nothing wrong", "doc.go", "package burrow", ""},
		{"upwards", "internal/leaf/leaf.go", `package leaf; import "M/sock"`, "internal/leaf/leaf.go (F0) imports sock (F2), which is not below it"},
		{"sideways", "sock/sock.go", `package sock; import _ "M/engine"`, "sock/sock.go (F2) imports engine (F2), which is not below it"},
		{"another platform's file", "sock/sock_windows.go", "//go:build windows\n\npackage sock; import \"M/engine\"", "sock/sock_windows.go (F2) imports engine (F2), which is not below it"},
		{"upwards from a test", "sock/sock_test.go", `package sock_test; import "M/cmd/burrow"`, "sock/sock_test.go (F2) imports cmd/burrow (F5), which is not below it"},
		{"test package in a program", "cmd/burrow/main.go", `package main; import "M/internal/memnet"`, "cmd/burrow/main.go imports internal/memnet, which is for tests"},
		{"test package too high", "internal/memnet/memnet.go", `package memnet; import "M/cmd/burrow"`, "internal/memnet/memnet.go (F4) imports cmd/burrow (F5), which is not below it"},
		{"unlisted package", "httpd/httpd.go", "package httpd", "httpd is not in layers.txt"},
		{"unlisted import", "sock/sock.go", `package sock; import "M/ghost"`, "sock/sock.go imports ghost, which is not in layers.txt"},
		{"root imports", "doc.go", `package burrow; import "M/sock"`, "doc.go imports sock: the root package stands apart"},
		{"root imported", "sock/sock.go", `package sock; import "M"`, "sock/sock.go imports .: the root package stands apart"},
		{"listed and gone", "internal/other/other.go", "", "layers.txt names internal/other, which does not exist"},
		{"socket in a leaf", "internal/leaf/leaf.go", `package leaf; import "net"`, "internal/leaf/leaf.go imports net: a codec knows no socket"},
		{"socket in a wire package", "internal/wire/wire.go", `package wire; import "net/http"`, "internal/wire/wire.go imports net/http: a codec knows no socket"},
		{"clock", "internal/wire/wire.go", "package wire\n\nimport \"time\"\n\nvar t = time.Now()", "internal/wire/wire.go:5 calls time.Now: a codec is told the time"},
		{"clock under another name", "internal/wire/wire.go", "package wire\nimport tm \"time\"\nfunc f() { tm.Sleep(1) }", "internal/wire/wire.go:3 calls time.Sleep: a codec is told the time"},
		{"clock without a name", "internal/wire/wire.go", "package wire\nimport . \"time\"", "internal/wire/wire.go imports time with a dot: its clock would be hidden"},
		{"system call in a system package", "internal/ring/ring.go", `package ring; import "syscall"`, ""},
		{"clock in a system package", "internal/ring/ring.go", "package ring\nimport \"time\"\nvar t = time.Now()", "internal/ring/ring.go:3 calls time.Now: a codec is told the time"},
		{"goroutine", "internal/leaf/leaf.go", "package leaf\nfunc f() { go f() }", "internal/leaf/leaf.go:2 starts a goroutine"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			module := fstest.MapFS{}
			put := func(name, text string) {
				module[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, `"M`, `"`+modulePath))}
			}
			for name, text := range whole {
				put(name, text)
			}
			if put(tc.file, tc.text); tc.text == "" {
				delete(module, tc.file)
			}
			tree, err := readModule(module)
			if err != nil {
				t.Fatal(err)
			}
			l, err := parseLayers(floors)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(l.check(tree), "\n")
			if got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}
