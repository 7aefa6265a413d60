package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

func init() { childJobs["emfile"] = emfileChild }

// The limit of descriptors in the child, and the connections that want to be served at the same time.
const (
	emfileLimit = 60
	emfileConns = 80
)

// TestStressOutOfDescriptors serves with too few descriptors: the connections that fit are served, the others wait, the
// server says so once and does not burn the processor; as connections end, those that waited are served.
func TestStressOutOfDescriptors(t *testing.T) {
	for _, driver := range engine.Drivers() {
		t.Run(driver.String(), func(t *testing.T) {
			needsDriver(t, driver)
			pid, out, stderr := startChild(t, "emfile", "BURROW_STRESS_DRIVER="+driver.String())
			line, err := out.ReadString('\n')
			if err != nil {
				t.Fatalf("the child says %q, %v\n%s", line, err, stderr)
			}
			emfileTry(t, pid, strings.TrimSpace(line), stderr)
		})
	}
}

func emfileTry(t *testing.T, pid int, addr string, stderr *logRecorder) {
	conns := make([]net.Conn, emfileConns)
	answered := make(chan int, emfileConns)
	for i := range conns {
		nc, err := stressDial(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		conns[i] = nc
		go func() {
			if got, err := stressAsk(nc, bufio.NewReader(nc), "/"+strconv.Itoa(i)); err == nil && got == "/"+strconv.Itoa(i) {
				answered <- i
			}
		}()
	}
	served := make(map[int]bool)
	collect := func(limit time.Duration, enough int) {
		for end := time.After(limit); len(served) < enough; {
			select {
			case i := <-answered:
				served[i] = true
			case <-end:
				return
			}
		}
	}
	collect(500*time.Millisecond, emfileConns)
	first := len(served)
	if first < 20 || first >= emfileLimit {
		t.Errorf("%d connections were served with %d descriptors", first, emfileLimit)
	}
	before := cpuTime(t, pid)
	const watch = time.Second
	collect(watch, emfileConns) // nothing comes
	if used := cpuTime(t, pid) - before; used > watch/4 {
		t.Errorf("the server used %v of processor time in %v of waiting for descriptors", used, watch)
	}
	for i := range served {
		conns[i].Close()
	}
	collect(5*time.Second, emfileConns)
	if len(served) != emfileConns {
		t.Errorf("%d of %d connections were served in the end\n%s", len(served), emfileConns, stderr)
	}
	for _, nc := range conns {
		nc.Close()
	}
	nc, err := stressDial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got, err := stressAsk(nc, bufio.NewReader(nc), "/after"); err != nil || got != "/after" {
		t.Errorf("afterwards: %q, %v", got, err)
	}
	t.Logf("%d served at first, %d in the end; log:\n%s", first, len(served), stderr)
	if n := strings.Count(stderr.String(), "\n"); n != 1 || !strings.Contains(stderr.String(), "too many open files") {
		t.Errorf("the log has %d lines, want 1 about too many open files:\n%s", n, stderr)
	}
}

// cpuTime is the processor time that a process has used.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	// proc(5): behind the command in parentheses, utime and stime are the 12th and 13th, in hundredths of a second.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	user, _ := strconv.Atoi(string(f[11]))
	system, _ := strconv.Atoi(string(f[12]))
	return time.Duration(user+system) * 10 * time.Millisecond
}

// emfileChild is the job of the child: a server with few descriptors.
func emfileChild() int {
	driver, err := engine.ParseDriver(os.Getenv("BURROW_STRESS_DRIVER"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: emfileLimit, Max: emfileLimit})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	srv := &httpd.Server{
		Handler: stressKind("direct", func(path string, _ io.Reader) (int, string) { return 200, path }),
		Engine:  &engine.Engine{Driver: driver, Loops: 2, Logger: log},
		Logger:  log,
	}
	fmt.Println(ln.Addr())
	if err := srv.Serve(context.Background(), ln); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}
