package radix

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Template is a path, with or without a query, in which {name} stands for the
// value of a pattern's wildcard. It is immutable, and made by ParseTemplate.
type Template struct {
	path  []piece
	query []piece
}

// piece is literal text, or the value of a wildcard.
type piece struct {
	text  string
	param int // index among the pattern's names, or -1 for text
}

// ParseTemplate parses "/path/{name}?key={name}". It may begin with a scheme and
// an authority, in which nothing is substituted: a request must not choose to
// whom it is sent. Its names are those of p.
func ParseTemplate(text string, p *Pattern) (*Template, error) {
	t := &Template{}
	path, query, _ := strings.Cut(text, "?")
	var err error
	if err = checkTarget(path); err == nil {
		t.path, err = parsePieces(path, p)
	}
	if err == nil {
		t.query, err = parsePieces(query, p)
	}
	if err != nil {
		return nil, fmt.Errorf("radix: parse template %q: %w", text, err)
	}
	return t, nil
}

func checkTarget(path string) error {
	if _, after, ok := strings.Cut(path, "://"); ok && !strings.HasPrefix(path, "/") {
		authority, _, ok := strings.Cut(after, "/")
		if !ok || authority == "" || strings.Contains(authority, "{") {
			return errors.New("the authority must be literal text and a '/' must follow")
		}
		return nil
	}
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return errors.New("the path must begin with one '/'")
	}
	return nil
}

func parsePieces(text string, p *Pattern) ([]piece, error) {
	var pieces []piece
	for text != "" {
		before, after, ok := strings.Cut(text, "{")
		if err := checkEscaped(before); err != nil {
			return nil, err
		}
		if before != "" {
			pieces = append(pieces, piece{before, -1})
		}
		if !ok {
			break
		}
		name, after, ok := strings.Cut(after, "}")
		if !ok {
			return nil, errors.New("'{' without '}'")
		}
		i := slices.Index(p.names, name)
		if i < 0 {
			return nil, fmt.Errorf("the pattern %q has no wildcard named %q", p, name)
		}
		pieces = append(pieces, piece{param: i})
		text = after
	}
	return pieces, nil
}

// checkEscaped refuses what has to be percent-encoded in a path or a query.
func checkEscaped(text string) error {
	for i := range len(text) {
		// RFC 3986 3.3 and 3.4: pchar, "/" and "?"; brackets for an IPv6 authority.
		if !isAlphanumeric(text[i]) && strings.IndexByte("-._~!$&'()*+,;=:@/?%[]", text[i]) < 0 {
			return fmt.Errorf("%q must be percent-encoded", text[i])
		}
	}
	if !validEscapes(text) {
		return errors.New("malformed percent-encoding")
	}
	return nil
}

// Expand returns the path and the query of t with the values that ps has in path.
// In a path they stay escaped as they came; in a query they are escaped so that a
// value remains one value. The path is not cleaned.
func (t *Template) Expand(path string, ps *Params) (target, query string) {
	var b []byte
	for _, p := range t.path {
		b = append(b, p.value(path, ps)...)
	}
	target = string(b)
	b = b[:0]
	for _, p := range t.query {
		if p.param < 0 {
			b = append(b, p.text...)
		} else {
			b = appendQueryEscaped(b, Unescape(p.value(path, ps)))
		}
	}
	return target, string(b)
}

func (p piece) value(path string, ps *Params) string {
	if p.param < 0 {
		return p.text
	}
	start, end := ps.At(p.param)
	return path[start:end]
}
