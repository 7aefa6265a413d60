package wiretest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// Vector is one input and what a parser should find in it.
type Vector struct {
	Name   string            // archive and case: "host/duplicate"
	Input  []byte            // exact bytes, escapes resolved
	Events string            // what is expected, one event per line
	Params map[string]string // the case's other files, by kind, without their last newline
	file   string
}

// Vectors reads the archives that match pattern, at least one. An archive is a
// txtar file: a comment that says what it is about, then for each case a pair of
// files (or more, see Vector.Params):
//
//	-- input duplicate --
//	GET / HTTP/1.1\r\n
//	Host: a\r\n
//	Host: b\r\n
//	\r\n
//	-- events duplicate --
//	error 400 more than one Host field
//
// In an input every byte is written: line ends of the archive do not count, \r \n
// \t \0 \\ and \xHH stand for the bytes they stand for in Go.
func Vectors(t testing.TB, pattern string) []Vector {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors at %s (%v)", pattern, err)
	}
	var all []Vector
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		vectors, err := parseArchive(strings.TrimSuffix(filepath.Base(file), ".txtar"), a)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i := range vectors {
			vectors[i].file = file
		}
		all = append(all, vectors...)
	}
	return all
}

func parseArchive(prefix string, a *txtar.Archive) ([]Vector, error) {
	if len(bytes.TrimSpace(a.Comment)) == 0 {
		return nil, fmt.Errorf("no comment that says what it is about")
	}
	var vectors []Vector
	for _, f := range a.Files {
		kind, name, ok := strings.Cut(f.Name, " ")
		if !ok {
			return nil, fmt.Errorf("file %q is not called KIND CASE", f.Name)
		}
		name = prefix + "/" + name
		i := slices.IndexFunc(vectors, func(v Vector) bool { return v.Name == name })
		if i < 0 {
			vectors = append(vectors, Vector{Name: name, Params: map[string]string{}})
			i = len(vectors) - 1
		}
		v := &vectors[i]
		switch kind {
		case "input":
			input, err := Unescape(string(f.Data))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
			v.Input = input
		case "events":
			v.Events = string(f.Data)
		default:
			v.Params[kind] = strings.TrimSuffix(string(f.Data), "\n")
		}
	}
	if len(vectors) == 0 {
		return nil, fmt.Errorf("no cases")
	}
	return vectors, nil
}

// Check compares the events with those expected.
func (v *Vector) Check(t testing.TB, events string) {
	t.Helper()
	if os.Getenv("WIRETEST_UPDATE") != "" {
		if err := v.update(events); err != nil {
			t.Fatal(err)
		}
		return
	}
	if events != v.Events {
		t.Errorf("%s (%s): events\n%s\nwant\n%s", v.Name, v.file, events, v.Events)
	}
}

// update writes the events of this vector into its archive: over the old ones, or
// after the input when there are none.
func (v *Vector) update(events string) error {
	a, err := txtar.ParseFile(v.file)
	if err != nil {
		return err
	}
	_, name, _ := strings.Cut(v.Name, "/")
	find := func(file string) int {
		return slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == file })
	}
	i := find("events " + name)
	if i < 0 {
		i = find("input "+name) + 1
		if i == 0 {
			return fmt.Errorf("%s: no input %q", v.file, name)
		}
		a.Files = slices.Insert(a.Files, i, txtar.File{Name: "events " + name})
	}
	a.Files[i].Data = []byte(events)
	return os.WriteFile(v.file, txtar.Format(a), 0o644)
}

// Unescape resolves the escapes of an input, as described at [Vectors].
func Unescape(s string) ([]byte, error) {
	var b []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\n':
		case c != '\\':
			b = append(b, c)
		default:
			n, decoded, err := escape(s[i+1:])
			if err != nil {
				return nil, fmt.Errorf("byte %d: %w", i, err)
			}
			b = append(b, decoded)
			i += n
		}
	}
	return b, nil
}

// escape decodes what follows a backslash, n bytes.
func escape(s string) (n int, decoded byte, err error) {
	simple := map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '0': 0, '\\': '\\'}
	if s == "" {
		return 0, 0, fmt.Errorf("nothing after the backslash")
	}
	if c, ok := simple[s[0]]; ok {
		return 1, c, nil
	}
	if s[0] == 'x' && len(s) >= 3 {
		v, err := strconv.ParseUint(s[1:3], 16, 8)
		return 3, byte(v), err
	}
	return 0, 0, fmt.Errorf("unknown escape \\%c", s[0])
}
