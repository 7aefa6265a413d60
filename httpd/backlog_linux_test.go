package httpd_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// TestBacklogTrickle: a client that reads nothing does not stretch the time for that by what it sends. One that reads,
// if slowly, has time.
func TestBacklogTrickle(t *testing.T) {
	t.Parallel()
	small := func(option int) func(_, _ string, c syscall.RawConn) error {
		return func(_, _ string, c syscall.RawConn) (err error) {
			c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, 4<<10) })
			return err
		}
	}
	page := strings.Repeat("x", 30_000) // more than the buffers take, and too little for the server to stop reading
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			io.WriteString(w, page)
		}
	})
	for _, driver := range engine.Drivers() {
		for _, c := range []struct {
			name, piece string
			reads       int           // bytes, each time
			lives       time.Duration // at least; then it ends, or is left
		}{
			{"head", "X", 0, short},
			{"requests", head("GET", "/"), 0, short},
			{"reader", head("GET", "/page"), 20_000, 10 * short},
		} {
			t.Run(driver.String()+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				needsDriver(t, driver)
				ln, err := (&net.ListenConfig{Control: small(syscall.SO_SNDBUF)}).Listen(context.Background(), "tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				s := stressServeOn(t, ln, driver, 1, &httpd.Server{Handler: h, WriteTimeout: 2 * short, ReadHeaderTimeout: 2 * short})
				nc, err := (&net.Dialer{Control: small(syscall.SO_RCVBUF)}).Dial("tcp", s.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				io.WriteString(nc, head("GET", "/page"))
				began := time.Now()
				end := patience
				if c.reads > 0 {
					end = c.lives
				}
				for err == nil && time.Since(began) < end {
					time.Sleep(short / 10)
					if _, err = io.WriteString(nc, c.piece); err == nil {
						_, err = io.CopyN(io.Discard, nc, int64(c.reads))
					}
				}
				if took := time.Since(began); took < c.lives || (err == nil) != (c.reads > 0) {
					t.Errorf("%v after %v", err, took)
				}
			})
		}
	}
}
