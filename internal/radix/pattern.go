package radix

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// kind is what a segment of a pattern accepts, the most specific first.
type kind uint8

const (
	literal kind = iota // exactly text, which is "" for the end of a path after its last slash
	digits              // one segment of one or more decimal digits
	any1                // one segment that is not empty
	rest                // one or more segments, of which the last may be empty
)

// segment is what stands between two slashes of a pattern. As in a path,
// a slash at the end is followed by one more, empty segment.
type segment struct {
	kind kind
	text string // literal: decoded text; else the wildcard's name, "" when it has none
}

// Pattern is one parsed pattern. It is immutable, and made by Parse.
type Pattern struct {
	text     string
	method   string // "" is any method
	host     string // "" is any host
	segments []segment
	names    []string
}

// String returns the text that was parsed.
func (p *Pattern) String() string { return p.text }

// Method returns the pattern's method, "" for any.
func (p *Pattern) Method() string { return p.method }

// Host returns the pattern's host, "" for any.
func (p *Pattern) Host() string { return p.host }

// Names returns the names of the wildcards from left to right: the i-th value
// of a Params belongs to the i-th name. The slice must not be changed.
func (p *Pattern) Names() []string { return p.names }

// Parse parses [METHOD ][HOST]/[PATH]. See the package comment for the syntax.
func Parse(pattern string) (*Pattern, error) {
	p := &Pattern{text: pattern}
	if err := p.parse(); err != nil {
		return nil, fmt.Errorf("radix: parse %q: %w", pattern, err)
	}
	return p, nil
}

func (p *Pattern) parse() error {
	target := p.text
	if i := strings.IndexAny(target, " \t"); i >= 0 {
		p.method, target = target[:i], strings.TrimLeft(target[i:], " \t")
		if p.method != "" && !ValidMethod(p.method) {
			return fmt.Errorf("bad method %q", p.method)
		}
	}
	slash := strings.IndexByte(target, '/')
	if slash < 0 {
		return errors.New("the path has no '/'")
	}
	p.host = target[:slash]
	if strings.Contains(p.host, "{") {
		return errors.New("a wildcard in the host, or a missing '/' before it")
	}
	path := target[slash:]
	// Only the path of CONNECT is matched as it came; all others are cleaned
	// first, so an unclean pattern would be a route that nobody can reach.
	if p.method != "" && p.method != "CONNECT" && !IsClean(path) {
		return fmt.Errorf("unclean path %q cannot match %s", path, p.method)
	}
	texts := strings.Split(path[1:], "/")
	for i, text := range texts {
		s, err := parseSegment(text, i == len(texts)-1)
		if err != nil {
			return err
		}
		if err := p.add(s); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pattern) add(s segment) error {
	p.segments = append(p.segments, s)
	if s.kind == literal || s.text == "" {
		return nil
	}
	for _, name := range p.names {
		if name == s.text {
			return fmt.Errorf("wildcard %q appears twice", name)
		}
	}
	p.names = append(p.names, s.text)
	return nil
}

func parseSegment(text string, last bool) (segment, error) {
	if text == "" && last {
		return segment{kind: rest}, nil
	}
	if !strings.Contains(text, "{") {
		return segment{kind: literal, text: Unescape(text)}, nil
	}
	if text[0] != '{' || text[len(text)-1] != '}' {
		return segment{}, fmt.Errorf("wildcard must fill its whole segment, not %q", text)
	}
	name := text[1 : len(text)-1]
	if name == "$" {
		if !last {
			return segment{}, errors.New("{$} must stand at the end")
		}
		return segment{kind: literal}, nil
	}
	s := segment{kind: any1, text: name}
	if before, ok := strings.CutSuffix(name, "..."); ok {
		if !last {
			return segment{}, fmt.Errorf("wildcard %q must stand at the end", text)
		}
		s = segment{kind: rest, text: before}
	} else if before, typ, ok := strings.Cut(name, ":"); ok {
		if typ != "int" {
			return segment{}, fmt.Errorf("unknown type %q of wildcard %q", typ, text)
		}
		s = segment{kind: digits, text: before}
	}
	if !validName(s.text) {
		return segment{}, fmt.Errorf("bad wildcard name %q", s.text)
	}
	return s, nil
}

// validName reports whether s is a Go identifier.
func validName(s string) bool {
	for i, c := range s {
		if c != '_' && !unicode.IsLetter(c) && (i == 0 || !unicode.IsDigit(c)) {
			return false
		}
	}
	return s != ""
}

// ValidMethod reports whether s is a method: a token.
func ValidMethod(s string) bool {
	for i := range len(s) {
		c := s[i]
		// RFC 9110 5.6.2: tchar.
		if !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
