package burrow_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// source is one parsed Go file, whatever platform it is for.
type source struct {
	name string // slash-separated, from the root of the tree
	pkg  string // its folder; "." is the root
	test bool   // a _test.go file
	fset *token.FileSet
	file *ast.File
}

// readTree parses every Go file of the tree: those of nested modules too, but
// not what lies in testdata or in folders the go command does not look into.
func readTree(tree fs.FS) ([]source, error) {
	var all []source
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			base := path.Base(name)
			if base == "testdata" || base == "vendor" || name != "." && strings.ContainsAny(base[:1], "._") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		s := source{name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), fset: token.NewFileSet()}
		s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		all = append(all, s)
		return err
	})
	return all, err
}

// readModule is readTree without the nested modules.
func readModule(tree fs.FS) ([]source, error) {
	all, err := readTree(tree)
	if err != nil {
		return nil, err
	}
	nested := func(s source) bool {
		for dir := s.pkg; dir != "."; dir = path.Dir(dir) {
			if _, err := fs.Stat(tree, path.Join(dir, "go.mod")); err == nil {
				return true
			}
		}
		return false
	}
	return slices.DeleteFunc(all, nested), nil
}

// imports returns the import paths of the file.
func (s source) imports() []string {
	var all []string
	for _, spec := range s.file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// sockets are the packages that a codec has no use for: each ends with a "/"
// when everything below it is meant too.
var sockets = []string{"net", "net/http/", "net/rpc/", "net/smtp", "net/textproto", "crypto/tls", "os/", "syscall/", "golang.org/x/net/", "golang.org/x/sys/"}

// clock are the functions that read a clock or wait for one.
var clock = map[string][]string{
	"time":    {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
	"context": {"WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause"},
}

// impurities returns what makes a file of floors F0 and F1 more than a pure
// value: an import that knows sockets (unless it is there for system calls), a look
// at the clock, a goroutine.
func impurities(s source, system bool) []string {
	var broken []string
	names := map[string]string{} // local name -> package of the clock
	for _, spec := range s.file.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value)
		for _, socket := range sockets {
			if system {
				break
			}
			if below, ok := strings.CutSuffix(socket, "/"); imp == below || ok && strings.HasPrefix(imp, socket) {
				broken = append(broken, fmt.Sprintf("%s imports %s: a codec knows no socket", s.name, imp))
			}
		}
		switch {
		case clock[imp] == nil:
		case spec.Name == nil:
			names[imp] = imp
		case spec.Name.Name == ".":
			broken = append(broken, fmt.Sprintf("%s imports %s with a dot: its clock would be hidden", s.name, imp))
		default:
			names[spec.Name.Name] = imp
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			broken = append(broken, fmt.Sprintf("%s:%d starts a goroutine", s.name, s.fset.Position(n.Pos()).Line))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(clock[names[x.Name]], n.Sel.Name) {
				broken = append(broken, fmt.Sprintf("%s:%d calls %s.%s: a codec is told the time", s.name, s.fset.Position(n.Pos()).Line, names[x.Name], n.Sel.Name))
			}
		}
		return true
	})
	return broken
}
