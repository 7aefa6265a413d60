//go:build linux

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/bench/internal/machine"
	"github.com/burrownet/burrow/bench/internal/report"
)

func TestWSRowsAndServers(t *testing.T) {
	t.Parallel()
	can := func(server, row string) bool {
		list, err := pickServers(server)
		if err != nil {
			t.Fatal(err)
		}
		picked, err := pickRows("^" + row + "$")
		if err != nil {
			t.Fatal(err)
		}
		return list[0].can(picked[0])
	}
	for _, test := range []struct {
		server, rows string
		want         bool
	}{
		{wsOurs, "ws-100 ws-10000-1k ws-1000-json ws-mem ws-mem-deflate ws-mem-tls ws-mem-tls-deflate ws-broadcast", true},
		{wsOurs, "http-128 mem-http slow", false},
		{wsGws, "ws-1000 ws-broadcast ws-mem-tls-deflate", true},
		{wsGorilla, "ws-broadcast ws-stuck", true},
		{"coder", "ws-stuck ws-stuck-over", false},
		{"coder", "ws-100-1k ws-1000-json ws-mem-tls", true},
		{"coder", "ws-broadcast", false},
		{"gobwas-epoll", "ws-10000 ws-mem ws-mem-deflate", true},
		{"gobwas-epoll", "ws-mem-tls ws-broadcast", false},
		{"ws-bareepoll", "ws-100 ws-10000-1k ws-broadcast", true},
		{"ws-bareepoll", "ws-1000-json ws-mem ws-stuck http-16", false},
		{"bareepoll", "http-16 pipe-128", true},
		{"bareepoll", "https-128 ws-100 mem-http", false},
		{native, "ws-100 ws-mem", false},
	} {
		for name := range strings.FieldsSeq(test.rows) {
			if got := can(test.server, name); got != test.want {
				t.Errorf("%s, %s: can = %v, want %v", test.server, name, got, test.want)
			}
		}
	}
}

func TestUseful(t *testing.T) {
	t.Parallel()
	picked, err := pickRows("^mem-https$|^ws-broadcast$")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := serverNames(useful(servers, picked)), "burrow-native,burrow,burrow-ring-native,burrow-ring,burrow-goroutine-native,burrow-goroutine,fasthttp,hertz,nethttp,burrow-ws,burrow-ws-uring,burrow-ws-goroutine,gws,gorilla,ws-bareepoll"; got != want {
		t.Errorf("useful = %s, want %s", got, want)
	}
}

func TestWSTables(t *testing.T) {
	t.Parallel()
	all := runs{
		run("ws-1000", wsOurs, 0, 6), run("ws-1000", wsGws, 0, 10), run("ws-1000", wsGorilla, 0, 12),
		run("ws-broadcast", wsOurs, 0, 3), run("ws-broadcast", wsGws, 0, 4),
	}
	list, err := pickServers("burrow-native,burrow-ws,gws,gorilla")
	if err != nil {
		t.Fatal(err)
	}
	got := tables(machine.Machine{Date: "2026-01-02"}, &options{rounds: 1}, rows(), list, all)
	for _, want := range []string{
		"| echo | burrow-ws | gws | gorilla |\n|---|---:|---:|---:|\n| 1000 connections, 64 B | 6.00 | 10.00 | 12.00 |\n",
		"| ws-1000 | burrow-ws | 6.00 | 6.00-6.00 | 0.60 | 0.50 | 1000 |",
		"| burrow-ws | 3.00 | 3.00-3.00 | 0.75 | - |",
		"| ws-1000 | burrow-ws | ≤ 0.70 × gws's CPU | 0.60 | met |",
		"| ws-broadcast | burrow-ws | ≤ 0.60 × gws's CPU | 0.75 | **missed** |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("tables lack %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "keep-alive GET") || strings.Contains(got, "idle") {
		t.Errorf("tables show rows that were not measured:\n%s", got)
	}
}

func TestWSStuckTable(t *testing.T) {
	t.Parallel()
	var all runs
	for round, p99s := range [][2]time.Duration{{5, 4}, {5, 8}, {5, 9}} {
		s := run("ws-stuck", wsOurs, round, 6)
		before, beside := *s.Result, *s.Result
		before.Latency.P99, beside.Latency.P99 = p99s[0]*time.Millisecond, p99s[1]*time.Millisecond
		before.Memory, beside.Memory = []report.Plateau{{RSS: 10 << 20}}, []report.Plateau{{RSS: 10<<20 + 300<<10}}
		beside.Due = 2 * beside.Requests
		s.Alone, s.Result = &before, &beside
		all = append(all, s)
	}
	mute := run("ws-stuck", wsGorilla, 0, 6)
	mute.Alone, mute.Result = mute.Result, &report.Result{Elapsed: time.Second, Due: 100}
	all = append(all, mute)
	list, err := pickServers(wsOurs + "," + wsGorilla)
	if err != nil {
		t.Fatal(err)
	}
	got := tables(machine.Machine{Date: "2026-01-02"}, &options{rounds: 3}, rows(), list, all)
	for _, want := range []string{
		"| 500 connections each 10 ms | burrow-ws | 5.00 | 8.00 | 3.00 | -1.00 to 4.00 | 300 | 50 % |",
		"| gorilla | 0.00 | none came | - | - | 0 | 0 % |",
		"| ws-stuck | burrow-ws | ≤ 2 ms more p99 | 3.00 | **missed** |",
		"| ws-stuck | burrow-ws | ≤ 1024 KiB more memory | 300 | met |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("tables lack %q:\n%s", want, got)
		}
	}
}
