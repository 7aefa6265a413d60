package radix

import (
	"bytes"
	"math"
	"slices"
	"strings"
)

// scratch is how long a path may be, in bytes, to be rewritten on the stack.
const scratch = 512

// Lookup returns the most specific route for the request, or nil, and where in
// path the values of its wildcards are. The path is as it was sent, still
// escaped; it is compared as it is, so clean it first where that is wanted. The
// route's method equals method, or is GET for HEAD, or is any.
func (t *Tree[V]) Lookup(host, method, path string, ps *Params) *Route[V] {
	if t == nil {
		return nil
	}
	if strings.IndexByte(path, '%') >= 0 {
		return t.route(lookupEscaped(t.hosts[host], t.anyHost, method, path, ps))
	}
	return t.route(lookup(t.hosts[host], t.anyHost, method, path, ps))
}

// LookupBytes is Lookup for bytes, which it does not keep.
func (t *Tree[V]) LookupBytes(host, method, path []byte, ps *Params) *Route[V] {
	if t == nil {
		return nil
	}
	if bytes.IndexByte(path, '%') >= 0 {
		return t.route(lookupEscaped(t.hosts[string(host)], t.anyHost, method, path, ps))
	}
	return t.route(lookup(t.hosts[string(host)], t.anyHost, method, path, ps))
}

// Subtree returns the route that path with a slash after it would match exactly,
// or nil: whoever asked for path should be sent there when path itself has no
// exact match.
func (t *Tree[V]) Subtree(host, method, path string) *Route[V] {
	if t == nil {
		return nil
	}
	return t.route(subtree(t.hosts[host], t.anyHost, method, path))
}

// SubtreeBytes is Subtree for bytes, which it does not keep.
func (t *Tree[V]) SubtreeBytes(host, method, path []byte) *Route[V] {
	if t == nil {
		return nil
	}
	return t.route(subtree(t.hosts[string(host)], t.anyHost, method, path))
}

// Allowed returns the methods for which path, with or without a slash after it,
// would match, sorted. It leaves out routes for any method: it is for a request
// that none of them matched. GET brings HEAD with it.
func (t *Tree[V]) Allowed(host, path string) []string {
	if t == nil {
		return nil
	}
	paths := [][]byte{appendCanonical(nil, path)}
	if !strings.HasSuffix(path, "/") {
		paths = append(paths, append(slices.Clone(paths[0]), '/'))
	}
	var allowed []string
	for _, m := range []*methods{t.hosts[host], t.anyHost} {
		if m == nil {
			continue
		}
		for _, mr := range m.named {
			for _, p := range paths {
				if start(mr.root, p, &Params{}) != nil {
					allowed = append(allowed, mr.method)
				}
			}
		}
	}
	if slices.Contains(allowed, "GET") {
		allowed = append(allowed, "HEAD")
	}
	slices.Sort(allowed)
	return slices.Compact(allowed)
}

func (t *Tree[V]) route(l *leaf) *Route[V] {
	if l == nil {
		return nil
	}
	return t.routes[l.route]
}

// lookup finds the leaf for a path in canonical form: own are the methods of the
// request's host, common those of any host; either may be nil.
func lookup[M, S Text](own, common *methods, method M, path S, ps *Params) *leaf {
	if uint64(len(path)) <= math.MaxUint32 { // what a span can hold
		if l := lookupMethod(own, method, path, ps); l != nil {
			return l
		}
		if l := lookupMethod(common, method, path, ps); l != nil {
			return l
		}
	}
	ps.n, ps.exact = 0, false
	return nil
}

// lookupEscaped is lookup for a path with escapes.
func lookupEscaped[M, S Text](own, common *methods, method M, path S, ps *Params) *leaf {
	var buf [scratch]byte
	canonical := appendCanonical(buf[:0], path)
	l := lookup(own, common, method, canonical, ps)
	if l != nil {
		relocate(ps, canonical, path)
	}
	return l
}

// subtree finds the leaf that path with a slash after it matches exactly.
func subtree[M, S Text](own, common *methods, method M, path S) *leaf {
	var buf [scratch]byte
	var ps Params
	l := lookup(own, common, method, append(appendCanonical(buf[:0], path), '/'), &ps)
	if !ps.exact {
		return nil
	}
	return l
}

// lookupMethod tries the method's own tree, GET's for HEAD, and that for any
// method. Conflicts having been refused, the first hit is the most specific.
func lookupMethod[M, S Text](m *methods, method M, path S, ps *Params) *leaf {
	if m == nil {
		return nil
	}
	var get *node
	for i := range m.named {
		mr := &m.named[i]
		if mr.method == string(method) {
			if l := start(mr.root, path, ps); l != nil {
				return l
			}
		} else if mr.method == "GET" {
			get = mr.root
		}
	}
	// RFC 9110 9.3.2: HEAD is GET without the content.
	if get != nil && string(method) == "HEAD" {
		if l := start(get, path, ps); l != nil {
			return l
		}
	}
	return start(m.anyMethod, path, ps)
}

// start is find from the root of a tree, which may be nil, with nothing in ps.
func start[S Text](root *node, path S, ps *Params) *leaf {
	ps.n, ps.exact = 0, false
	if root == nil {
		return nil
	}
	return find(root, path, 0, ps)
}

// find returns the leaf below n for path[off:], or nil. It tries text, digits,
// any segment and the rest, in this order, and goes back to the next when what
// follows does not match. It visits a node at most once, so that its cost is
// bounded by the patterns. When it fails, values it pushed may be left in ps.
func find[S Text](n *node, path S, off int, ps *Params) *leaf {
	for {
		if off == len(path) {
			return n.ending(off, ps)
		}
		branches := n.any1 != nil || n.rest != nil || n.digits != nil
		mark := ps.n
		if i := strings.IndexByte(n.first, path[off]); i >= 0 {
			child := n.static[i]
			end := off + len(child.prefix)
			if end <= len(path) && string(path[off:end]) == child.prefix {
				if !branches {
					n, off = child, end
					continue
				}
				if l := find(child, path, end, ps); l != nil {
					return l
				}
				ps.n = mark
			}
		}
		if !branches {
			return nil
		}
		end := segmentEnd(path, off)
		if n.digits != nil && allDigits(path[off:end]) {
			ps.push(off, end)
			if l := find(n.digits, path, end, ps); l != nil {
				return l
			}
			ps.n = mark
		}
		if n.any1 != nil && end > off {
			ps.push(off, end)
			if n.rest == nil {
				n, off = n.any1, end
				continue
			}
			if l := find(n.any1, path, end, ps); l != nil {
				return l
			}
			ps.n = mark
		}
		if n.rest != nil && n.rest.named {
			ps.push(off, len(path))
		}
		return n.rest
	}
}

// ending returns the leaf of n for a path that ends there.
func (n *node) ending(off int, ps *Params) *leaf {
	if n.leaf != nil {
		ps.exact = true
		return n.leaf
	}
	if n.rest != nil {
		ps.exact = true
		if n.rest.named {
			ps.push(off, off)
		}
	}
	return n.rest
}
