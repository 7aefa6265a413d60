package radix

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// Tree is an immutable set of patterns, each with a value. The zero value and nil
// are the empty tree. Methods may be called concurrently.
type Tree[V any] struct {
	routes  []*Route[V] // in order of insertion
	hosts   map[string]*methods
	anyHost *methods
}

// Route is a pattern of a tree and its value.
type Route[V any] struct {
	Pattern *Pattern
	Value   V
}

// methods holds the trees of one host. It is immutable.
type methods struct {
	anyMethod *node
	named     []methodRoot
}

type methodRoot struct {
	method string
	root   *node
}

// node is a place in a tree: all paths that begin with the same canonical text
// and wildcards. Immutable once it is reachable from a Tree.
//
//	"/users/"            patterns  /users/  /users/me  /users/{id:int}  /users/{id}/keys
//	 +- static "me"      leaf /users/me
//	 +- digits           leaf /users/{id:int}
//	 +- any1
//	 |   +- static "/keys"   leaf /users/{id}/keys
//	 +- rest             leaf /users/
type node struct {
	prefix string  // canonical text between the parent and here; "" below a wildcard
	first  string  // first byte of each static child's prefix, in the same order
	static []*node // children reached by text
	leaf   *leaf   // the pattern that ends here
	digits *node   // after a segment of digits  \
	any1   *node   // after any segment           | only where a segment begins
	rest   *leaf   // the pattern that takes all /
}

// leaf is the end of a pattern.
type leaf struct {
	route int  // index in Tree.routes
	named bool // rest only: whether the wildcard has a name
}

// Insert returns a tree that has p besides the patterns of t, which stays as it
// is. The error is a *ConflictError.
func (t *Tree[V]) Insert(p *Pattern, v V) (*Tree[V], error) {
	next := &Tree[V]{}
	if t != nil {
		*next = *t
	}
	for _, r := range next.routes {
		if p.conflictsWith(r.Pattern) {
			return nil, &ConflictError{Pattern: p, Existing: r.Pattern, Path: commonPath(p, r.Pattern)}
		}
	}
	l := &leaf{route: len(next.routes)}
	// Clip: two trees derived from one must not share what is behind its end.
	next.routes = append(slices.Clip(next.routes), &Route[V]{Pattern: p, Value: v})
	if p.host == "" {
		next.anyHost = next.anyHost.with(p, l)
		return next, nil
	}
	next.hosts = maps.Clone(next.hosts)
	if next.hosts == nil {
		next.hosts = make(map[string]*methods)
	}
	next.hosts[p.host] = next.hosts[p.host].with(p, l)
	return next, nil
}

// HasHosts reports whether any pattern has a host. If none has, the host given
// to a lookup does not matter.
func (t *Tree[V]) HasHosts() bool { return t != nil && len(t.hosts) > 0 }

// All yields the routes in the order of their insertion.
func (t *Tree[V]) All() iter.Seq[*Route[V]] {
	if t == nil {
		return func(func(*Route[V]) bool) {}
	}
	return slices.Values(t.routes)
}

// with returns a copy of m that has p.
func (m *methods) with(p *Pattern, l *leaf) *methods {
	next := &methods{}
	if m != nil {
		*next = *m
	}
	if p.method == "" {
		next.anyMethod = next.anyMethod.with(p.segments, l)
		return next
	}
	next.named = slices.Clone(next.named)
	for i := range next.named {
		if next.named[i].method == p.method {
			next.named[i].root = next.named[i].root.with(p.segments, l)
			return next
		}
	}
	var root *node
	next.named = append(next.named, methodRoot{p.method, root.with(p.segments, l)})
	return next
}

// with returns a copy of n below which segs, each after a slash, lead to l.
// A nil n is an empty node.
func (n *node) with(segs []segment, l *leaf) *node {
	var text []byte
	for i, s := range segs {
		text = append(text, '/')
		if s.kind != literal {
			return n.withText(string(text), func(c *node) { c.setWildcard(s, segs[i+1:], l) })
		}
		text = append(text, escapeSegment(s.text)...)
	}
	return n.withText(string(text), func(c *node) { c.leaf = l })
}

// setWildcard puts s and what follows it below n, which is not shared yet.
func (n *node) setWildcard(s segment, segs []segment, l *leaf) {
	switch s.kind {
	case digits:
		n.digits = n.digits.with(segs, l)
	case any1:
		n.any1 = n.any1.with(segs, l)
	default:
		l.named = s.text != ""
		n.rest = l
	}
}

// withText returns a copy of n in which change has been applied to the node that
// text leads to; only the nodes on the way there are copied.
func (n *node) withText(text string, change func(*node)) *node {
	next := &node{}
	if n != nil {
		*next = *n
	}
	if text == "" {
		change(next)
		return next
	}
	i := strings.IndexByte(next.first, text[0])
	if i < 0 {
		child := (*node)(nil).withText("", change)
		child.prefix = text
		next.first += text[:1]
		next.static = append(slices.Clip(next.static), child)
		return next
	}
	child := next.static[i]
	k := commonPrefix(child.prefix, text)
	if k < len(child.prefix) {
		lower := *child
		lower.prefix = child.prefix[k:]
		child = &node{prefix: child.prefix[:k], first: lower.prefix[:1], static: []*node{&lower}}
	}
	next.static = slices.Clone(next.static)
	next.static[i] = child.withText(text[k:], change)
	return next
}

func commonPrefix(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}
