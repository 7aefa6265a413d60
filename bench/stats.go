//go:build linux

package main

import (
	"fmt"
	"slices"

	"github.com/burrownet/burrow/bench/internal/report"
)

// metric is one figure of a run; not every run has every figure.
type metric func(sample) (float64, bool)

// of turns a figure of the result into a metric.
func of(f func(*report.Result) float64) metric {
	return func(s sample) (float64, bool) {
		if s.Result == nil || s.Result.Requests == 0 || s.Result.Elapsed == 0 {
			return 0, false
		}
		return f(s.Result), true
	}
}

var (
	cpu     = of(func(r *report.Result) float64 { return float64(r.ServerCPU) / 1e3 / float64(r.Requests) })
	loadCPU = of(func(r *report.Result) float64 { return float64(r.LoadCPU) / 1e3 / float64(r.Requests) })
	rate    = of(func(r *report.Result) float64 { return float64(r.Requests) / r.Elapsed.Seconds() })
	p50     = of(func(r *report.Result) float64 { return float64(r.Latency.P50) / 1e6 })
	p99     = of(func(r *report.Result) float64 { return float64(r.Latency.P99) / 1e6 })
	busy    = of(func(r *report.Result) float64 { return 100 * float64(r.ServerCPU) / float64(r.Elapsed) })
	slowP99 = of(func(r *report.Result) float64 {
		if r.Slow == nil {
			return 0
		}
		return float64(r.Slow.Latency.P99) / 1e6
	})
)

// aloneP99 is the fast route's p99 without slow ones beside it, in ms.
func aloneP99(s sample) (float64, bool) {
	if s.Alone == nil {
		return 0, false
	}
	return float64(s.Alone.Latency.P99) / 1e6, true
}

// perConn is the slope of resident memory between the plateaus, in bytes per
// connection; there is none when the server closed some.
func perConn(s sample) (float64, bool) {
	if s.Result == nil || len(s.Result.Memory) < 2 {
		return 0, false
	}
	first, last := s.Result.Memory[0], s.Result.Memory[len(s.Result.Memory)-1]
	if first.Alive < first.Conns || last.Alive < last.Conns {
		return 0, false
	}
	return float64(last.RSS-first.RSS) / float64(last.Conns-first.Conns), true
}

// runs are all samples of a comparison.
type runs []sample

// values are a metric's figures, by round.
func (all runs) values(row, server string, m metric) map[int]float64 {
	out := map[int]float64{}
	for _, s := range all {
		if s.Row == row && s.Server == server {
			if v, ok := m(s); ok {
				out[s.Round] = v
			}
		}
	}
	return out
}

// median of a metric over the rounds.
func (all runs) median(row, server string, m metric) (float64, bool) {
	var list []float64
	for _, v := range all.values(row, server, m) {
		list = append(list, v)
	}
	return median(list)
}

// ratio is the median over the rounds of a's figure divided by b's in the same
// round.
func (all runs) ratio(row, a, b string, m metric) (float64, bool) {
	var list []float64
	below := all.values(row, b, m)
	for round, v := range all.values(row, a, m) {
		if d := below[round]; d > 0 {
			list = append(list, v/d)
		}
	}
	return median(list)
}

// spread is least and greatest of a metric over the rounds.
func (all runs) spread(row, server string, m metric) (lo, hi float64) {
	for _, v := range all.values(row, server, m) {
		if lo == 0 || v < lo {
			lo = v
		}
		hi = max(hi, v)
	}
	return lo, hi
}

// median is the middle value, or the mean of the two middle ones.
func median(list []float64) (mid float64, ok bool) {
	n := len(list)
	if n == 0 {
		return 0, false
	}
	slices.Sort(list)
	return (list[(n-1)/2] + list[n/2]) / 2, true
}

// summary is a run on one line of stderr.
func (s sample) summary(r row) string {
	if s.Failed != "" {
		return "FAILED: " + s.Failed
	}
	bad := ""
	if s.Result.Errors > 0 {
		bad = fmt.Sprintf("  %d ERRORS: %s", s.Result.Errors, s.Result.FirstError)
	}
	if r.kind.holds() {
		v, ok := perConn(s)
		if !ok {
			return fmt.Sprintf("closed idle connections: %+v%s", s.Result.Memory, bad)
		}
		return fmt.Sprintf("%.0f bytes/connection%s", v, bad)
	}
	figure := func(m metric) float64 { v, _ := m(s); return v }
	text := fmt.Sprintf("%7.2f µs/%s %8.0f/s  p99 %.2f ms  busy %.0f %%", figure(cpu), r.kind.unit(), figure(rate), figure(p99), figure(busy))
	if r.kind == besideSlow {
		text = fmt.Sprintf("p99 %.2f ms alone, %.2f ms beside %d slow", figure(aloneP99), figure(p99), slowConns)
	}
	return text + bad
}
