package tftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"
)

// patience bounds what a test waits for.
const patience = 20 * time.Second

// running is a server on a loopback port of its own.
type running struct {
	*Server
	addr    netip.AddrPort
	records chan Record
	stop    func() error
}

var servers atomic.Uint32

// ownAddr is an address of this machine that no other server of these tests
// has, where the system lets all of 127/8 be used. What a server still sends
// to a port that its client has closed is then no answer to the client of
// another test who was given that port next.
func ownAddr() net.IP {
	if runtime.GOOS != "linux" {
		return net.IPv4(127, 0, 0, 1)
	}
	n := servers.Add(1)
	return net.IPv4(127, 7, byte(n>>8), byte(n))
}

// serve starts a server; the test's end stops it. std has goroutines drive it.
func serve(t *testing.T, s *Server, std bool) *running {
	t.Helper()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ownAddr()})
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, s, pc, std)
}

// serveOn is serve with a socket of the caller's.
func serveOn(t *testing.T, s *Server, pc *net.UDPConn, std bool) *running {
	t.Helper()
	r := &running{Server: s, addr: pc.LocalAddr().(*net.UDPAddr).AddrPort(), records: make(chan Record, 10000)}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.OnTransfer == nil {
		s.OnTransfer = func(rec Record) { r.records <- rec }
	}
	if s.DrainTimeout == 0 {
		s.DrainTimeout = -1
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var conn net.PacketConn = pc
	if std {
		conn = struct{ net.PacketConn }{pc}
	}
	go func() { ended <- s.Serve(ctx, conn) }()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("Serve did not return")
		}
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

// record waits for the record of the next transfer.
func (r *running) record(t *testing.T) Record {
	t.Helper()
	select {
	case rec := <-r.records:
		return rec
	case <-time.After(patience):
		t.Fatal("no record")
		return Record{}
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("it did not come about")
		}
	}
}

// bothDrivers runs a test on the system's driver and on goroutines.
func bothDrivers(t *testing.T, test func(t *testing.T, std bool)) {
	for name, std := range map[string]bool{"system": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, std)
		})
	}
}

// newRoot is a folder of a test, and its name.
func newRoot(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

// noise is a file that looks like no other.
func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func get(t *testing.T, c *Client, r *running, name string) ([]byte, *Record, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var b bytes.Buffer
	rec, err := c.Get(ctx, r.addr.String(), name, &b)
	return b.Bytes(), rec, err
}

func TestGet(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		for _, single := range []bool{false, true} {
			files := fstest.MapFS{}
			for _, n := range []int{0, 1, 511, 512, 513, 1468, 2936, 100_000, 1 << 20} {
				files[fmt.Sprint(n)] = &fstest.MapFile{Data: noise(n)}
			}
			r := serve(t, &Server{FS: files, SinglePort: single}, std)
			for _, c := range []*Client{
				{},
				{BlockSize: -1, WindowSize: -1, NoSize: true},
				{BlockSize: 1468, WindowSize: 64},
				{BlockSize: 8192, WindowSize: 8, AskTimeout: true},
				{BlockSize: 65464, WindowSize: 4},
				{BlockSize: 100, WindowSize: 3, Rollover: "1", Timeout: 300 * time.Millisecond, AskTimeout: true},
			} {
				for name, f := range files {
					b, rec, err := get(t, c, r, name)
					if err != nil || !bytes.Equal(b, f.Data) {
						t.Fatalf("single port %v, %+v, %s: %d bytes, %v", single, c, name, len(b), err)
					}
					if got := r.record(t); got.Result != ResultOK || got.Bytes != int64(len(b)) || got.Granted != rec.Granted || got.BlockSize != rec.BlockSize {
						t.Fatalf("record %+v of %+v", got, rec)
					}
				}
			}
		}
	})
}

func TestGetErrors(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		r := serve(t, &Server{FS: fstest.MapFS{"a/b": {}, ".secret": {}}, Allow: func(_ context.Context, r *Request) error {
			if r.Path == "forbidden" {
				return &Error{CodeAccess, "not today"}
			}
			return nil
		}}, std)
		for name, want := range map[string]error{
			"absent": fs.ErrNotExist, "a": fs.ErrPermission, "../x": fs.ErrPermission, `..\x`: fs.ErrPermission,
			".secret": fs.ErrNotExist, "c:/x": fs.ErrPermission, "forbidden": fs.ErrPermission, "/": fs.ErrPermission,
		} {
			if _, _, err := get(t, &Client{}, r, name); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			if rec := r.record(t); rec.Result != ResultRefused || rec.Error == "" {
				t.Errorf("%s: record %+v", name, rec)
			}
		}
		for _, name := range []string{"a/b", "/a/b", `a\b`, `\a\\b`, "./a//b"} {
			if _, _, err := get(t, &Client{}, r, name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestPut(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		for _, single := range []bool{false, true} {
			dir := t.TempDir()
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			r := serve(t, &Server{Root: root, Write: WriteCreate, SinglePort: single, MaxFileSize: 1 << 20}, std)
			for i, c := range []*Client{
				{},
				{BlockSize: -1, WindowSize: -1},
				{BlockSize: 1468, WindowSize: 64},
				{BlockSize: 65464, WindowSize: 4},
			} {
				for _, n := range []int{0, 1, 512, 1468, 100_000, 1 << 20} {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					data, name := noise(n), fmt.Sprintf("%d-%d", i, n)
					// Without its size: the limit is about the bytes then.
					sent, err := c.Put(ctx, r.addr.String(), name, struct{ io.Reader }{bytes.NewReader(data)}, -1)
					cancel()
					if err != nil {
						t.Fatalf("%+v, %d: %v", c, n, err)
					}
					if got, err := os.ReadFile(dir + "/" + name); err != nil || !bytes.Equal(got, data) {
						t.Fatalf("%+v, %d: %d bytes, %v", c, n, len(got), err)
					}
					if rec := r.record(t); rec.Result != ResultOK || rec.BlockSize != sent.BlockSize || rec.WindowSize != sent.WindowSize || rec.Bytes != int64(n) {
						t.Errorf("record %+v", rec)
					}
				}
			}
			_, err = (&Client{}).Put(t.Context(), r.addr.String(), "0-1", strings.NewReader("x"), 1)
			if !errors.Is(err, fs.ErrExist) {
				t.Errorf("an existing file: %v", err)
			}
			for _, size := range []int64{-1, 1<<20 + 1} {
				_, err = (&Client{}).Put(t.Context(), r.addr.String(), "big", bytes.NewReader(noise(1<<20+1)), size)
				if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeDiskFull {
					t.Errorf("a file too large: %v", err)
				}
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			left, err := os.ReadDir(dir)
			for _, e := range left {
				if strings.HasPrefix(e.Name(), ".") || e.Name() == "big" {
					t.Errorf("left: %s %v", e.Name(), err)
				}
			}
		}
	})
}
