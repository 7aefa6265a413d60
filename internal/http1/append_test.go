package http1

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestAppend(t *testing.T) {
	t.Parallel()
	pre := []byte("before|")
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"status line", AppendStatusLine(pre, 1, 200, ""), "HTTP/1.1 200 OK\r\n"},
		{"status line of 1.0", AppendStatusLine(pre, 0, 404, "Nowhere"), "HTTP/1.0 404 Nowhere\r\n"},
		{"status without text", AppendStatusLine(pre, 1, 299, ""), "HTTP/1.1 299 \r\n"},
		{"status out of range", AppendStatusLine(pre, 1, 99, "x"), "HTTP/1.1 500 Internal Server Error\r\n"},
		{"reason with a line end", AppendStatusLine(pre, 1, 200, "a\r\nb\x00"), "HTTP/1.1 200 a  b \r\n"},
		{"request line", AppendRequestLine(pre, "GET", "/a?b=%20c"), "GET /a?b=%20c HTTP/1.1\r\n"},
		{"request line with bad bytes", AppendRequestLine(pre, "G\r\nT", "/a b\r\n#\x7f"), "G%0D%0AT /a%20b%0D%0A%23%7F HTTP/1.1\r\n"},
		{"field", AppendField(pre, "A", "b c\td"), "A: b c\td\r\n"},
		{"empty field", AppendField(pre, "A", ""), "A: \r\n"},
		{"field with line ends", AppendField(pre, "A", "b\r\nC: d\x00\x7f\n\r"), "A: b  C: d    \r\n"},
		{"long field with a line end", AppendField(pre, "A", "0123456789\r\n0123456789"), "A: 0123456789  0123456789\r\n"},
		{"field without name", AppendField(pre, "", "b"), ""},
		{"field with a bad name", AppendField(pre, "A\r\nB", "b"), ""},
		{"field with a colon in its name", AppendField(pre, "A:B", "b"), ""},
		{"length", AppendLength(pre, 1234), "Content-Length: 1234\r\n"},
		{"chunk", AppendChunk(pre, []byte(strings.Repeat("x", 17))), "11\r\nxxxxxxxxxxxxxxxxx\r\n"},
		{"empty chunk", AppendChunk(pre, nil), ""},
		{"chunk head", AppendChunkHead(pre, 0xabc), "abc\r\n"},
		{"last chunk", AppendLastChunk(pre), "0\r\n"},
	}
	for _, tt := range tests {
		if got, ok := strings.CutPrefix(string(tt.got), string(pre)); !ok || got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

// FuzzAppend writes a response out of anything and expects to read just that.
func FuzzAppend(f *testing.F) {
	f.Add(200, "OK", "Content-Type", "text/plain", []byte("hello"))
	f.Add(404, "a\r\nSet-Cookie: x", "A", "b\r\n\r\n0\r\n", []byte("\r\n0\r\n\r\n"))
	f.Add(-1, "", "A\r\nB", "\x00\x7f\x80\t", []byte{})
	f.Add(204, " x ", "Transfer-Encoding", "chunked", []byte("x"))
	f.Fuzz(func(t *testing.T, status int, reason, name, value string, data []byte) {
		b := AppendStatusLine(nil, 1, status, reason)
		b = AppendField(b, "First", "1")
		if knownField([]byte(strings.ToLower(name))) == unknown {
			b = AppendField(b, name, value)
		}
		b = AppendField(b, "Transfer-Encoding", "chunked")
		b = append(b, '\r', '\n')
		head := len(b)
		b = AppendLastChunk(AppendChunk(b, data))
		b = append(AppendField(b, "X-Last", value), '\r', '\n')

		var r Response
		n, err := r.Parse(b, 0)
		if err != nil || n != head {
			t.Fatalf("%q: parsed %d, %v, want %d", b, n, err, head)
		}
		want := 2
		if ValidToken(name) && knownField([]byte(strings.ToLower(name))) == unknown {
			want = 3
			if got, cleaned := r.Value(1), trim([]byte(clean(value))); !bytes.Equal(got, cleaned) || string(r.Name(1)) != name {
				t.Errorf("%q: field %s: %q, want %s: %q", b, r.Name(1), got, name, cleaned)
			}
		}
		if r.Len() != want {
			t.Errorf("%q: %d fields, want %d", b, r.Len(), want)
		}
		d := ChunkedBody(Limits{MaxHead: -1})
		content, err := drain(&d, func(yield func([]byte) bool) { yield(b[n:]) })
		if err != io.EOF || !bytes.Equal(content, data) {
			t.Errorf("%q: content %q, %v", b, content, err)
		}
		if got := d.Trailer().Get("x-last"); string(got) != string(trim([]byte(clean(value)))) {
			t.Errorf("%q: trailer %q", b, got)
		}
	})
}

// clean is the obvious way to make a value harmless.
func clean(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < 0x20 && c != '\t' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}

// FuzzAppendRequestLine writes a request line out of anything that is not empty:
// it stays one line of three parts.
func FuzzAppendRequestLine(f *testing.F) {
	f.Add("GET", "/a b?c=d")
	f.Add("A B\r\n", "/\r\nHost: x")
	f.Fuzz(func(t *testing.T, method, target string) {
		b := AppendRequestLine(nil, method, target)
		if bytes.Count(b, []byte(" ")) != 2 || bytes.IndexByte(b, '\n') != len(b)-1 || bytes.IndexByte(b, '\r') != len(b)-2 {
			t.Errorf("%q", b)
		}
	})
}
