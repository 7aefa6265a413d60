package httpd_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// TestDeadlinesAfterBacklog: once a slow client has read its answer, it has as long for the next request as others.
func TestDeadlinesAfterBacklog(t *testing.T) {
	page := pattern(8 << 20)
	for _, driver := range engine.Drivers() {
		for _, next := range []string{"", "GET / HT"} {
			t.Run(fmt.Sprintf("%v/%q", driver, next), func(t *testing.T) {
				needsDriver(t, driver)
				s := stressServe(t, driver, 1, &httpd.Server{
					WriteTimeout: -1, IdleTimeout: 2 * short, ReadHeaderTimeout: 2 * short,
					Handler: httpd.Direct(func(c *httpd.Ctx) { c.Bytes(200, "text/plain", page) }),
				})
				nc, err := stressDial(s.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				io.WriteString(nc, head("GET", "/"))
				time.Sleep(3 * short) // longer than both deadlines, which are not for this
				io.WriteString(nc, next)
				br := bufio.NewReader(nc)
				if _, text, err := stressAnswer(br); len(text) != len(page) || err != nil {
					t.Fatalf("answer: %d bytes, %v", len(text), err)
				}
				nc.SetReadDeadline(time.Now().Add(patience))
				if next != "" {
					if status, _, err := stressAnswer(br); status != http.StatusRequestTimeout || err != nil {
						t.Errorf("to half a head: %d, %v, want 408", status, err)
					}
				}
				if b, err := io.ReadAll(br); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("not closed: %d bytes, %v", len(b), err)
				}
			})
		}
	}
}
