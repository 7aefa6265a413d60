package httpd_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// TestMaxHeaderBytesBeyondUnread: a limit above what an engine keeps by default is either kept or answered.
func TestMaxHeaderBytesBeyondUnread(t *testing.T) {
	t.Parallel()
	engines := map[string]*engine.Engine{"own": nil}
	for _, d := range engine.Drivers() {
		if d.Available() == nil {
			engines[d.String()] = &engine.Engine{Driver: d}
			if d != engine.DriverGoroutine || !raceDetector { // it reads 4 KiB at a time: too slow with -race
				engines[d.String()+", more"] = &engine.Engine{Driver: d, MaxUnread: 9 << 20}
			}
			engines[d.String()+", little"] = &engine.Engine{Driver: d, MaxUnread: 20 << 10}
		}
	}
	for name, e := range engines {
		t.Run(name, func(t *testing.T) {
			rec := new(logRecorder)
			srv := &httpd.Server{
				Engine: e, MaxHeaderBytes: 8 << 20, Logger: slog.New(slog.NewTextHandler(rec, nil)),
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }),
			}
			s := launch(t, rec, func(ctx context.Context, ln net.Listener) error { return srv.Serve(ctx, ln) })
			for _, size := range []int{4<<20 + 200<<10, 100} {
				want := http.StatusOK
				if e != nil && e.MaxUnread < size && size > 4<<20 {
					want = http.StatusRequestHeaderFieldsTooLarge
				}
				nc, err := stressDial(s.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				go io.WriteString(nc, head("GET", "/", "X: "+strings.Repeat("a", size)))
				res, err := http.ReadResponse(bufio.NewReader(nc), nil)
				if err != nil || res.StatusCode != want {
					t.Errorf("%d bytes: %v, %v; want %d", size, res, err, want)
				}
			}
		})
	}
}
