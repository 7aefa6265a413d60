package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/burrownet/burrow/engine"
)

func TestParseDriver(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, system string
		want         engine.Driver
		wrong        string // part of the error
	}{
		{"auto", "linux", engine.DriverAuto, ""},
		{"auto", "plan9", engine.DriverAuto, ""},
		{"goroutine", "windows", engine.DriverGoroutine, ""},
		{"epoll", "linux", engine.DriverEpoll, ""},
		{"kqueue", "darwin", engine.DriverKqueue, ""},
		{"kqueue", "freebsd", engine.DriverKqueue, ""},
		{"uring", "linux", engine.DriverUring, ""},
		{"uring", "darwin", 0, "no uring driver on darwin; use --driver auto"},
		{"epoll", "darwin", 0, "no epoll driver on darwin; use --driver auto"},
		{"kqueue", "linux", 0, "no kqueue driver on linux; use --driver auto"},
		{"kqueue", "windows", 0, "no kqueue driver on windows"},
		{"warp", "linux", 0, `no driver "warp"`},
	} {
		got, err := parseDriver(tt.name, tt.system)
		if got != tt.want || (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s on %s: got %v, error %v; want %v, error %q", tt.name, tt.system, got, err, tt.want, tt.wrong)
		}
	}
}

// TestParseDriverAgreesWithEngine holds parseDriver against what the engine
// itself says of this system.
func TestParseDriverAgreesWithEngine(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"auto", "epoll", "uring", "kqueue", "goroutine"} {
		named, err := engine.ParseDriver(name)
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		e := &engine.Engine{Driver: named}
		refused := e.Serve(ctx, ln, func(*engine.Conn) engine.Protocol { panic("no connection was made") }, nil)
		if errors.Is(refused, fs.ErrPermission) {
			refused = nil // the ring exists, but here it is forbidden
		}
		if refused != nil && !errors.Is(refused, errors.ErrUnsupported) {
			t.Fatalf("%s: %v", name, refused)
		}
		if _, err := parseDriver(name, runtime.GOOS); (err == nil) != (refused == nil) {
			t.Errorf("%s: got error %v, want that of the engine: %v", name, err, refused)
		}
	}
}
