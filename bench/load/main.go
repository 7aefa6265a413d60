//go:build linux

// Command load is a closed-loop load generator for HTTP/1.1 and WebSocket: it keeps a
// fixed number of connections busy from one event loop and prints what it measured
// as JSON (report.Result) on stdout.
//
//	load -addr 127.0.0.1:8080 -conns 128 -pipeline 16 -headers 12 -pid 4711
//
// With -pid it also reads that process's processor time at both ends of the
// measured window, so that time and answers belong together.
//
// Modes:
//
//	keepalive   connections stay open; latency per request. -rate paces the
//	            requests instead of a closed loop; -slow adds connections that ask for /slow
//	handshake   a connection, TLS or not, for each request; nothing resumed
//	hold        opens -plateaus idle connections and reads the memory of -pid
//	ws          WebSockets whose messages of -payload bytes are echoed; -deflate
//	            makes them compressed JSON
//	ws-hold     hold, of WebSockets
//	ws-broadcast  one WebSocket sends "all ...", which comes to all of them
//	ws-stuck    the same each -every, first alone, then beside a WebSocket that never reads
//
// Exit status: 0 measured, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/burrownet/burrow/bench/internal/procstat"
	"github.com/burrownet/burrow/bench/internal/report"
)

// gcPercent trades memory of this process for time of its core.
const gcPercent = 800

// options is the command line.
type options struct {
	mode     string
	addr     string
	path     string
	conns    int
	pipeline int
	headers  int
	tls      bool
	duration time.Duration
	warmup   time.Duration
	pid      int
	rate     int
	slow     int
	plateaus string
	idle     time.Duration
	payload  int
	deflate  bool
	every    time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.mode, "mode", "keepalive", "keepalive, handshake, hold, ws, ws-hold, ws-broadcast or ws-stuck")
	flag.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`address` of the server")
	flag.StringVar(&o.path, "path", "/", "what to ask for")
	flag.IntVar(&o.conns, "conns", 128, "connections kept busy")
	flag.IntVar(&o.pipeline, "pipeline", 1, "requests sent at once on a connection")
	flag.IntVar(&o.headers, "headers", 1, "header fields of a request, 1 to 12")
	flag.BoolVar(&o.tls, "tls", false, "HTTPS; any certificate will do")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "length of the measured window")
	flag.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "traffic before it")
	flag.IntVar(&o.pid, "pid", 0, "the server's process, for its processor time and memory")
	flag.IntVar(&o.rate, "rate", 0, "keepalive: requests per second over all connections; 0: as fast as answers come")
	flag.IntVar(&o.slow, "slow", 0, "keepalive: connections that ask for /slow meanwhile")
	flag.StringVar(&o.plateaus, "plateaus", "1000,15000", "hold: numbers of idle connections, ascending")
	flag.DurationVar(&o.idle, "idle", 10*time.Second, "hold: silence before the memory is read")
	flag.IntVar(&o.payload, "payload", 64, "ws: bytes of a message")
	flag.BoolVar(&o.deflate, "deflate", false, "ws: permessage-deflate, nothing taken over from message to message")
	flag.DurationVar(&o.every, "every", 10*time.Millisecond, "ws-stuck: time between two messages to all")
	flag.Parse()

	if err := o.check(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
	debug.SetGCPercent(gcPercent)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	result, err := o.run(ctx)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.mode == "ws-stuck" && (o.every <= 0 || o.payload < wsFeedHead || o.deflate || o.tls):
		return fmt.Errorf("ws-stuck needs an interval and messages of at least %d bytes, plain", wsFeedHead)
	case o.conns < 1 || o.pipeline < 1 || o.duration <= 0 || o.rate < 0 || o.slow < 0:
		return fmt.Errorf("-conns, -pipeline and -duration must be positive")
	case o.headers < 1 || o.headers > 1+len(browserHeaders):
		return fmt.Errorf("-headers must be 1 to %d", 1+len(browserHeaders))
	case o.payload < 0 || o.payload > maxPayload:
		return fmt.Errorf("-payload must be 0 to %d", maxPayload)
	case o.rate > 0 && o.pipeline > 1:
		return fmt.Errorf("-rate does not go with -pipeline")
	}
	return nil
}

func (o *options) run(ctx context.Context) (*report.Result, error) {
	switch o.mode {
	case "keepalive":
		return o.keepalive(ctx)
	case "handshake":
		return o.handshakes(ctx)
	case "hold":
		return o.hold(ctx, o.use, holdRequests)
	case "ws":
		return o.wsEcho(ctx)
	case "ws-hold":
		return o.wsHold(ctx)
	case "ws-broadcast":
		return o.wsBroadcast(ctx)
	case "ws-stuck":
		return o.wsStuck(ctx)
	}
	return nil, fmt.Errorf("unknown mode %q", o.mode)
}

// window is the measured stretch of a run.
type window struct {
	pid    int
	began  time.Duration
	server time.Duration
	load   time.Duration
}

// openWindow notes where the clocks stand.
func openWindow(pid int) (w window, err error) {
	w.pid = pid
	if w.server, w.load, err = clocks(pid); err != nil {
		return w, err
	}
	w.began = now()
	return w, nil
}

// shut writes what has passed since into r.
func (w window) shut(r *report.Result) error {
	r.Elapsed = now() - w.began
	server, load, err := clocks(w.pid)
	if err != nil {
		return err
	}
	r.ServerCPU, r.LoadCPU = server-w.server, load-w.load
	return nil
}

func clocks(pid int) (server, load time.Duration, err error) {
	if load, err = procstat.CPU(os.Getpid()); err != nil || pid == 0 {
		return 0, load, err
	}
	server, err = procstat.CPU(pid)
	return server, load, err
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
