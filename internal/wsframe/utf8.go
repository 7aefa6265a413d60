package wsframe

import "unicode/utf8"

// UTF8 validates a text that comes in pieces, which may end within a character.
// The zero value is at the beginning of a text. Not safe for concurrent use.
type UTF8 struct {
	part [utf8.UTFMax]byte // an unfinished character
	n    uint8
}

// Valid reports whether the text may still be UTF-8 with b added to it. Once it
// has said false the value is of no further use.
func (u *UTF8) Valid(b []byte) bool {
	for u.n > 0 && len(b) > 0 {
		u.part[u.n] = b[0]
		u.n++
		b = b[1:]
		p := u.part[:u.n]
		if !utf8.FullRune(p) {
			continue
		}
		if r, _ := utf8.DecodeRune(p); r == utf8.RuneError && string(p) != "\uFFFD" {
			return false
		}
		u.n = 0
	}
	if utf8.Valid(b) {
		return true
	}
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		tail := b[len(b)-i:]
		if !utf8.RuneStart(tail[0]) {
			continue
		}
		if utf8.FullRune(tail) {
			return false
		}
		u.n = uint8(copy(u.part[:], tail))
		return utf8.Valid(b[:len(b)-i])
	}
	return false
}

// Complete reports whether the text ends at the end of a character.
func (u *UTF8) Complete() bool { return u.n == 0 }
