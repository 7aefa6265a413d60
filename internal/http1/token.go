package http1

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Classes of bytes, for the table below.
const (
	classToken uint8 = 1 << iota // tchar, RFC 9110 5.6.2
	classText                    // SP, VCHAR, obs-text: field-vchar and SP, RFC 9110 5.5
	classHost                    // reg-name without percent-encoding, RFC 3986 3.2.2
	classHex                     // HEXDIG, both cases
	classPath                    // what a target may hold before '?', but for '%'
)

var class = classify()

func classify() (t [256]uint8) {
	for c := range 256 {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			t[c] |= classToken | classHost
		}
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
			t[c] |= classHex
		}
		if c >= 0x20 && c != 0x7f {
			t[c] |= classText
		}
		// Browsers send more than RFC 3986 allows (quotes, braces, UTF-8); what stays
		// out is what would end the target, begin a query or a fragment, or escape.
		if c > 0x20 && c != 0x7f && c != '#' && c != '?' && c != '%' {
			t[c] |= classPath
		}
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= classToken
	}
	for _, c := range "-._~!$&'()*+,;=" {
		t[c] |= classHost
	}
	return t
}

// Eight bytes are looked at together: a mask has the top bit of each byte for
// which the answer is yes. Bytes above the first such byte may be wrong (a
// subtraction borrows upwards), the first is right, and only it is used.
const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// below marks the bytes of x that are less than c, which is at most 0x80.
func below(x uint64, c uint8) uint64 { return (x - ones*uint64(c)) &^ x & tops }

// equal marks the bytes of x that are c.
func equal(x uint64, c uint8) uint64 {
	x ^= ones * uint64(c)
	return (x - ones) &^ x & tops
}

// control marks the bytes of x that are CTL (RFC 5234 B.1): below(x, 0x20) and
// equal(x, 0x7f) in one, which share the last step because the top bit of a byte
// does not change when 0x7f is taken from it.
func control(x uint64) uint64 {
	return ((x - ones*0x20) | ((x ^ ones*0x7f) - ones)) &^ x & tops
}

// first is the index of the first byte that a mask marks.
func first(mask uint64) int { return bits.TrailingZeros64(mask) >> 3 }

// scanToken returns the index of the first byte from i on that is no tchar, or
// len(b).
func scanToken(b []byte, i int) int {
	for i < len(b) && class[b[i]]&classToken != 0 {
		i++
	}
	return i
}

// scanValue returns the index of the first byte from i on that no field value
// holds (a control byte other than HT), or len(b).
func scanValue(b []byte, i int) int {
	for {
		for i+16 <= len(b) {
			words := b[i : i+16]
			m := control(binary.LittleEndian.Uint64(words))
			if m != 0 {
				i += first(m)
				break
			}
			m = control(binary.LittleEndian.Uint64(words[8:]))
			if m != 0 {
				i += 8 + first(m)
				break
			}
			i += 16
		}
		if i+8 <= len(b) {
			m := control(binary.LittleEndian.Uint64(b[i:]))
			if m == 0 {
				i += 8
			} else {
				i += first(m)
			}
		}
		for i < len(b) && class[b[i]]&classText != 0 {
			i++
		}
		if i == len(b) || b[i] != '\t' {
			return i
		}
		i++
	}
}

// scanPath returns the index of the first byte from i on that is not part of a
// path: SP, '?', or one that is not allowed, such as a '%' without two hex
// digits; or len(b).
func scanPath(b []byte, i int) int {
	for {
		for i < len(b) && class[b[i]]&classPath != 0 {
			i++
		}
		if i+2 >= len(b) || b[i] != '%' || class[b[i+1]]&class[b[i+2]]&classHex == 0 {
			return i
		}
		i += 3
	}
}

// scanQuery returns the index of the first byte from i on that is not part of a
// query: SP or one that is not allowed; or len(b).
func scanQuery(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if m := below(x, 0x21) | equal(x, 0x7f) | equal(x, '#'); m != 0 {
			return i + first(m)
		}
	}
	for i < len(b) && b[i] > 0x20 && b[i] != 0x7f && b[i] != '#' {
		i++
	}
	return i
}

// lineEnds reports whether the line that holds b[i] is complete.
func lineEnds(b []byte, i int) bool { return bytes.IndexByte(b[i:], '\n') >= 0 }

// crlfAt reports whether a CRLF is at b[i:].
func crlfAt(b []byte, i int) bool { return i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' }

// lineFault names what is wrong at b[i], where a line parser stopped: a line end
// that is not CRLF, or else the fault given. It is nil while the line is
// incomplete: then the bytes to come decide nothing new, but whether a fault is
// reported must not depend on how many of them happened to arrive.
func lineFault(b []byte, i int, otherwise *Error) *Error {
	switch {
	case i >= len(b) || !lineEnds(b, i):
		return nil
	case b[i] == '\n':
		return ErrBareLF
	case b[i] == '\r' && b[i+1] != '\n':
		return ErrBareCR
	}
	return otherwise
}

// wholeLineFault is lineFault for a fault of the line from b[i] on that no single
// byte shows.
func wholeLineFault(b []byte, i int, otherwise *Error) *Error {
	n := bytes.IndexByte(b[i:], '\n')
	if n < 0 {
		return nil
	}
	line, crlf := bytes.CutSuffix(b[i:i+n], []byte{'\r'})
	switch {
	case bytes.IndexByte(line, '\r') >= 0:
		return ErrBareCR
	case !crlf:
		return ErrBareLF
	}
	return otherwise
}

// equalFold reports whether b is the lower-case s, ASCII case ignored.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	if string(b) == s {
		return true
	}
	for i := range b {
		if lower(b[i]) != s[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// trim takes OWS from both ends of b (RFC 9110 5.6.3).
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// nextElement cuts the first element off a comma-separated list (RFC 9110 5.6.1).
// Elements may be empty; quoted strings are not understood, because none of the
// lists read here holds any.
func nextElement(list []byte) (element, rest []byte, more bool) {
	element, rest, more = bytes.Cut(list, []byte{','})
	return trim(element), rest, more
}

// ValidToken reports whether s is a token (RFC 9110 5.6.2): a method, a field name.
func ValidToken(s string) bool {
	for i := range len(s) {
		if class[s[i]]&classToken == 0 {
			return false
		}
	}
	return s != ""
}

// ValidFieldValue reports whether s can be sent as a field value: no control byte
// but HT (RFC 9110 5.5). Whitespace at its ends is allowed, but the receiver
// strips it.
func ValidFieldValue(s string) bool {
	for i := range len(s) {
		if class[s[i]]&classText == 0 && s[i] != '\t' {
			return false
		}
	}
	return true
}
