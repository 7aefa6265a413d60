package httpd_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// TestPipelineUnread asks for more answers than may be unsent, reads late, and gets every byte.
func TestPipelineUnread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ requests, size, budget int }{
		{2500, 4000, 0},        // small answers to all that one read brings
		{40, 200_000, 0},       // each sent by itself
		{2, 5 << 20, 0},        // each larger than Engine.MaxBacklog
		{1, 9 << 20, 0},        // the same, alone
		{2500, 4000, 48 << 10}, // less may be unsent than a pipeline would have
	} {
		page := pattern(c.size)
		for kind, h := range map[string]http.Handler{
			"handler": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(page) }),
			"direct":  httpd.Direct(func(x *httpd.Ctx) { x.Bytes(200, "text/plain", page) }),
		} {
			for _, driver := range engine.Drivers() {
				for _, secure := range []*tls.Config{nil, serverTLS()} {
					if secure != nil && c.requests*c.size > 16<<20 {
						continue // the same, only slower
					}
					t.Run(fmt.Sprintf("%dx%d/%d/%s/%v/tls=%v", c.requests, c.size, c.budget, kind, driver, secure != nil), func(t *testing.T) {
						t.Parallel()
						needsDriver(t, driver)
						s := stressServe(t, driver, 1, &httpd.Server{
							TLS: secure, Handler: h, Engine: &engine.Engine{MaxBacklog: c.budget},
						})
						nc, err := stressDial(s.addr)
						if err != nil {
							t.Fatal(err)
						}
						defer nc.Close()
						if secure != nil {
							nc = tls.Client(nc, clientTLS())
						}
						readLate(t, nc, c.requests, page)
					})
				}
			}
		}
	}
}

// readLate sends requests and reads nothing until all have been sent, or cannot be.
func readLate(t *testing.T, nc net.Conn, requests int, page []byte) {
	t.Helper()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.WriteString(nc, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", requests-1)+
			"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	}()
	select {
	case <-sent:
	case <-time.After(100 * time.Millisecond):
	}
	br := bufio.NewReader(nc)
	for i := range requests {
		status, text, err := stressAnswer(br)
		if err != nil || status != 200 || !bytes.Equal([]byte(text), page) {
			t.Fatalf("answer %d of %d: %d, %d of %d bytes, %v", i, requests, status, len(text), len(page), err)
		}
	}
	if b, err := io.ReadAll(br); len(b) > 0 || err != nil {
		t.Errorf("after the last answer: %q, %v", b, err)
	}
	<-sent
}

// TestStressPipelineUnread has clients that send requests without end and read nothing. The server answers only as many
// as it can hold.
func TestStressPipelineUnread(t *testing.T) {
	const clients = 32
	page := string(pattern(4000))
	answer := func(path string, _ io.Reader) (int, string) {
		if path == "/page" {
			return 200, page
		}
		return 200, path
	}
	for _, kind := range stressKinds {
		for _, driver := range engine.Drivers() {
			t.Run(kind+"/"+driver.String(), func(t *testing.T) {
				needsDriver(t, driver)
				s := stressServe(t, driver, 0, &httpd.Server{Handler: stressKind(kind, answer)})
				before := takeFootprint()
				requests := []byte(strings.Repeat("GET /page HTTP/1.1\r\nHost: a\r\n\r\n", 1000))
				for range clients {
					nc, err := stressDial(s.addr)
					if err != nil {
						t.Fatal(err)
					}
					defer nc.Close()
					nc.(*net.TCPConn).SetReadBuffer(8 << 10)
					nc.SetWriteDeadline(time.Now().Add(time.Second))
					go func() {
						for range 100 {
							if _, err := nc.Write(requests); err != nil {
								return
							}
						}
					}()
				}
				p99, _, errs := goodClient(s.addr, time.After(200*time.Millisecond))
				failFirst(t, "a client beside", errs)
				held := (int64(takeFootprint().heap) - int64(before.heap)) / clients
				t.Logf("%d KiB held for each client, p99 beside %v", held>>10, p99)
				if held > 512<<10 {
					t.Errorf("%d KiB held for each client that does not read", held>>10)
				}
			})
		}
	}
}

// TestPipelineLate has an answer that is late behind direct ones, which are gathered with it.
func TestPipelineLate(t *testing.T) {
	t.Parallel()
	late := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(-time.Second))
		io.WriteString(w, "late")
	})
	for _, driver := range engine.Drivers() {
		needsDriver(t, driver)
		s := stressServe(t, driver, 1, &httpd.Server{Handler: httpd.Direct(func(c *httpd.Ctx) {
			if string(c.Path()) == "/late" {
				c.ServeHTTP(late)
				return
			}
			c.Text(200, string(c.Path()))
		})})
		nc, err := stressDial(s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, head("GET", "/1")+head("GET", "/2")+head("GET", "/late")+head("GET", "/3"))
		br := bufio.NewReader(nc)
		for _, want := range []string{"/1", "/2"} {
			if _, got, err := stressAnswer(br); got != want || err != nil {
				t.Errorf("%v: %q, %v, want %q", driver, got, err, want)
			}
		}
		if b, err := io.ReadAll(br); len(b) > 0 {
			t.Errorf("%v: %q, %v after the late answer", driver, b, err)
		}
	}
}
