package http1

import "strconv"

// The Append functions add to dst and return it, like the built-in append; they
// allocate only when dst has no room. They cannot be made to write a line end that
// was not meant.

// AppendStatusLine appends "HTTP/1.minor status reason" CRLF. An empty reason
// stands for the standard text, if there is one. A status that is not 100 to 999 is
// written as 500.
func AppendStatusLine(dst []byte, minor uint8, status int, reason string) []byte {
	if status < 100 || status > 999 {
		status, reason = 500, ""
	}
	if status == 200 && reason == "" && minor != 0 {
		return append(dst, "HTTP/1.1 200 OK\r\n"...)
	}
	if reason == "" {
		reason = StatusText(status)
	}
	dst = appendVersion(dst, minor)
	dst = append(dst, ' ', byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10), ' ')
	return appendValueLine(dst, reason)
}

// AppendRequestLine appends "method target HTTP/1.1" CRLF. Bytes that no token or
// target holds are written as "%XX", so that the line stays one line of three
// parts; whether they are valid is for the caller to decide before (ValidToken).
func AppendRequestLine(dst []byte, method, target string) []byte {
	dst = appendEscaped(dst, method, classToken)
	dst = append(dst, ' ')
	dst = appendEscaped(dst, target, classPath)
	dst = append(dst, ' ')
	dst = appendVersion(dst, 1)
	return append(dst, '\r', '\n')
}

func appendVersion(dst []byte, minor uint8) []byte {
	if minor == 0 {
		return append(dst, "HTTP/1.0"...)
	}
	return append(dst, "HTTP/1.1"...)
}

// appendEscaped appends s with the bytes that are not of the class as "%XX"; '%'
// and '?' stay what they are.
func appendEscaped(dst []byte, s string, of uint8) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if class[c]&of != 0 || c == '%' || c == '?' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// AppendField appends "name: value" CRLF. Control bytes in the value but HT become
// spaces: a value can never end the line, let alone the header section. A field
// whose name is not a token is not written at all.
func AppendField(dst []byte, name, value string) []byte {
	start := len(dst)
	dst = append(dst, name...)
	if len(dst) == start || scanToken(dst, start) != len(dst) {
		return dst[:start]
	}
	dst = append(dst, ':', ' ')
	return appendValueLine(dst, value)
}

// appendValueLine appends a field value or reason phrase, cleaned, and CRLF.
func appendValueLine(dst []byte, value string) []byte {
	start := len(dst)
	dst = append(dst, value...)
	for i := scanValue(dst, start); i < len(dst); i = scanValue(dst, i) {
		dst[i] = ' '
	}
	return append(dst, '\r', '\n')
}

// AppendContentType appends a Content-Type field.
func AppendContentType(dst []byte, value string) []byte {
	return appendValueLine(append(dst, "Content-Type: "...), value)
}

// AppendLength appends a Content-Length field.
func AppendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '\r', '\n')
}

// AppendChunk appends data as one chunk; nothing if data is empty, because an empty
// chunk would end the body.
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = AppendChunkHead(dst, len(data))
	dst = append(dst, data...)
	return append(dst, '\r', '\n')
}

// AppendChunkHead appends the size line of a chunk of size bytes, which is not 0.
// The caller sends the data and a CRLF after it.
func AppendChunkHead(dst []byte, size int) []byte {
	dst = strconv.AppendUint(dst, uint64(size), 16)
	return append(dst, '\r', '\n')
}

// AppendLastChunk appends the chunk that ends a body. The caller appends trailer
// fields, if any, with AppendField, and a CRLF.
func AppendLastChunk(dst []byte) []byte { return append(dst, '0', '\r', '\n') }
