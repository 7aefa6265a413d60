package httpd_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// BenchmarkBulk moves much in one direction on one connection: files down, and bodies up to a handler that reads them.
// The client throws away what comes without copying it, so most of the processor time is the server's.
//
//	go test -run '^$' -bench Bulk -benchtime 2s -count 5 ./httpd
func BenchmarkBulk(b *testing.B) {
	dir := b.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	files := &httpd.Files{Root: root}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			files.ServeHTTP(w, r)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	})
	for _, kind := range []struct {
		name, method string
		size         int
	}{{"file-1MiB", "GET", 1 << 20}, {"file-1GiB", "GET", 1 << 30}, {"upload-64KiB", "POST", 64 << 10}, {"upload-1MiB", "POST", 1 << 20}} {
		if err := os.WriteFile(filepath.Join(dir, kind.name), nil, 0o644); err != nil {
			b.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, kind.name), int64(kind.size)); err != nil {
			b.Fatal(err)
		}
		for _, d := range engine.Drivers() {
			b.Run(kind.name+"/"+d.String(), func(b *testing.B) {
				needsDriver(b, d)
				s := stressServe(b, d, 1, &httpd.Server{Handler: h})
				nc, err := net.Dial("tcp", s.addr)
				if err != nil {
					b.Fatal(err)
				}
				defer nc.Close()
				c := bulkClient{b, nc.(*net.TCPConn)}
				exchange := func() { c.download(kind.name) }
				if kind.method == http.MethodPost {
					body := make([]byte, kind.size)
					exchange = func() { c.upload(body) }
				}
				exchange() // from here on the file is in memory
				b.SetBytes(int64(kind.size))
				before := processTime(b)
				for b.Loop() {
					exchange()
				}
				b.ReportMetric(float64(processTime(b)-before)/float64(b.N)/1e3, "cpu-µs/op")
			})
		}
	}
}

// processTime is what this process has used of the processors, in nanoseconds.
func processTime(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// bulkClient is the client of BenchmarkBulk.
type bulkClient struct {
	b  *testing.B
	nc *net.TCPConn
}

// head reads the head of an answer; left is what is to come of the body.
func (c bulkClient) head() (left int64) {
	br := bufio.NewReader(c.nc)
	r, err := http.ReadResponse(br, nil)
	if err != nil {
		c.b.Fatal(err)
	}
	if r.StatusCode != http.StatusOK || r.ContentLength < 0 {
		c.b.Fatalf("%s, %d bytes", r.Status, r.ContentLength)
	}
	return r.ContentLength - int64(br.Buffered())
}

func (c bulkClient) download(name string) {
	fmt.Fprintf(c.nc, "GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n", name)
	left := c.head()
	raw, err := c.nc.SyscallConn()
	if err != nil {
		c.b.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	for left > 0 {
		var n int
		if rerr := raw.Read(func(fd uintptr) bool {
			n, _, err = unix.Recvfrom(int(fd), buf[:min(left, int64(len(buf)))], unix.MSG_TRUNC)
			return err != unix.EAGAIN
		}); rerr != nil || err != nil || n == 0 {
			c.b.Fatal("the download ended early: ", rerr, err)
		}
		left -= int64(n)
	}
}

func (c bulkClient) upload(body []byte) {
	fmt.Fprintf(c.nc, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", len(body))
	if _, err := c.nc.Write(body); err != nil {
		c.b.Fatal(err)
	}
	if left := c.head(); left > 0 {
		c.b.Fatalf("%d bytes of the answer are missing", left)
	}
}
