//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/burrownet/burrow/bench/internal/pinned"
	"github.com/burrownet/burrow/bench/internal/procstat"
	"github.com/burrownet/burrow/bench/internal/report"
)

// errNoWrk says that the wrk row can not be measured here.
var errNoWrk = errors.New("bench: wrk is not installed")

// sample is one measured run.
type sample struct {
	Server string         `json:"server"`
	Row    string         `json:"row"`
	Round  int            `json:"round"`
	Result *report.Result `json:"result,omitempty"`
	// Alone is the fast route before the slow ones were busy; Result is
	// beside them.
	Alone *report.Result `json:"alone,omitempty"`
	// Failed says why there is no result.
	Failed string `json:"failed,omitempty"`
}

// bench is one call of the command.
type bench struct {
	options
	built programs
}

// one measures a server for a row, in a process of its own.
func (b *bench) one(ctx context.Context, s server, r row) (sample, error) {
	out := sample{Server: s.name, Row: r.name}
	ctx, cancel := context.WithTimeout(ctx, b.bound(r))
	defer cancel()
	addr, err := freeAddr()
	if err != nil {
		return out, err
	}
	args := append([]string{"-listen", addr}, s.args...)
	if r.tls {
		args = append(args, "-tls-self-signed")
	}
	if r.deflate {
		args = append(args, "-compress")
	}
	if r.kind == wsBroadcast || r.kind == wsStuck {
		args = append(args, "-broadcast")
	}
	c, err := pinned.Start(b.serverCore, b.procs, b.built[s.pkg], args...)
	if err != nil {
		return out, err
	}
	defer c.Stop()
	if err := accepting(ctx, c, addr); err != nil {
		return out, err
	}
	pid := c.Pid()
	switch r.kind {
	case byWrk:
		out.Result, err = b.wrk(ctx, addr, pid, r)
	case besideSlow:
		if out.Alone, err = b.load(ctx, addr, pid, r, "-rate", strconv.Itoa(fastRate)); err != nil {
			return out, err
		}
		out.Result, err = b.load(ctx, addr, pid, r, "-rate", strconv.Itoa(fastRate), "-slow", strconv.Itoa(slowConns))
	case handshake:
		out.Result, err = b.load(ctx, addr, pid, r, "-mode", "handshake")
	case memory:
		out.Result, err = b.load(ctx, addr, pid, r, "-mode", "hold", "-plateaus", b.plateaus, "-idle", b.idle.String())
	case wsMemory:
		out.Result, err = b.load(ctx, addr, pid, r, "-mode", "ws-hold", "-plateaus", b.plateaus, "-idle", b.idle.String())
	case wsEcho:
		out.Result, err = b.load(ctx, addr, pid, r, "-mode", "ws")
	case wsBroadcast:
		out.Result, err = b.load(ctx, addr, pid, r, "-mode", "ws-broadcast", "-duration", max(b.window(), someBroadcasts).String())
	case wsStuck:
		out.Result, err = b.load(ctx, addr, pid, r, "-mode", "ws-stuck", "-every", r.every.String(), "-duration", max(b.window(), someBroadcasts).String())
		if err == nil {
			out.Alone, out.Result.Alone = out.Result.Alone, nil
		}
	default:
		out.Result, err = b.load(ctx, addr, pid, r)
	}
	return out, err
}

// someBroadcasts is the least time in which there are enough of them.
const someBroadcasts = 3 * time.Second

// connecting is how long it may take at most to open one of many connections.
const connecting = 4 * time.Millisecond

// bound is how long a run may take at most.
func (b *bench) bound(r row) time.Duration {
	if r.kind.holds() {
		return 2*b.idle + 2*time.Minute
	}
	if r.kind == wsStuck {
		return 4 * time.Minute // what was sent too fast is waited for
	}
	return 2*(max(b.window(), someBroadcasts)+b.warmup) + 20*time.Second + time.Duration(r.conns)*connecting
}

func (b *bench) window() time.Duration { return time.Duration(b.seconds * float64(time.Second)) }

// load runs the load generator for a row.
func (b *bench) load(ctx context.Context, addr string, pid int, r row, more ...string) (*report.Result, error) {
	args := append([]string{
		"-addr", addr,
		"-pid", strconv.Itoa(pid),
		"-conns", strconv.Itoa(max(r.conns, 1)),
		"-pipeline", strconv.Itoa(r.pipeline),
		"-headers", strconv.Itoa(r.headers),
		"-tls=" + strconv.FormatBool(r.tls),
		"-payload", strconv.Itoa(r.payload),
		"-deflate=" + strconv.FormatBool(r.deflate),
		"-duration", b.window().String(),
		"-warmup", b.warmup.String(),
	}, more...)
	c, err := pinned.Start(b.loadCore, b.loadProcs, b.built["./load"], args...)
	if err != nil {
		return nil, err
	}
	defer c.Stop()
	text, err := c.Result(ctx)
	if err != nil {
		return nil, err
	}
	result := new(report.Result)
	if err := json.Unmarshal([]byte(text), result); err != nil {
		return nil, fmt.Errorf("bench: load's answer: %w", err)
	}
	return result, nil
}

var (
	wrkTotal = regexp.MustCompile(`(\d+) requests in ([0-9.]+)(ms|s|m)`)
	wrkP99   = regexp.MustCompile(`99%\s+([0-9.]+)(us|ms|s)`)
	wrkBad   = regexp.MustCompile(`Socket errors: .*|Non-2xx.*`)
)

// wrk has wrk make the load. The server's processor time is read before wrk
// starts and after it ends: connecting is in it, a warm-up is not.
func (b *bench) wrk(ctx context.Context, addr string, pid int, r row) (*report.Result, error) {
	path, err := exec.LookPath("wrk")
	if err != nil {
		return nil, errNoWrk
	}
	before, err := procstat.CPU(pid)
	if err != nil {
		return nil, err
	}
	seconds := max(1, int(b.seconds+0.5))
	c, err := pinned.Start(b.loadCore, 0, path, "-t1", "-c"+strconv.Itoa(r.conns), "-d"+strconv.Itoa(seconds)+"s", "--latency", "http://"+addr+"/")
	if err != nil {
		return nil, err
	}
	defer c.Stop()
	text, err := c.Result(ctx)
	if err != nil {
		return nil, err
	}
	after, err := procstat.CPU(pid)
	if err != nil {
		return nil, err
	}
	result, err := parseWrk(text)
	if err != nil {
		return nil, err
	}
	result.ServerCPU = after - before
	return result, nil
}

// parseWrk reads wrk's report.
func parseWrk(text string) (*report.Result, error) {
	total, p99 := wrkTotal.FindStringSubmatch(text), wrkP99.FindStringSubmatch(text)
	if total == nil || p99 == nil {
		return nil, fmt.Errorf("bench: wrk's report is not understood: %.300q", text)
	}
	result := &report.Result{FirstError: wrkBad.FindString(text)}
	if result.FirstError != "" {
		result.Errors = 1
	}
	var err error
	if result.Requests, err = strconv.ParseInt(total[1], 10, 64); err != nil {
		return nil, err
	}
	if result.Elapsed, err = time.ParseDuration(total[2] + total[3]); err != nil {
		return nil, err
	}
	result.Latency.P99, err = time.ParseDuration(p99[1] + p99[2])
	return result, err
}
