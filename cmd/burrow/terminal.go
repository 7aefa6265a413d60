package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
)

// terminal is where a verb writes: data to out, talk to err.
type terminal struct {
	out, err io.Writer
	color    bool // err shows colours
}

func newTerminal(out, err *os.File) *terminal {
	return &terminal{out: out, err: err, color: showsColor(err)}
}

// showsColor says whether f is a terminal whose user wants colours. A character
// device is taken for a terminal.
func showsColor(f *os.File) bool {
	// https://no-color.org: any value but the empty one turns colours off.
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// style wraps text in the SGR code (ECMA-48 8.3.117) where colours are shown.
func (t *terminal) style(code, text string) string {
	if !t.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// harmless has control characters other than LF and tab written as Go does: what
// strangers say, also in errors, must not move the cursor or change colours.
func harmless(s string) string {
	bad := func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
	}
	s = strings.ToValidUTF8(s, "\uFFFD") // a byte alone may be a control character, too
	if !strings.ContainsFunc(s, bad) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if bad(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
