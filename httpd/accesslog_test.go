package httpd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// lineWriter keeps every Write apart.
type lineWriter struct {
	mu    sync.Mutex
	lines []string
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, string(b))
	return len(b), nil
}

// loggedLine serves one request and gives the one line written about it.
func loggedLine(t *testing.T, color bool, h http.HandlerFunc, r *http.Request) string {
	t.Helper()
	var out lineWriter
	func() {
		defer func() { _ = recover() }()
		(&AccessLog{Handler: h, Out: &out, Color: color}).ServeHTTP(httptest.NewRecorder(), r)
	}()
	if len(out.lines) != 1 {
		t.Fatalf("got %d writes, want 1: %q", len(out.lines), out.lines)
	}
	return out.lines[0]
}

func TestAccessLogLine(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	tests := []struct {
		name, method, target string
		h                    http.HandlerFunc
		want                 string // after the time and before the duration
	}{
		{"plain", "GET", "/a%20b?x=1", answer(200, "hello"), "192.0.2.1 GET /a%20b?x=1 HTTP/1.1 200 5"},
		{"not found", "POST", "/x", answer(404, "no"), "192.0.2.1 POST /x HTTP/1.1 404 2"},
		{"head", "HEAD", "/", answer(200, "dropped"), "192.0.2.1 HEAD / HTTP/1.1 200 0"},
		{"silent", "GET", "/", func(http.ResponseWriter, *http.Request) {}, "192.0.2.1 GET / HTTP/1.1 200 0"},
		{"write only", "GET", "/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "abc") }, "192.0.2.1 GET / HTTP/1.1 200 3"},
		{"copied", "GET", "/", func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, strings.NewReader("abcd")) }, "192.0.2.1 GET / HTTP/1.1 200 4"},
		{"copied nothing", "GET", "/", func(w http.ResponseWriter, _ *http.Request) {
			io.Copy(w, io.LimitReader(strings.NewReader(""), 1))
			w.WriteHeader(500)
		}, "192.0.2.1 GET / HTTP/1.1 500 0"},
		{"early hints", "GET", "/", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(201)
			w.WriteHeader(500)
		}, "192.0.2.1 GET / HTTP/1.1 201 0"},
		{"panic", "GET", "/", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "192.0.2.1 GET / HTTP/1.1 500 0"},
		{"panic late", "GET", "/", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "ab")
			panic("x")
		}, "192.0.2.1 GET / HTTP/1.1 200 2"},
		{"rewritten", "GET", "/seen", func(_ http.ResponseWriter, r *http.Request) { r.URL.Path, r.Method = "/other", "PUT" }, "192.0.2.1 GET /seen HTTP/1.1 200 0"},
	}
	form := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*) [0-9.]+(ns|µs|ms|s)\n$`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			line := loggedLine(t, false, tt.h, httptest.NewRequestWithContext(t.Context(), tt.method, tt.target, nil))
			if m := form.FindStringSubmatch(line); m == nil || m[1] != tt.want {
				t.Errorf("got %q, want ... %s ...", line, tt.want)
			}
		})
	}
}

// TestAccessLogForgery: whatever a client writes stays within its field.
func TestAccessLogForgery(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.RequestURI = "/\x1b[31m\r\n2026-01-01 \"forged\\\x00\u202eé" + strings.Repeat("x", 10_000)
	r.Method = "G T\n"
	r.Proto = ""
	r.RemoteAddr = "@\n"
	line := loggedLine(t, false, func(http.ResponseWriter, *http.Request) {}, r)
	want := ` @\x0a G\x20T\x0a /\x1b[31m\x0d\x0a2026-01-01\x20"forged\x5c\x00\xe2\x80\xae\xc3\xa9xxx`
	if !strings.Contains(line, want) {
		t.Errorf("got %.200q, want %q within", line, want)
	}
	if len(line) > maxLogField+200 || !strings.Contains(line, "... - 200") {
		t.Errorf("the target is not cut: %d bytes, ends %q", len(line), line[max(0, len(line)-40):])
	}
	if fields := strings.Fields(line); len(fields) != 8 || strings.Count(line, "\n") != 1 {
		t.Errorf("got %d fields and %d lines, want 8 and 1", len(fields), strings.Count(line, "\n"))
	}
}

