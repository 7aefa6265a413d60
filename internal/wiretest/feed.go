package wiretest

import (
	"fmt"
	"iter"
	"testing"
)

// everyCut is the size of an input, in bytes, up to which it is cut at every offset.
const everyCut = 4 << 10

// Feed runs a parser over input and returns its account of what it found, which
// must be the same however the input is cut: whole, byte by byte, in two at every
// offset, and with an empty piece in the middle. It fails the test at the first cut
// that changes the account.
//
// Each piece is memory of its own that ends where the piece does and is
// overwritten when the next is asked for, so that a parser which keeps what it only
// borrowed, or looks past the end, is found out.
func Feed(t testing.TB, input []byte, run func(pieces iter.Seq[[]byte]) string) string {
	t.Helper()
	want := run(Pieces(input, len(input)))
	check := func(how string, pieces iter.Seq[[]byte]) bool {
		t.Helper()
		got := run(pieces)
		if got != want {
			t.Errorf("%s:\n%s\nin one piece:\n%s", how, got, want)
		}
		return got == want
	}
	if !check("byte by byte", Pieces(input, 1)) || !check("in threes", Pieces(input, 3)) {
		return want
	}
	for cut := range cuts(len(input)) {
		if !check(fmt.Sprintf("cut at %d", cut), CutAt(input, cut)) {
			return want
		}
	}
	check("with an empty piece", CutAt(input, len(input)/2, len(input)/2))
	return want
}

// cuts are the offsets at which an input of n bytes is cut: all, or a sample that
// has the first and last 64 and is never more than about everyCut.
func cuts(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		step := 1
		for i := 1; i < n; i += step {
			if !yield(i) {
				return
			}
			step = 1
			if n > everyCut && i >= 64 && i < n-64 {
				step = min(n/everyCut+1, n-64-i)
			}
		}
	}
}

// Pieces cuts b into pieces of size bytes, the last of which may be shorter. Each is
// a copy that is overwritten when the next is asked for. An empty b is one empty
// piece.
func Pieces(b []byte, size int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for first := true; first || len(b) > 0; first = false {
			n := min(max(size, 1), len(b))
			if !lend(b[:n], yield) {
				return
			}
			b = b[n:]
		}
	}
}

// CutAt cuts b at the given offsets, which ascend, into copies that are overwritten
// when the next is asked for.
func CutAt(b []byte, offsets ...int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		start := 0
		for _, end := range offsets {
			if !lend(b[start:end], yield) {
				return
			}
			start = end
		}
		lend(b[start:], yield)
	}
}

// lend yields a copy of b with no room behind it, and spoils it afterwards.
func lend(b []byte, yield func([]byte) bool) bool {
	piece := make([]byte, len(b))
	copy(piece, b)
	more := yield(piece[:len(b):len(b)])
	for i := range piece {
		piece[i] = 0xAA
	}
	return more
}
