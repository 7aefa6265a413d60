package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"testing"

	"github.com/burrownet/burrow/internal/wiretest"
)

// The oracle of these targets is net/http: what we take for a message it must take
// for the same one. That we refuse more is the point of the package.

func addVectors(f *testing.F, pattern string, add func(v wiretest.Vector)) {
	f.Helper()
	for _, v := range wiretest.Vectors(f, pattern) {
		add(v)
	}
	if os.Getenv("WIRETEST_UPDATE") != "" {
		f.Skip("updating vectors")
	}
}

func FuzzRequest(f *testing.F) {
	addVectors(f, "testdata/request/*.txtar", func(v wiretest.Vector) { f.Add(v.Input, 7) })
	f.Add([]byte(browserRequest), 100)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		var r Request
		n, err := r.Parse(b, 0)
		checkSplit(t, b, cut, n, err, new(Request).Parse)
		if n == 0 {
			return
		}
		checkSpans(t, &r.Fields, b[:n])
		std, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(bytes.TrimPrefix(b[:n], []byte("\r\n"))), 1<<17))
		if err != nil {
			t.Fatalf("%q: accepted, but net/http says %v", b[:n], err)
		}
		compareRequest(t, &r, std)
	})
}

// checkSplit parses b again, cut in two.
func checkSplit(t *testing.T, b []byte, cut, n int, err error, parse func([]byte, int) (int, error)) {
	t.Helper()
	if len(b) == 0 {
		return
	}
	cut = int(uint(cut) % uint(len(b)))
	n2, err2 := parse(b[:cut:cut], 0)
	if n2 == 0 && err2 == nil {
		n2, err2 = parse(b, cut)
	}
	if n2 != n || err2 != err {
		t.Fatalf("%q: %d, %v, but cut at %d: %d, %v", b, n, err, cut, n2, err2)
	}
}

// checkSpans checks that the fields are, in order, parts of the head.
func checkSpans(t *testing.T, f *Fields, head []byte) {
	t.Helper()
	at := 0
	for i := range f.Len() {
		ns, ne, vs, ve := f.Span(i)
		if ns < at || ne <= ns || vs <= ne || ve < vs || ve > len(head) {
			t.Fatalf("%q: span %d is %d:%d %d:%d", head, i, ns, ne, vs, ve)
		}
		at = ve
	}
}

func compareRequest(t *testing.T, r *Request, std *http.Request) {
	t.Helper()
	check := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s %v, but net/http says %v", what, got, want)
		}
	}
	check("method", string(r.Method), std.Method)
	check("target", string(r.Target), std.RequestURI)
	check("minor version", int(r.Minor), min(std.ProtoMinor, 1))
	if r.Form != Authority {
		check("raw query", string(r.Query), std.URL.RawQuery)
		check("has query", r.HasQuery, std.URL.ForceQuery || std.URL.RawQuery != "")
	}
	check("host", string(r.Host), std.Host)
	check("chunked", r.Chunked, len(std.TransferEncoding) == 1 && std.TransferEncoding[0] == "chunked")
	check("close", r.Close, std.Close)
	length := max(r.ContentLength, 0)
	if r.Chunked {
		length = -1
	}
	check("length", length, std.ContentLength)
	compareFields(t, &r.Fields, std.Header)
}

// compareFields compares all fields but those that net/http takes out or adds.
func compareFields(t *testing.T, f *Fields, std http.Header) {
	t.Helper()
	got := http.Header{}
	for i := range f.Len() {
		name := textproto.CanonicalMIMEHeaderKey(string(f.Name(i)))
		got[name] = append(got[name], string(f.Value(i)))
	}
	for _, name := range []string{"Host", "Transfer-Encoding", "Trailer", "Content-Length"} {
		delete(got, name)
		delete(std, name)
	}
	if _, ok := got["Pragma"]; ok && got["Cache-Control"] == nil {
		delete(std, "Cache-Control")
	}
	if fmt.Sprint(got) != fmt.Sprint(std) {
		t.Errorf("fields %q, but net/http says %q", got, std)
	}
}

func FuzzResponse(f *testing.F) {
	addVectors(f, "testdata/response/*.txtar", func(v wiretest.Vector) { f.Add(v.Input, 9, v.Params["method"] == "HEAD") })
	f.Fuzz(func(t *testing.T, b []byte, cut int, head bool) {
		var r Response
		n, err := r.Parse(b, 0)
		checkSplit(t, b, cut, n, err, new(Response).Parse)
		if n == 0 {
			return
		}
		checkSpans(t, &r.Fields, b[:n])
		method := "GET"
		if head {
			method = "HEAD"
		}
		br := bufio.NewReaderSize(bytes.NewReader(b), 1<<17)
		std, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q: accepted, but net/http says %v", b[:n], err)
		}
		if r.Status != std.StatusCode || int(r.Minor) != min(std.ProtoMinor, 1) {
			t.Errorf("%q: status %d, net/http says %d", b[:n], r.Status, std.StatusCode)
		}
		compareFields(t, &r.Fields, std.Header)
		d := r.Body(method)
		compareBody(t, &d, b[n:], std.Body, br)
	})
}

