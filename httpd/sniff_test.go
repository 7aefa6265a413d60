package httpd

import (
	"bytes"
	"net/http"
	"testing"
)

var sniffed = []string{
	"", "Hello, World!", `{"a": 1}`, "[1]", "<html>", "<!DOCTYPE HTML>", " <p>", "%PDF-1.7", "GIF89a", "\x89PNG\r\n\x1a\n",
	"BM", "RIFF0000WEBPVP", "RIFF0000WAVE", "FORM0000AIFF", "ID3", "OggS\x00", "MThd\x00\x00\x00\x06", "OTTO", "ttcf", "wOFF", "wOF2",
	"PK\x03\x04", "Rar!\x1a\x07\x00", "\x1f\x8b\x08", "\x00\x00\x00\x18ftypmp42", "\xef\xbb\xbfx", "\xff\xfe00", "\xfe\xff00", "\xff\xd8\xff",
	"a\x00b", "text with \x1b[0m", "caf\xc3\xa9", "\x7f", "0123456789012345678901234567890123LP", "a\x0bb",
	"\x00asm", "true", "\x00\x01\x00\x00", "\x1a\x45\xdf\xa3", "%!PS-Adobe-",
}

func TestContentType(t *testing.T) {
	t.Parallel()
	check := func(b []byte) {
		if got, want := contentType(b), http.DetectContentType(b); got != want {
			t.Errorf("%q: %s, want %s", b, got, want)
		}
	}
	for _, s := range sniffed {
		check([]byte(s))
		check(append(bytes.Repeat([]byte("x"), sniffLen-1), s...))
	}
	for c := range 256 { // each byte where it decides
		check([]byte{byte(c)})
		check([]byte{'x', byte(c)})
		for _, s := range sniffed {
			if s != "" {
				check(append([]byte{byte(c)}, s[1:]...))
			}
		}
	}
}

func FuzzContentType(f *testing.F) {
	for _, s := range sniffed {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := contentType(b), http.DetectContentType(b); got != want {
			t.Errorf("%q: %s, want %s", b, got, want)
		}
	})
}
