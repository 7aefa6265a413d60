package radix

import "path"

// Text is the two forms in which a path arrives.
type Text interface{ ~string | ~[]byte }

// IsClean reports whether CleanPath would return p unchanged: p begins with a
// slash and has no empty segment but the last, no "." and no "..". Escaped dots
// and slashes are ordinary text.
func IsClean[S Text](p S) bool {
	if len(p) == 0 || p[0] != '/' {
		return false
	}
	for i := 0; i < len(p)-1; i++ {
		if p[i] != '/' {
			continue
		}
		switch p[i+1] {
		case '/':
			return false
		case '.':
			if isDots(p, i+1) {
				return false
			}
		}
	}
	return true
}

// isDots reports whether the segment of p at i is "." or "..".
func isDots[S Text](p S, i int) bool {
	n := segmentEnd(p, i) - i
	return n == 1 || n == 2 && p[i+1] == '.'
}

// segmentEnd returns the index of the first slash of p at or after i, or len(p).
func segmentEnd[S Text](p S, i int) int {
	for i < len(p) && p[i] != '/' {
		i++
	}
	return i
}

// CleanPath returns the shortest path equivalent to p: rooted, without "." and
// ".." and repeated slashes (RFC 3986 5.2.4), with the slash at its end kept.
func CleanPath(p string) string {
	if IsClean(p) {
		return p
	}
	clean := path.Clean("/" + p)
	if p != "" && p[len(p)-1] == '/' && clean != "/" {
		clean += "/"
	}
	return clean
}
