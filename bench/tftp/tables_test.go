//go:build linux

package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/bench/internal/machine"
	"github.com/burrownet/burrow/bench/internal/pinned"
	"github.com/burrownet/burrow/bench/tftp/internal/report"
)

// made are runs in which ours takes one second and the other so many.
func made(row, other string, seconds ...float64) runs {
	var all runs
	for round, s := range seconds {
		took := func(s float64) *report.Result {
			return &report.Result{Bytes: 2e6, Elapsed: time.Duration(s * 1e9), ServerCPU: time.Duration(s * 5e8), Rest: 1 << 20, Peak: 11 << 20}
		}
		all = append(all, sample{Row: row, Server: ours, Round: round, Result: took(1)}, sample{Row: row, Server: other, Round: round, Result: took(s)})
	}
	return all
}

// TestTargets: what is promised is compared with the best of the others, within
// each round.
func TestTargets(t *testing.T) {
	t.Parallel()
	o := &options{size: 64, shortSize: 4, crowdSize: 32, clients: 160, delay: time.Millisecond}
	rows := o.rows()
	cut := made(crowdRow, "atftpd", 3, 3, 3)
	for i := range cut {
		if cut[i].Server == "atftpd" {
			cut[i].Result.Failed, cut[i].Result.FirstError = 7, "client 3: not done"
		}
	}
	for name, tc := range map[string]struct {
		all  runs
		want []string
	}{
		"faster":   {made("512", "atftpd", 2, 4, 5), []string{"| 512 | the fastest: time ÷ that of the best other | 0.25 (atftpd) | met |"}},
		"slower":   {made("512", "atftpd", 0.5, 0.5, 5), []string{"| 2.00 (atftpd) | **missed** |"}},
		"equal":    {made("512", "atftpd", 0.98), []string{"| 1.02 (atftpd) | equal |"}},
		"by relay": {made("512-2ms", "atftpd", 0.985), []string{"| 1.02 (atftpd) | met: equal, the relay's delay decides |", "within 2 % of the best"}},
		"behind":   {made("512-2ms", "atftpd", 0.97), []string{"| 1.03 (atftpd) | equal |"}},
		"ahead":    {made("1468-w64-2ms", "atftpd", 1.3), []string{"| 0.77 (atftpd) | met |"}},
		"cut off":  {cut, []string{"| crowd | the fastest: time ÷ that of the best other | 0.33 (atftpd) | met |", "not in 3: 0 %", "- crowd, atftpd, in 3 of 3 rounds: 7 transfers did not complete (client 3: not done)"}},
		"memory":   {made(crowdRow, "atftpd", 1), []string{"| crowd | < 64 KiB per active transfer | 64.0 | **missed** |"}},
		"CPU":      {made(oneCPU, "tftpd-hpa", 1.5, 2.5, 7), []string{"| 1468-w16 | ≥ 2 × tftpd-hpa's MB per CPU-second | 2.50 | met |"}},
		"too much": {made(oneCPU, "tftpd-hpa", 1.5), []string{"| 1.50 | **missed** |"}},
	} {
		text := tables(machine.Machine{}, o, rows, servers, tc.all)
		for _, want := range tc.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, text)
			}
		}
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	o := &options{size: 64, shortSize: 4, crowdSize: 32, clients: 500}
	const all = "512, 1468, 1468-w16, 1468-w64, 512-2ms, 1468-2ms, 1468-w16-2ms, 1468-w64-2ms, crowd"
	if got := o.rowNames(); got != all {
		t.Errorf("rows %s, want %s", got, all)
	}
	for like, want := range map[string]int{"": 9, "^1468-w": 4, "crowd": 1, "x": -1, "(": -1} {
		o.rowsLike = like
		got, err := o.pickRows()
		if want < 0 && err == nil || want >= 0 && len(got) != want {
			t.Errorf("-rows %q: %d rows, %v; want %d", like, len(got), err, want)
		}
	}
}

// TestBound: it is known when a port is taken, and when its server has ended.
func TestBound(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	child, err := pinned.Start(0, 0, "/bin/sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	if err := bound(t.Context(), child, pc.LocalAddr().String()); err != nil {
		t.Error(err)
	}
	child.Stop()
	if err := bound(t.Context(), child, "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("after its end: %v", err)
	}
}
