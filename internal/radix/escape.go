package radix

import (
	"bytes"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// Unescape decodes the percent escapes of s (RFC 3986 2.1). Text in which an
// escape is malformed is returned as it is.
func Unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 || !validEscapes(s) {
		return s
	}
	return string(appendUnescaped(nil, s))
}

// UnescapeBytes is Unescape for bytes. Without escapes it returns s itself.
func UnescapeBytes(s []byte) []byte {
	if bytes.IndexByte(s, '%') < 0 || !validEscapes(s) {
		return s
	}
	return appendUnescaped(nil, s)
}

// ValidEscapes reports whether every percent sign of s begins an escape.
func ValidEscapes(s []byte) bool {
	return bytes.IndexByte(s, '%') < 0 || validEscapes(s)
}

func validEscapes[S Text](s S) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i+2 >= len(s) || hex(s[i+1]) < 0 || hex(s[i+2]) < 0 {
			return false
		}
		i += 2
	}
	return true
}

// appendUnescaped decodes s, whose escapes are valid.
func appendUnescaped[S Text](dst []byte, s S) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			c = byte(hex(s[i+1])<<4 | hex(s[i+2]))
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

// appendCanonical appends path in the form in which the tree holds literals:
// each segment decoded, then its slashes and percent signs escaped again. It has
// as many slashes as path. A segment with a malformed escape stands for itself.
func appendCanonical[S Text](dst []byte, path S) []byte {
	for i := 0; i <= len(path); {
		end := segmentEnd(path, i)
		seg := path[i:end]
		valid := validEscapes(seg)
		for j := 0; j < len(seg); j++ {
			c := seg[j]
			if c == '%' && valid {
				c = byte(hex(seg[j+1])<<4 | hex(seg[j+2]))
				j += 2
			}
			dst = appendLiteral(dst, c)
		}
		if end < len(path) {
			dst = append(dst, '/')
		}
		i = end + 1
	}
	return dst
}

// appendLiteral appends one decoded byte of a segment in canonical form.
func appendLiteral(dst []byte, c byte) []byte {
	if c == '/' || c == '%' {
		return append(dst, '%', upperHex[c>>4], upperHex[c&15])
	}
	return append(dst, c)
}

// appendQueryEscaped appends s as a value of a query: all but RFC 3986 2.3's
// unreserved characters are escaped, so that no value can add another.
func appendQueryEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if isAlphanumeric(c) || strings.IndexByte("-._~", c) >= 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// hex returns the value of the hexadecimal digit c, or -1.
func hex(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