func FuzzBody(f *testing.F) {
	addVectors(f, "testdata/body/*.txtar", func(v wiretest.Vector) { f.Add(v.Input, 3) })
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		br := bufio.NewReaderSize(io.MultiReader(strings.NewReader(head), bytes.NewReader(b)), 1<<17)
		std, err := http.ReadRequest(br)
		if err != nil {
			t.Fatal(err)
		}
		// Ahead of the comparison, which reads std.Trailer when the body is read.
		whole, byBytes, cutOnce := ChunkedBody(Limits{}), ChunkedBody(Limits{}), ChunkedBody(Limits{})
		want, wantErr := drain(&whole, wiretest.Pieces(b, len(b)))
		for how, split := range map[string]*Body{"by bytes": &byBytes, "cut": &cutOnce} {
			pieces := wiretest.Pieces(b, 1)
			if split == &cutOnce {
				pieces = wiretest.CutAt(b, int(uint(cut)%uint(len(b)+1)))
			}
			if got, err := drain(split, pieces); !bytes.Equal(got, want) || err != wantErr {
				t.Fatalf("%q: %q, %v, but %s: %q, %v", b, want, wantErr, how, got, err)
			}
		}
		d := ChunkedBody(Limits{})
		content, left, err := read(&d, b)
		if err != io.EOF {
			return
		}
		stdContent, err := io.ReadAll(std.Body)
		if err != nil || !bytes.Equal(content, stdContent) {
			t.Fatalf("%q: content %q, but net/http says %q, %v", b, content, stdContent, err)
		}
		if stdLeft, _ := io.ReadAll(br); !bytes.Equal(left, stdLeft) {
			t.Errorf("%q: left %q, but net/http says %q", b, left, stdLeft)
		}
		compareTrailer(t, &d, std.Trailer)
	})
}

// read reads a body that is all there and returns what is left behind it.
func read(d *Body, b []byte) (content, left []byte, err error) {
	for {
		data, n, err := d.Next(b)
		content = append(content, data...)
		b = b[n:]
		if err != nil {
			return content, b, err
		}
		if n == 0 {
			return content, b, d.Close()
		}
	}
}

// compareBody reads the body of a response both ways.
func compareBody(t *testing.T, d *Body, b []byte, std io.Reader, br *bufio.Reader) {
	t.Helper()
	content, left, err := read(d, b)
	if err != nil && err != io.EOF {
		return
	}
	stdContent, stdErr := io.ReadAll(std)
	if stdErr != nil || !bytes.Equal(content, stdContent) {
		t.Fatalf("%q: content %q, but net/http says %q, %v", b, content, stdContent, stdErr)
	}
	if stdLeft, _ := io.ReadAll(br); !bytes.Equal(left, stdLeft) {
		t.Errorf("%q: left %q, but net/http says %q", b, left, stdLeft)
	}
}

// compareTrailer expects the trailer of net/http, but for the fields we drop.
func compareTrailer(t *testing.T, d *Body, std http.Header) {
	t.Helper()
	for name := range std {
		if forbiddenTrailer([]byte(name)) {
			delete(std, name)
		}
	}
	f := d.Trailer()
	if f == nil {
		f = new(Fields)
	}
	compareFields(t, f, std)
}

// FuzzScan compares the scanners, which look at eight bytes together, with ones that
// look at one.
func FuzzScan(f *testing.F) {
	f.Add([]byte("0123456789abcdef\t0123456789\x7f"), 0)
	f.Add([]byte("/abcdefghijklmnop%41%4?abcdefghijk#"), 1)
	f.Add([]byte("Content-Type-And-More_or1:"), 0)
	f.Add([]byte("\x80\x81\xff\x00\x1f\x20\x21\x00"), 3)
	f.Fuzz(func(t *testing.T, b []byte, i int) {
		i = int(uint(i) % uint(len(b)+1))
		for name, got := range map[string]int{"token": scanToken(b, i), "value": scanValue(b, i), "path": scanPath(b, i), "query": scanQuery(b, i)} {
			if want := slowScan[name](b, i); got != want {
				t.Errorf("%s of %q from %d ends at %d, want %d", name, b, i, got, want)
			}
		}
	})
}

var slowScan = map[string]func(b []byte, i int) int{
	"token": slow(func(b []byte) int {
		return min(strings.IndexByte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", b[0])+1, 1)
	}),
	"value": slow(func(b []byte) int {
		if b[0] == '\t' || b[0] >= ' ' && b[0] != 0x7f {
			return 1
		}
		return 0
	}),
	"path": slow(func(b []byte) int {
		isHex := func(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }
		switch {
		case b[0] == '%' && len(b) > 2 && isHex(b[1]) && isHex(b[2]):
			return 3
		case b[0] <= ' ' || strings.IndexByte("%?#\x7f", b[0]) >= 0:
			return 0
		}
		return 1
	}),
	"query": slow(func(b []byte) int {
		if b[0] <= ' ' || b[0] == '#' || b[0] == 0x7f {
			return 0
		}
		return 1
	}),
}

// slow scans step by step, where step says how many bytes from the start of b
// belong; 0 when none.
func slow(step func(b []byte) int) func(b []byte, i int) int {
	return func(b []byte, i int) int {
		for i < len(b) {
			n := step(b[i:])
			if n == 0 {
				return i
			}
			i += n
		}
		return i
	}
}

func TestScannersAtEveryByteAndAlignment(t *testing.T) {
	t.Parallel()
	fast := map[string]func([]byte, int) int{"token": scanToken, "value": scanValue, "path": scanPath, "query": scanQuery}
	for name, scan := range fast {
		for c := range 256 {
			for at := range 20 {
				b := bytes.Repeat([]byte("a"), 20)
				b[at] = byte(c)
				for i := range 3 {
					if got, want := scan(b, i), slowScan[name](b, i); got != want {
						t.Fatalf("%s of %q from %d ends at %d, want %d", name, b, i, got, want)
					}
				}
			}
		}
	}
}
