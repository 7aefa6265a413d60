package httpd_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// The budgets of one keep-alive request, in allocations of the whole process, while the client allocates nothing. What
// an ordinary handler costs is its http.Request with context, URL, header map and values, and the response's header
// with what the handler puts there. Twelve fields instead of one take a larger map and room for their values.
const (
	directBudget  = 0
	handlerBudget = 8
	browserBudget = 12
)

// stressBrowser is a request with the twelve fields of a browser.
var stressBrowser = strings.ReplaceAll(`GET /hello?a=b HTTP/1.1
Host: localhost:8080
Connection: keep-alive
Cache-Control: max-age=0
Sec-Ch-Ua: "Chromium";v="140", "Not=A?Brand";v="24"
Sec-Ch-Ua-Mobile: ?0
Sec-Ch-Ua-Platform: "Linux"
Upgrade-Insecure-Requests: 1
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8
Sec-Fetch-Site: none
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-US,en;q=0.9

`, "\n", "\r\n")

// TestStressAllocs holds a keep-alive request to its budget.
func TestStressAllocs(t *testing.T) {
	if raceDetector {
		t.Skip("with -race, sync.Pool forgets on purpose")
	}
	text := httpd.NewStatic(200, "text/plain", []byte("Hello, World!"))
	handlers := []struct {
		name    string
		handler http.Handler
		budget  float64
	}{
		{"direct text", httpd.Direct(func(c *httpd.Ctx) { c.Text(200, "Hello, World!") }), directBudget},
		{"direct static", httpd.Direct(func(c *httpd.Ctx) { c.Static(text) }), directBudget},
		{"handler", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{"text/plain"}
			w.Write([]byte("Hello, World!"))
		}), handlerBudget},
	}
	for _, driver := range engine.Drivers() {
		for _, h := range handlers {
			for _, req := range []struct{ name, wire string }{{"1", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"}, {"12", stressBrowser}} {
				t.Run(driver.String()+"/"+h.name+"/"+req.name+" fields", func(t *testing.T) {
					needsDriver(t, driver)
					s := stressServe(t, driver, 1, &httpd.Server{Handler: h.handler})
					nc, err := stressDial(s.addr)
					if err != nil {
						t.Fatal(err)
					}
					defer nc.Close()
					wire, answer := []byte(req.wire), make([]byte, 4096)
					ask := func() {
						nc.Write(wire)
						if n, err := nc.Read(answer); err != nil || !bytes.HasSuffix(answer[:n], []byte("World!")) {
							t.Fatalf("%q, %v", answer[:n], err)
						}
					}
					got := testing.AllocsPerRun(1000, ask)
					for range 2 { // a busy machine may make a handler look slow, which then runs on goroutines for a while
						got = min(got, testing.AllocsPerRun(1000, ask))
					}
					t.Logf("%v allocations", got)
					budget := h.budget
					if budget > 0 && req.wire == stressBrowser {
						budget = browserBudget
					}
					if got > budget {
						t.Errorf("%v allocations per request, want at most %v", got, budget)
					}
				})
			}
		}
	}
}

// TestStressSlowReaders has clients that ask for much and read nothing. The server holds little of it, others are served
// meanwhile, and when WriteTimeout has passed the handlers hear of it.
func TestStressSlowReaders(t *testing.T) {
	const readers, much = 64, 1 << 30
	for _, driver := range engine.Drivers() {
		t.Run(driver.String(), func(t *testing.T) {
			needsDriver(t, driver)
			var failed, written atomic.Int64
			s := stressServe(t, driver, 0, &httpd.Server{
				WriteTimeout: 2 * time.Second,
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/much" {
						io.WriteString(w, r.URL.Path)
						return
					}
					piece := make([]byte, 64<<10)
					for range much / len(piece) {
						n, err := w.Write(piece)
						written.Add(int64(n))
						if err != nil {
							failed.Add(1)
							return
						}
					}
				}),
			})
			before := takeFootprint()
			for range readers {
				nc, err := stressDial(s.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				nc.(*net.TCPConn).SetReadBuffer(8 << 10)
				fmt.Fprint(nc, "GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")
			}
			p99, _, errs := goodClient(s.addr, time.After(time.Second))
			failFirst(t, "a client beside", errs)
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			held := (int64(m.HeapInuse) - int64(before.heap)) / readers
			t.Logf("%d KiB held for each reader, p99 beside %v", held>>10, p99)
			if held > 512<<10 {
				t.Errorf("%d KiB held for each client that does not read", held>>10)
			}
			if !stressWait(10*time.Second, func() bool { return failed.Load() == readers }) {
				t.Errorf("%d of %d handlers were told that nobody reads; %d MiB written", failed.Load(), readers, written.Load()>>20)
			}
			before.goroutines += readers // connections of ours are open until the test ends
			before.fds += readers
			before.checkBack(t, 16<<20)
		})
	}
}
