package httpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
	"github.com/burrownet/burrow/internal/leak"
)

// raceDetector is true in a binary built with -race, where things take longer and sync.Pool forgets on purpose.
var raceDetector bool

// stressFull asks for the numbers that the project promises; without it the same tests run at a size for every day:
//
//	BURROW_STRESS=full go test -run Stress -v ./httpd ./engine
var stressFull = os.Getenv("BURROW_STRESS") == "full"

// stressSize is how large a stress test is.
func stressSize(everyDay, full int) int {
	if stressFull {
		return full
	}
	return everyDay
}

// stressServe runs srv on a driver until the test ends, with loops event loops (0: one per processor). Its Engine may have
// settings besides.
func stressServe(t testing.TB, driver engine.Driver, loops int, srv *httpd.Server) *site {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return stressServeOn(t, ln, driver, loops, srv)
}

func stressServeOn(t testing.TB, ln net.Listener, driver engine.Driver, loops int, srv *httpd.Server) *site {
	t.Helper()
	rec := new(logRecorder)
	srv.Logger = slog.New(slog.NewTextHandler(rec, nil))
	if srv.Engine == nil {
		srv.Engine = new(engine.Engine)
	}
	srv.Engine.Driver, srv.Engine.Loops, srv.Engine.Logger = driver, loops, srv.Logger
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{addr: ln.Addr().String(), log: rec, drain: cancel, ended: make(chan struct{})}
	go func() {
		s.err = srv.Serve(ctx, ln)
		close(s.ended)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-s.ended:
			if s.err != nil {
				t.Errorf("Serve = %v, want nil", s.err)
			}
		case <-time.After(20 * time.Second):
			t.Error("Serve did not return")
		}
	})
	return s
}

// stressKinds are an ordinary handler and a direct one.
var stressKinds = []string{"handler", "direct"}

// stressKind makes a handler of a kind out of a function that answers a path and a body with a status and a text.
func stressKind(kind string, f func(path string, body io.Reader) (int, string)) http.Handler {
	if kind == "direct" {
		return httpd.Direct(func(c *httpd.Ctx) {
			path := string(c.Path())
			status, text := f(path, c.Body())
			c.Text(status, text)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, text := f(r.URL.Path, r.Body)
		w.WriteHeader(status)
		io.WriteString(w, text)
	})
}

// stressAsk sends a GET on a connection and reads the answer.
func stressAsk(nc net.Conn, br *bufio.Reader, path string) (string, error) {
	if _, err := io.WriteString(nc, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return "", err
	}
	_, text, err := stressAnswer(br)
	return text, err
}

// stressAnswer reads the next final answer.
func stressAnswer(br *bufio.Reader) (status int, text string, err error) {
	for {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			return 0, "", err
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			return res.StatusCode, string(b), err
		}
		if res.StatusCode >= 200 {
			return res.StatusCode, string(b), nil
		}
	}
}

// stressDial connects; the connection has a deadline of half a minute.
func stressDial(addr string) (net.Conn, error) {
	nc, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err == nil {
		nc.SetDeadline(time.Now().Add(30 * time.Second))
	}
	return nc, err
}

// stressWait polls until ok says so; it reports false after limit.
func stressWait(limit time.Duration, ok func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// footprint is what a process holds.
type footprint struct {
	fds, goroutines int
	heap            uint64 // in use, bytes
}

func takeFootprint() footprint {
	runtime.GC()
	runtime.GC() // the second one empties the victim caches of sync.Pool
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{leak.FDs(), runtime.NumGoroutine(), m.HeapInuse}
}

// checkBack fails the test unless the process comes back to what it held, within slack bytes of heap.
func (before footprint) checkBack(t testing.TB, slack uint64) {
	t.Helper()
	var now footprint
	ok := stressWait(10*time.Second, func() bool {
		now = footprint{fds: leak.FDs(), goroutines: runtime.NumGoroutine()}
		return now.fds <= before.fds && now.goroutines <= before.goroutines+2 // a monitor and a loop that is moving
	})
	if !ok {
		stacks := make([]byte, 64<<10)
		stacks = stacks[:runtime.Stack(stacks, true)]
		t.Errorf("descriptors %d -> %d, goroutines %d -> %d\n%s", before.fds, now.fds, before.goroutines, now.goroutines, stacks)
	}
	stressWait(5*time.Second, func() bool {
		now = takeFootprint()
		return now.heap <= before.heap+slack
	})
	t.Logf("heap %d KiB -> %d KiB, descriptors %d -> %d, goroutines %d -> %d",
		before.heap>>10, now.heap>>10, before.fds, now.fds, before.goroutines, now.goroutines)
	if now.heap > before.heap+slack {
		t.Errorf("heap in use: %d KiB -> %d KiB, want at most %d KiB more", before.heap>>10, now.heap>>10, slack>>10)
	}
}

// percentile is the value below which p hundredths of d lie; d is sorted by it.
func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)*p/100, len(d)-1)]
}

// startChild starts this test binary again for a job; env is added to its environment. It is killed when the test ends.
func startChild(t testing.TB, job string, env ...string) (pid int, stdout *bufio.Reader, stderr *logRecorder) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(append(os.Environ(), stressChild+"="+job), env...)
	stderr = new(logRecorder)
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid, bufio.NewReader(out), stderr
}

// quietly fails the test if the server has logged a panic.
func quietly(t testing.TB, s *site) {
	t.Helper()
	if log := s.log.String(); strings.Contains(log, "panic") {
		t.Errorf("the server has logged a panic:\n%.4000s", log)
	}
}

func failFirst(t testing.TB, what string, errs []error) {
	t.Helper()
	for i, err := range errs {
		if i == 5 {
			t.Errorf("%s: and %d more", what, len(errs)-i)
			return
		}
		t.Error(fmt.Errorf("%s: %w", what, err))
	}
}