func TestAccessLogColor(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{200: "32", 304: "36", 404: "33", 503: "31"} {
		h := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		if line := loggedLine(t, true, h, r); !strings.Contains(line, "\x1b["+code+"m") || !strings.Contains(line, "\x1b[0m ") {
			t.Errorf("%d in colour: got %q", status, line)
		}
		if line := loggedLine(t, false, h, r); strings.Contains(line, "\x1b") {
			t.Errorf("%d without colour: got %q", status, line)
		}
	}
}

// TestAccessLogServer checks what a handler can still do, over a real server.
func TestAccessLogServer(t *testing.T) {
	t.Parallel()
	var out lineWriter
	h := http.NewServeMux()
	h.HandleFunc("/flush", func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Errorf("SetWriteDeadline: %v", err)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("Flush: %v", err)
		}
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("the writer is no io.ReaderFrom")
		}
	})
	h.HandleFunc("/hijack", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Errorf("Hijack: %v", err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	})
	srv := httptest.NewServer(&AccessLog{Handler: h, Out: &out})
	for target, want := range map[string]int{"/flush": 200, "/hijack": 204} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", target, resp.StatusCode, want)
		}
	}
	srv.Close() // waits for the handlers, not for hijacked ones
	out.mu.Lock()
	defer out.mu.Unlock()
	if all := strings.Join(out.lines, ""); !strings.Contains(all, "/flush HTTP/1.1 200 0 ") {
		t.Errorf("the log lacks /flush: %q", all)
	}
}

// TestAccessLogHijack: the status of a connection taken over is 101, and an
// error when the writer cannot be taken over reaches the handler.
func TestAccessLogHijack(t *testing.T) {
	t.Parallel()
	w := &countingWriter{ResponseWriter: httptest.NewRecorder()}
	if _, _, err := w.Hijack(); !errors.Is(err, http.ErrNotSupported) || w.status != 0 {
		t.Errorf("got %v and status %d, want ErrNotSupported and 0", err, w.status)
	}
	client, server := net.Pipe()
	defer client.Close()
	w = &countingWriter{ResponseWriter: pipeHijacker{httptest.NewRecorder(), server}}
	conn, _, err := w.Hijack()
	if err != nil || w.status != 101 {
		t.Fatalf("got %v and status %d, want nil and 101", err, w.status)
	}
	conn.Close()
}

type pipeHijacker struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h pipeHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, nil, nil }

func TestAccessLogOneWritePerLine(t *testing.T) {
	t.Parallel()
	var out lineWriter
	l := &AccessLog{Out: &out, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				l.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/some/path", nil))
			}
		})
	}
	wg.Wait()
	if len(out.lines) != 400 {
		t.Errorf("got %d writes, want 400", len(out.lines))
	}
	for _, line := range out.lines {
		if !strings.HasSuffix(line, "s\n") || strings.Count(line, "\n") != 1 || !strings.Contains(line, " GET /some/path HTTP/1.1 204 0 ") {
			t.Fatalf("broken line %q", line)
		}
	}
}

func TestAccessLogNilOut(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	l := &AccessLog{Handler: http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
		if got != http.ResponseWriter(w) {
			t.Errorf("the writer is wrapped (%T) though nothing is logged", got)
		}
	})}
	l.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
}

func TestRoundDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 812: "812ns", 12_345: "12.3µs", 1_234_567: "1.23ms", 98_765_432: "98.8ms", 12_345_678_901: "12.3s",
	} {
		if got := roundDuration(d).String(); got != want {
			t.Errorf("%d ns: got %s, want %s", d, got, want)
		}
	}
}

func BenchmarkAccessLine(b *testing.B) {
	line := accessLine{start: time.Unix(1_700_000_000, 0), peer: "192.0.2.1:4711", method: "GET", target: "/some/path.html?x=1", proto: "HTTP/1.1", status: 200, bytes: 5120, took: 1_370_000}
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = line.append(buffer[:0], false)
	}
	if !bytes.HasSuffix(buffer, []byte("\n")) {
		b.Fatal("no line")
	}
}
