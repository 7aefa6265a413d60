package radix

import (
	"fmt"
	"strings"
)

// ConflictError says that two patterns match a common request and neither is
// more specific, so that which of them answers would be arbitrary.
type ConflictError struct {
	Pattern  *Pattern // the one that was to be inserted
	Existing *Pattern // the one that is there
	Path     string   // a path that both match
}

func (e *ConflictError) Error() string {
	why := fmt.Sprintf("both match %s and neither is more specific", e.Path)
	if e.Pattern.covers(e.Existing) {
		why = "both match the same requests"
	}
	return fmt.Sprintf("radix: insert: pattern %q conflicts with pattern %q: %s", e.Pattern, e.Existing, why)
}

// conflictsWith reports whether p and q match a common request without one of
// them being the more specific. A host settles it: with precedes without.
func (p *Pattern) conflictsWith(q *Pattern) bool {
	return p.host == q.host && p.meets(q) && p.covers(q) == q.covers(p)
}

// meets reports whether some method and path match both p and q.
func (p *Pattern) meets(q *Pattern) bool {
	if !methodCovers(p.method, q.method) && !methodCovers(q.method, p.method) {
		return false
	}
	for i := 0; i < len(p.segments) && i < len(q.segments); i++ {
		a, b := p.segments[i], q.segments[i]
		if a.kind == rest || b.kind == rest {
			return true
		}
		if !a.covers(b) && !b.covers(a) {
			return false
		}
	}
	return len(p.segments) == len(q.segments)
}

// covers reports whether p matches every method and path that q matches.
func (p *Pattern) covers(q *Pattern) bool {
	if !methodCovers(p.method, q.method) {
		return false
	}
	for i := 0; i < len(p.segments) && i < len(q.segments); i++ {
		a, b := p.segments[i], q.segments[i]
		if a.kind == rest {
			return true
		}
		if b.kind == rest || !a.covers(b) {
			return false
		}
	}
	return len(p.segments) == len(q.segments)
}

// methodCovers reports whether pattern method a matches all that b matches.
func methodCovers(a, b string) bool {
	// RFC 9110 9.3.2: HEAD is GET without the content, so GET routes answer it.
	return a == "" || a == b || a == "GET" && b == "HEAD"
}

// covers reports whether s, which is not rest, accepts all that o accepts.
// Two kinds that share a segment are always ordered by covers.
func (s segment) covers(o segment) bool {
	switch s.kind {
	case literal:
		return o.kind == literal && o.text == s.text
	case digits:
		return o.kind == digits || o.kind == literal && allDigits(o.text)
	default:
		return o.kind != rest && (o.kind != literal || o.text != "")
	}
}

// commonPath returns a path that p and q both match, given that there is one.
func commonPath(p, q *Pattern) string {
	var b strings.Builder
	for i := 0; i < len(p.segments) || i < len(q.segments); i++ {
		var s segment
		switch {
		case i >= len(p.segments):
			s = q.segments[i]
		case i >= len(q.segments) || p.segments[i].kind <= q.segments[i].kind:
			s = p.segments[i]
		default:
			s = q.segments[i]
		}
		b.WriteByte('/')
		switch s.kind {
		case literal:
			b.Write(escapeSegment(s.text))
		case digits:
			b.WriteByte('1')
		case any1:
			b.WriteString(s.text)
		case rest:
			return b.String()
		}
	}
	return b.String()
}

// escapeSegment returns the decoded text of one segment in canonical form.
func escapeSegment(text string) []byte {
	var dst []byte
	for i := range len(text) {
		dst = appendLiteral(dst, text[i])
	}
	return dst
}

func allDigits[S Text](s S) bool {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return len(s) > 0
}
