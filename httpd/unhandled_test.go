package httpd_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// TestUnhandledLogged: each request has a line in the access log, whoever has answered it.
func TestUnhandledLogged(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 5000)
	form := regexp.MustCompile(`^\S+Z (.*) [0-9.]+(ns|µs|ms|s)\n$`)
	for _, driver := range engine.Drivers() {
		t.Run(driver.String(), func(t *testing.T) {
			t.Parallel()
			needsDriver(t, driver)
			log := new(logRecorder)
			s := stressServe(t, driver, 1, &httpd.Server{
				Handler: &httpd.AccessLog{Out: log, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					io.WriteString(w, "hello")
				})},
				MaxHeaderBytes: 4096, MaxBodyBytes: 5, ReadHeaderTimeout: 300 * time.Millisecond, MaxConns: 3,
			})
			tests := []struct{ in, want string }{
				{head("GET", "/"), "127.0.0.1 GET / HTTP/1.1 200"},
				{head("OPTIONS", "*"), "127.0.0.1 OPTIONS * HTTP/1.1 200"},
				{"RUBBISH\r\n\r\n", "127.0.0.1 RUBBISH - - 400"},
				{"\x16\x03\x01\x00\xf0\n", `127.0.0.1 \x16\x03\x01\x00\xf0 - - 400`},
				{"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", `127.0.0.1 GET /a\x20b HTTP/1.1 400`},
				{"\r\nGET /host HTTP/1.1\r\n\r\n", "127.0.0.1 GET /host HTTP/1.1 400"},
				{"HEAD /host HTTP/1.1\r\n\r\n", "127.0.0.1 HEAD /host HTTP/1.1 400"},
				{"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "127.0.0.1 GET / HTTP/3.0 505"},
				{"GET /" + long + " HTTP/1.1\r\n\r\n", "127.0.0.1 GET /" + long[:2047] + "... - 414"},
				{"GET /big HTTP/1.1\r\nX: " + long, "127.0.0.1 GET /big HTTP/1.1 431"},
				{head("POST", "/body", "Content-Length: 6"), "127.0.0.1 POST /body HTTP/1.1 413"},
				{"GET /slow HTTP/1.1\r\nHost:", "127.0.0.1 GET /slow HTTP/1.1 408"},
			}
			var want []string
			for i, tt := range tests {
				nc, err := stressDial(s.addr)
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(nc, tt.in)
				method, _, _ := strings.Cut(strings.TrimPrefix(tt.in, "\r\n"), " ")
				res, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: method})
				if err != nil {
					t.Fatalf("%.40q: %v", tt.in, err)
				}
				body, _ := io.ReadAll(res.Body)
				nc.Close()
				want = append(want, fmt.Sprint(tt.want, " ", len(body)))
				stressWait(5*time.Second, func() bool { return strings.Count(log.String(), "\n") > i })
			}
			var got []string
			for line := range strings.Lines(log.String()) {
				if m := form.FindStringSubmatch(line); m != nil {
					line = m[1]
				}
				got = append(got, line)
			}
			if len(got) != len(want) {
				t.Errorf("%d lines for %d requests", len(got), len(want))
			}
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Errorf("line %d: %.100q, want %.100q", i, got[i], want[i])
				}
			}
		})
	}
}

// TestUnhandledConns: a connection beyond MaxConns has a line as well.
func TestUnhandledConns(t *testing.T) {
	t.Parallel()
	log := new(logRecorder)
	s := stressServe(t, engine.DriverAuto, 1, &httpd.Server{MaxConns: 1, Handler: &httpd.AccessLog{Out: log, Handler: http.NotFoundHandler()}})
	var status int
	for range 2 {
		nc, err := stressDial(s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, head("GET", "/"))
		res, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		status = res.StatusCode
	}
	if status != http.StatusServiceUnavailable {
		t.Errorf("the second connection was answered %d, want 503", status)
	}
	if !stressWait(5*time.Second, func() bool { return strings.Contains(log.String(), " 127.0.0.1 - - - 503 ") }) {
		t.Errorf("no line for it: %q", log.String())
	}
}
