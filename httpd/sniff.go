package httpd

import "net/http"

// contentType is http.DetectContentType, which compares with each of some fifty
// signatures before it takes content for text. Most content can be told sooner:
// when its first byte begins no signature, it is text or it is not.
func contentType(content []byte) string {
	b := content[:min(len(content), sniffLen)]
	if len(b) == 0 || !beginsText[b[0]] || len(b) >= 36 && string(b[34:36]) == "LP" {
		return http.DetectContentType(content) // "LP": an Embedded OpenType font may begin with anything
	}
	for _, c := range b {
		if binary[c] {
			return "application/octet-stream"
		}
	}
	return "text/plain; charset=utf-8"
}

// sniffLen is what http.DetectContentType looks at, in bytes.
const sniffLen = 512

// binary holds the binary data bytes (WHATWG MIME Sniffing, 3), beginsText the
// bytes that begin no signature there, nor white space before one.
var binary, beginsText = func() (binary, begins [256]bool) {
	for c := range 0x20 {
		binary[c] = c <= 0x08 || c == 0x0b || c >= 0x0e && c != 0x1b
	}
	for c := 0x21; c < 0x7f; c++ {
		begins[c] = true
	}
	for _, c := range []byte("<%BGRFIOMtwP") {
		begins[c] = false
	}
	return binary, begins
}()
