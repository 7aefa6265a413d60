package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/internal/wiretest"
)

// parseAll parses one head from pieces and says what came of it.
func parseAll(pieces iter.Seq[[]byte], parse func(b []byte, seen int) (int, error)) string {
	var b []byte
	for p := range pieces {
		seen := len(b)
		b = slices.Clip(append(b, p...))
		n, err := parse(b, seen)
		if err != nil {
			return err.Error()
		}
		if n > 0 {
			return fmt.Sprint(n)
		}
	}
	return "incomplete"
}

func TestMaxHead(t *testing.T) {
	t.Parallel()
	const start, host, end = "GET /abcdef HTTP/1.1\r\n", "Host: a\r\n", "\r\n"
	whole := start + host + end
	tests := []struct {
		name  string
		limit int
		input string
		want  string
	}{
		{"as big as allowed", len(whole), whole, fmt.Sprint(len(whole))},
		{"and the next message", len(whole), whole + whole, fmt.Sprint(len(whole))},
		{"a byte too big", len(whole) - 1, whole, ErrHeadTooLarge.Error()},
		{"only the request line fits", len(start), whole, ErrHeadTooLarge.Error()},
		{"the request line does not fit", len(start) - 1, whole, ErrTargetTooLong.Error()},
		{"no line end in sight", 10, strings.Repeat("a", 11), ErrTargetTooLong.Error()},
		{"a fault within the limit comes first", len(start) + 8, start + "a b: c\r\n" + end, ErrFieldName.Error()},
		{"a fault beyond the limit is not seen", len(start) + 7, start + "a b: c\r\n" + end, ErrHeadTooLarge.Error()},
		{"below the limit", 100, whole[:len(whole)-1], "incomplete"},
		{"no limit", -1, whole, fmt.Sprint(len(whole))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := wiretest.Feed(t, []byte(tt.input), func(pieces iter.Seq[[]byte]) string {
				r := Request{Limits: Limits{MaxHead: tt.limit}}
				return parseAll(pieces, r.Parse)
			})
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestMaxHeadDefaultIs64KiB(t *testing.T) {
	t.Parallel()
	head := func(size int) []byte {
		const around = "GET / HTTP/1.1\r\nHost: a\r\nA: \r\n\r\n"
		return []byte("GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("x", size-len(around)) + "\r\n\r\n")
	}
	var r Request
	if n, err := r.Parse(head(64<<10), 0); n != 64<<10 || err != nil {
		t.Errorf("64 KiB: got %d, %v", n, err)
	}
	if n, err := r.Parse(head(64<<10+1), 0); n != 0 || err != ErrHeadTooLarge {
		t.Errorf("64 KiB + 1: got %d, %v, want %v", n, err, ErrHeadTooLarge)
	}
	var resp Response
	b := append([]byte("HTTP/1.1 200 OK\r\nA: "), bytes.Repeat([]byte("x"), 64<<10)...)
	if n, err := resp.Parse(b, 0); n != 0 || err != ErrHeadTooLarge {
		t.Errorf("response: got %d, %v, want %v", n, err, ErrHeadTooLarge)
	}
}

func TestMaxFields(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		limit, fields int
		last          string
		want          string
	}{
		{"default reached", 0, 256, "", ""},
		{"default exceeded", 0, 257, "", ErrTooManyFields.Error()},
		{"own reached", 3, 3, "", ""},
		{"own exceeded", 3, 4, "", ErrTooManyFields.Error()},
		{"none", -1, 1000, "", ""},
		{"a fault of a line comes first", 3, 4, "a b\r\n", ErrFieldName.Error()},
	}
	for _, tt := range tests {
		input := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("a:\r\n", tt.fields-1) + tt.last + "\r\n"
		if tt.want == "" {
			tt.want = fmt.Sprint(len(input))
		}
		for _, size := range []int{1, 5, len(input)} {
			r := Request{Limits: Limits{MaxFields: tt.limit}}
			if got := parseAll(wiretest.Pieces([]byte(input), size), r.Parse); got != tt.want {
				t.Errorf("%s, pieces of %d: got %s, want %s", tt.name, size, got, tt.want)
			}
		}
	}
}

// TestSlowSendersCostLinearWork sends a head of a megabyte one byte at a time. If
// the work were quadratic it would be 5e11 bytes, which takes tens of seconds even
// where a machine compares 32 bytes at once.
func TestSlowSendersCostLinearWork(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	start := "GET / HTTP/1.1\r\nHost: a\r\n"
	heads := map[string]string{
		"one long line":      start + "A: " + strings.Repeat("x", size) + "\r\n\r\n",
		"lines of 64 bytes":  start + strings.Repeat("A: "+strings.Repeat("x", 59)+"\r\n", size/64) + "\r\n",
		"shortest lines":     start + strings.Repeat("A:\r\n", size/4) + "\r\n",
		"long target":        "GET /" + strings.Repeat("x", size) + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"a fault at the end": start + "A: " + strings.Repeat("x", size) + "\x00\r\n\r\n",
		"nothing but a path": "GET /" + strings.Repeat("x", size),
	}
	for name, head := range heads {
		t.Run(name, func(t *testing.T) {
			b := []byte(head)
			r := Request{Limits: Limits{MaxHead: -1, MaxFields: -1}}
			began := time.Now()
			for i := range b {
				n, err := r.Parse(b[:i+1], i)
				if i+1 < len(b) && n != 0 || i+1 == len(b) && n != len(b) && err == nil && name != "nothing but a path" {
					t.Fatalf("after %d of %d bytes: %d, %v", i+1, len(b), n, err)
				}
				if err != nil {
					break
				}
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestSlowTrailersCostLinearWork(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	for _, line := range []string{"A:\r\n", "A: " + strings.Repeat("x", size-5) + "\r\n"} {
		b := []byte("0\r\n" + strings.Repeat(line, size/len(line)) + "\r\n")
		d := ChunkedBody(Limits{MaxHead: -1, MaxFields: -1})
		began := time.Now()
		var err error
		for i := range b {
			if _, _, err = d.Next(b[i : i+1]); err != nil {
				break
			}
		}
		if took := time.Since(began); err != io.EOF || took > 5*time.Second {
			t.Errorf("lines of %d bytes: %v after %v", len(line), err, took)
		}
	}
}

func TestChunkExtensionsAreBounded(t *testing.T) {
	t.Parallel()
	chunks := func(n int, ext string, data int) string {
		chunk := fmt.Sprintf("%x%s\r\n%s\r\n", data, ext, strings.Repeat("x", data))
		return strings.Repeat(chunk, n) + "0\r\n\r\n"
	}
	tests := []struct {
		name  string
		input string
		want  error
	}{
		{"longest line", chunks(1, ";"+strings.Repeat("x", maxChunkLine-2), 1), io.EOF},
		{"line too long", chunks(1, ";"+strings.Repeat("x", maxChunkLine-1), 1), ErrChunkExtension},
		{"long extensions of small chunks", chunks(5, ";"+strings.Repeat("x", 4000-2), 1), ErrChunkExtension},
		{"short extensions of small chunks for ever", chunks(2000, ";"+strings.Repeat("x", 16), 1), ErrChunkExtension},
		{"signatures of big chunks", chunks(1000, ";chunk-signature="+strings.Repeat("x", 64), 1024), io.EOF},
		{"smallest chunks for ever", chunks(100000, "", 1), io.EOF},
		{"a big chunk does not pay ahead", chunks(1, "", 1<<20) + "", io.EOF},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 1000, len(tt.input)} {
			d := ChunkedBody(Limits{})
			if _, err := drain(&d, wiretest.Pieces([]byte(tt.input), size)); err != tt.want {
				t.Errorf("%s, pieces of %d: got %v, want %v", tt.name, size, err, tt.want)
			}
		}
	}
}

// drain reads a body from pieces to its end; io.ErrUnexpectedEOF if there is none.
func drain(d *Body, pieces iter.Seq[[]byte]) (content []byte, err error) {
	for p := range pieces {
		for {
			data, n, err := d.Next(p)
			content = append(content, data...)
			if err != nil {
				return content, err
			}
			if n == 0 {
				break
			}
			p = p[n:]
		}
	}
	return content, io.ErrUnexpectedEOF
}

func TestBodyIsBorrowedAndStaysDone(t *testing.T) {
	t.Parallel()
	var none Body
	if _, n, err := none.Next([]byte("x")); n != 0 || err != io.EOF || !none.Done() || none.Close() != nil || none.Trailer() != nil {
		t.Errorf("zero Body: %d, %v, done %v", n, err, none.Done())
	}
	for _, n := range []int64{0, -1} {
		if d := LengthBody(n); !d.Done() {
			t.Errorf("LengthBody(%d) is not done", n)
		}
	}
	b := []byte("abcdef")
	d := LengthBody(3)
	data, n, err := d.Next(b)
	if string(data) != "abc" || n != 3 || err != nil || &data[0] != &b[0] || cap(data) != 3 || !d.Done() {
		t.Errorf("Next: %q of cap %d, %d, %v, done %v", data, cap(data), n, err, d.Done())
	}
	if _, n, err := d.Next(b[3:]); n != 0 || err != io.EOF {
		t.Errorf("Next after the end: %d, %v", n, err)
	}
	d = UntilCloseBody()
	if data, n, err := d.Next(b); string(data) != "abcdef" || n != 6 || err != nil || d.Done() {
		t.Errorf("until close: %q, %d, %v, done %v", data, n, err, d.Done())
	}
	if err := d.Close(); err != nil || !d.Done() {
		t.Errorf("until close, closed: %v, done %v", err, d.Done())
	}
	d = ChunkedBody(Limits{})
	if _, _, err := d.Next([]byte("x")); err != ErrChunkSize {
		t.Errorf("bad chunk: %v", err)
	}
	if _, n, err := d.Next([]byte("0\r\n\r\n")); err != ErrChunkSize || n != 0 || d.Done() || !errors.Is(d.Close(), io.ErrUnexpectedEOF) {
		t.Errorf("after a bad chunk: %d, %v, done %v", n, err, d.Done())
	}
}

func TestTrailersOutliveTheBytes(t *testing.T) {
	t.Parallel()
	b := []byte("0\r\nDigest: abc\r\nX: y\r\n\r\n")
	d := ChunkedBody(Limits{})
	if _, n, err := d.Next(b); n != len(b) || err != io.EOF {
		t.Fatalf("%d, %v", n, err)
	}
	clear(b)
	f := d.Trailer()
	if f.Len() != 2 || string(f.Get("digest")) != "abc" || string(f.Name(1)) != "X" || string(f.Get("x")) != "y" {
		t.Errorf("trailer of %d lines: %q, %q", f.Len(), f.Get("digest"), f.Get("x"))
	}
}
