//go:build linux

package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burrownet/burrow/bench/internal/report"
)

// serve runs h on a loopback port and returns the options for a short run.
func serve(t *testing.T, useTLS bool, h http.HandlerFunc) *options {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	if useTLS {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return &options{
		addr: srv.Listener.Addr().String(), path: "/", conns: 4, pipeline: 1, headers: 12, tls: useTLS,
		duration: 200 * time.Millisecond, warmup: 50 * time.Millisecond, pid: os.Getpid(),
	}
}

func hello(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		time.Sleep(slowPause)
	}
	io.WriteString(w, "Hello, World!")
}

// measured runs o and fails the test unless all went well.
func measured(t *testing.T, o *options) *report.Result {
	t.Helper()
	r, err := o.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests == 0 || r.Errors != 0 {
		t.Fatalf("%d requests, %d errors (%s); want some and none", r.Requests, r.Errors, r.FirstError)
	}
	return r
}

func TestKeepalive(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*options){
		"plain":     func(*options) {},
		"pipelined": func(o *options) { o.pipeline = 16 },
		"tls":       func(o *options) { o.tls = true },
		"tls-piped": func(o *options) { o.tls, o.pipeline = true, 16 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var served atomic.Int64
			var probe options
			set(&probe)
			o := serve(t, probe.tls, func(w http.ResponseWriter, r *http.Request) {
				served.Add(1)
				if len(r.Header) != len(browserHeaders) {
					t.Errorf("request has %d header fields beside Host, want %d", len(r.Header), len(browserHeaders))
				}
				hello(w, r)
			})
			set(o)
			o.mode = "keepalive"
			r := measured(t, o)
			if got := served.Load(); r.Requests > got {
				t.Errorf("counted %d answers, the server gave %d", r.Requests, got)
			}
			if r.Elapsed < o.duration || r.ServerCPU <= 0 || r.Latency.P99 < r.Latency.P50 || r.Latency.P50 <= 0 {
				t.Errorf("result = %+v", r)
			}
			if o.tls != strings.HasPrefix(r.TLS, "TLS 1.3 ") {
				t.Errorf("TLS = %q", r.TLS)
			}
		})
	}
}

func TestPacedBesideSlow(t *testing.T) {
	t.Parallel()
	o := serve(t, false, hello)
	o.mode, o.rate, o.slow = "keepalive", 200, 4
	began := time.Now()
	r := measured(t, o)
	whole := time.Since(began) // what was due before the window may be answered in it
	if most := int64(float64(o.rate)*whole.Seconds()) + 1; r.Requests > most {
		t.Errorf("%d requests in a run of %v at %d/s, want at most %d", r.Requests, whole, o.rate, most)
	}
	if r.Slow == nil || r.Slow.Requests == 0 || r.Slow.Latency.P50 < slowPause {
		t.Errorf("slow = %+v, want some of at least %v", r.Slow, slowPause)
	}
}

// A stall must show in the latency of all that was due meanwhile: here in about
// half of the requests, evenly between 0 and the stall.
func TestPaceChargesStalls(t *testing.T) {
	t.Parallel()
	const stall = 500 * time.Millisecond
	var once sync.Once
	o := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { time.Sleep(stall) })
		hello(w, r)
	})
	o.mode, o.rate, o.conns = "keepalive", 1000, 1
	o.warmup, o.duration = time.Millisecond, 2*stall
	r := measured(t, o)
	if r.Latency.P90 < stall/2 {
		t.Errorf("p90 = %v although half of the requests were due during a stall of %v", r.Latency.P90, stall)
	}
}

func TestHandshakes(t *testing.T) {
	t.Parallel()
	for _, useTLS := range []bool{false, true} {
		o := serve(t, useTLS, func(w http.ResponseWriter, r *http.Request) {
			if r.TLS != nil && r.TLS.DidResume {
				t.Error("the handshake was resumed")
			}
			hello(w, r)
		})
		o.mode = "handshake"
		measured(t, o)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	for _, useTLS := range []bool{false, true} {
		o := serve(t, useTLS, hello)
		o.mode, o.plateaus, o.idle = "hold", "3,70", time.Millisecond
		r := measured(t, o)
		if len(r.Memory) != 2 {
			t.Fatalf("plateaus = %+v, want 2", r.Memory)
		}
		for i, want := range []int{3, 70} {
			if got := r.Memory[i]; got.Conns != want || got.Alive != want || got.RSS == 0 {
				t.Errorf("plateau %d = %+v, want %d connections, all alive", i, got, want)
			}
		}
	}
}

func TestErrorsAreCounted(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"closed": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			hello(w, r)
		},
		"reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := serve(t, false, h)
			o.mode, o.duration = "keepalive", time.Second // for a machine that has other things to do
			r, err := o.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.Errors != int64(o.conns) || r.FirstError == "" {
				t.Errorf("%d errors (%q), want one for each of %d connections", r.Errors, r.FirstError, o.conns)
			}
		})
	}
}

func TestAlive(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var ours, theirs [2]net.Conn
	for i := range ours {
		if ours[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer ours[i].Close()
		if theirs[i], err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
		defer theirs[i].Close()
		if err := ours[i].SetDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if got := alive(ours[:]); got != 2 {
		t.Errorf("alive = %d, want 2", got)
	}
	theirs[0].Close()
	for deadline := time.Now().Add(5 * time.Second); alive(ours[:]) != 1; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("alive after one was closed = %d, want 1", alive(ours[:]))
		}
	}
}
