package main

import (
	"math/bits"
	"time"

	"github.com/burrownet/burrow/bench/internal/report"
)

// The histogram is logarithmic with linear steps: values below linear are
// exact, and every power of two above is cut into linear/2 equal steps. A
// value is known to one part in linear/2: 1.6 %.
const (
	linearBits = 7
	linear     = 1 << linearBits
	slots      = (64-linearBits)*linear/2 + linear
)

// histogram counts durations. The zero value is empty. One owner at a time.
type histogram struct {
	counts [slots]uint32
	total  uint64
	max    uint64
}

func slot(v uint64) int {
	if v < linear {
		return int(v)
	}
	shift := bits.Len64(v) - linearBits
	return shift*linear/2 + int(v>>shift)
}

// top is the greatest value that falls into slot i.
func top(i int) uint64 {
	if i < linear {
		return uint64(i)
	}
	shift := i/(linear/2) - 1
	return uint64(i-shift*linear/2+1)<<shift - 1
}

// add counts n times the duration d; a negative one counts as 0.
func (h *histogram) add(d time.Duration, n int) {
	v := uint64(max(d, 0))
	h.counts[slot(v)] += uint32(n)
	h.total += uint64(n)
	h.max = max(h.max, v)
}

// merge adds what other has counted.
func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// quantile returns the least value that at least q (0..1) of all values do not
// exceed; 0 when there are none.
func (h *histogram) quantile(q float64) time.Duration {
	want := uint64(q * float64(h.total))
	if float64(want) < q*float64(h.total) {
		want++
	}
	var seen uint64
	for i, n := range h.counts {
		if seen += uint64(n); n > 0 && seen >= want {
			return time.Duration(min(top(i), h.max))
		}
	}
	return time.Duration(h.max)
}

func (h *histogram) latency() report.Latency {
	return report.Latency{
		P50: h.quantile(0.50),
		P90: h.quantile(0.90),
		P99: h.quantile(0.99),
		Max: time.Duration(h.max),
	}
}
