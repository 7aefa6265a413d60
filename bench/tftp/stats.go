//go:build linux

package main

import (
	"fmt"
	"slices"
	"time"
)

// metric reads a figure from a run; ok is false when it has none.
type metric func(s sample) (v float64, ok bool)

// complete makes a metric of what is known of runs in which all arrived.
func complete(f func(s sample) float64) metric {
	return func(s sample) (float64, bool) {
		if s.Result == nil || s.Result.Failed > 0 {
			return 0, false
		}
		return f(s), true
	}
}

var (
	seconds = complete(func(s sample) float64 { return s.Result.Elapsed.Seconds() })
	// perCPU is MB (1e6 bytes) for each second that the server computed. It stands
	// for itself in runs that were cut off, too.
	perCPU metric = func(s sample) (float64, bool) {
		if s.Result == nil || s.Result.ServerCPU == 0 {
			return 0, false
		}
		return float64(s.Result.Bytes) / 1e6 / s.Result.ServerCPU.Seconds(), true
	}
	// rate is MB each second, of runs that were cut off too.
	rate metric = func(s sample) (float64, bool) {
		if s.Result == nil || s.Result.Elapsed <= 0 {
			return 0, false
		}
		return float64(s.Result.Bytes) / 1e6 / s.Result.Elapsed.Seconds(), true
	}
	peak metric = func(s sample) (float64, bool) {
		if s.Result == nil {
			return 0, false
		}
		return float64(s.Result.Peak) / (1 << 20), true
	}
	busy metric = func(s sample) (float64, bool) {
		if s.Result == nil {
			return 0, false
		}
		return percent(s.Result.ServerCPU, s.Result.Elapsed), true
	}
	loadBusy metric = func(s sample) (float64, bool) {
		if s.Result == nil {
			return 0, false
		}
		return percent(s.Result.LoadCPU, s.Result.Elapsed), true
	}
)

func percent(part, of time.Duration) float64 { return 100 * float64(part) / float64(of) }

// perTransfer is the growth of the server's memory by a transfer, in KiB.
func perTransfer(clients int) metric {
	return func(s sample) (float64, bool) {
		if s.Result == nil || s.Result.Peak == 0 {
			return 0, false
		}
		return float64(s.Result.Peak-s.Result.Rest) / 1024 / float64(clients), true
	}
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

// median of a metric over the rounds; none when most rounds have no figure.
func (all runs) median(row, server string, m metric) (float64, bool) {
	var list []float64
	for _, v := range all.values(row, server, m) {
		list = append(list, v)
	}
	if 2*len(list) <= all.rounds(row, server)-len(list) {
		return 0, false
	}
	return median(list)
}

// rounds is how often a server was measured.
func (all runs) rounds(row, server string) (n int) {
	for _, s := range all {
		if s.Row == row && s.Server == server {
			n++
		}
	}
	return n
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

// last is a run of a server that has a result.
func (all runs) last(row, server string) *sample {
	for _, s := range slices.Backward(all) {
		if s.Row == row && s.Server == server && s.Result != nil {
			return &s
		}
	}
	return nil
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
func (s sample) summary() string {
	if s.Failed != "" {
		return "FAILED: " + s.Failed
	}
	figure := func(m metric) float64 { v, _ := m(s); return v }
	text := fmt.Sprintf("%7.3f s  %5.0f MB/CPU-s  busy %3.0f %%, load %3.0f %%  peak %.1f MiB", s.Result.Elapsed.Seconds(), figure(perCPU), figure(busy), figure(loadBusy), figure(peak))
	if s.Result.Failed > 0 {
		text += fmt.Sprintf("  %d NOT COMPLETE: %s", s.Result.Failed, s.Result.FirstError)
	}
	return text
}
