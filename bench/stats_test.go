//go:build linux

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/bench/internal/machine"
	"github.com/burrownet/burrow/bench/internal/report"
)

// run makes a sample of 1,000 requests in a second at that cost.
func run(row, server string, round int, cpuMicros float64) sample {
	return sample{Row: row, Server: server, Round: round, Result: &report.Result{
		Requests: 1000, Elapsed: time.Second, ServerCPU: time.Duration(cpuMicros * 1e6),
	}}
}

func TestMedianAndRatio(t *testing.T) {
	t.Parallel()
	all := runs{
		run("r", "a", 0, 10), run("r", "b", 0, 20), // 0.5
		run("r", "a", 1, 30), run("r", "b", 1, 40), // 0.75
		run("r", "a", 2, 90), run("r", "b", 2, 30), // 3
		run("other", "a", 0, 1), run("r", "a", 3, 7), // no b in round 3
		{Row: "r", Server: "b", Round: 4, Failed: "it did"},
	}
	if got, ok := all.median("r", "a", cpu); !ok || got != 20 {
		t.Errorf("median of 7, 10, 30, 90 = %g, %v; want 20", got, ok)
	}
	if got, ok := all.median("r", "b", cpu); !ok || got != 30 {
		t.Errorf("median of 20, 30, 40 = %g, %v; want 30", got, ok)
	}
	if got, ok := all.ratio("r", "a", "b", cpu); !ok || got != 0.75 {
		t.Errorf("ratio = %g, %v; want 0.75", got, ok)
	}
	if lo, hi := all.spread("r", "a", cpu); lo != 7 || hi != 90 {
		t.Errorf("spread = %g, %g; want 7, 90", lo, hi)
	}
	if got, ok := all.ratio("r", "a", "c", cpu); ok {
		t.Errorf("ratio to a server not measured = %g", got)
	}
}

func TestPerConn(t *testing.T) {
	t.Parallel()
	s := sample{Result: &report.Result{Memory: []report.Plateau{{Conns: 1000, RSS: 5e6, Alive: 1000}, {Conns: 3000, RSS: 6e6, Alive: 3000}}}}
	if got, ok := perConn(s); !ok || got != 500 {
		t.Errorf("perConn = %g, %v; want 500", got, ok)
	}
	s.Result.Memory[1].Alive--
	if got, ok := perConn(s); ok {
		t.Errorf("perConn with a closed connection = %g; want none", got)
	}
}

func TestParseWrk(t *testing.T) {
	t.Parallel()
	const text = "Running 1s test @ http://127.0.0.1:1/\n  Latency Distribution\n     50%  747.00us\n     99%    2.50ms\n" +
		"  442848 requests in 3.00s, 62.51MB read\nRequests/sec: 147521.83\n"
	got, err := parseWrk(text)
	if err != nil {
		t.Fatal(err)
	}
	if got.Requests != 442848 || got.Elapsed != 3*time.Second || got.Latency.P99 != 2500*time.Microsecond || got.Errors != 0 {
		t.Errorf("parseWrk = %+v", got)
	}
	if got, err = parseWrk(text + "  Non-2xx or 3xx responses: 3\n"); err != nil || got.Errors == 0 {
		t.Errorf("parseWrk with errors = %+v, %v", got, err)
	}
	if _, err = parseWrk("unable to connect"); err == nil {
		t.Error("parseWrk of nonsense: no error")
	}
}

func TestPick(t *testing.T) {
	t.Parallel()
	picked, err := pickRows("^http-16$|^slow$")
	if err != nil || len(picked) != 2 || picked[0].name != "http-16" || picked[1].kind != besideSlow {
		t.Errorf("pickRows = %+v, %v", picked, err)
	}
	for _, bad := range []string{"nothing-like-it", "("} {
		if _, err := pickRows(bad); err == nil {
			t.Errorf("pickRows(%q): no error", bad)
		}
	}
	list, err := pickServers("nethttp,burrow")
	if err != nil || serverNames(list) != "nethttp,burrow" {
		t.Errorf("pickServers = %v, %v", list, err)
	}
	if _, err := pickServers("nginx"); err == nil {
		t.Error("pickServers of a stranger: no error")
	}
}

func TestTargetsNameRowsAndServers(t *testing.T) {
	t.Parallel()
	for _, target := range targets {
		if !strings.Contains(" "+rowNames()+" ", " "+target.row+" ") {
			t.Errorf("target of row %q, which does not exist", target.row)
		}
		for _, name := range []string{target.server, target.than} {
			if _, err := pickServers(name); err != nil {
				t.Errorf("target of row %q: %v", target.row, err)
			}
		}
	}
}

func TestUnhurried(t *testing.T) {
	t.Parallel()
	busyServer, busyLoad, neither := run("http-16", "a", 0, 950), run("http-16", "a", 1, 500), run("http-16", "a", 2, 500)
	busyLoad.Result.LoadCPU = 950 * time.Millisecond
	all := runs{busyServer, busyLoad, neither, run("slow", "a", 0, 1), {Row: "http-16", Failed: "it did"}}
	if n, of := unhurried(rows(), all); n != 1 || of != 3 {
		t.Errorf("unhurried = %d of %d, want 1 of 3", n, of)
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	all := runs{run("http-128", "burrow-native", 0, 5), run("http-128", "fasthttp", 0, 10), run("http-128", "nethttp", 0, 20)}
	list, err := pickServers("burrow-native,fasthttp,nethttp")
	if err != nil {
		t.Fatal(err)
	}
	got := tables(machine.Machine{Date: "2026-01-02"}, &options{rounds: 1}, rows(), list, all)
	for _, want := range []string{
		"| keep-alive GET | burrow-native | fasthttp | nethttp |\n|---|---:|---:|---:|\n| 128 connections | 5.00 | 10.00 | 20.00 |\n",
		"| http-128 | burrow-native | 5.00 | 5.00-5.00 | 0.50 | 0.25 | 1000 |",
		"| http-128 | burrow-native | ≤ 0.70 × fasthttp's CPU | 0.50 | met |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("tables lack %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "handshake") || strings.Contains(got, "idle") {
		t.Errorf("tables show rows that were not measured:\n%s", got)
	}
}
