package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestSlotsAreContiguous(t *testing.T) {
	t.Parallel()
	for i := range slots - 1 {
		if got := slot(top(i)); got != i {
			t.Fatalf("slot(top(%d)) = %d", i, got)
		}
		if got := slot(top(i) + 1); got != i+1 {
			t.Fatalf("slot(top(%d)+1) = %d, want %d", i, got, i+1)
		}
	}
	if got := slot(1<<64 - 1); got != slots-1 {
		t.Errorf("slot of the greatest value = %d, want %d", got, slots-1)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(rng.ExpFloat64() * 1e6)
		h.add(d, 1)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))-1]
		got := h.quantile(q)
		if got < want || float64(got) > float64(want)*1.017+1 {
			t.Errorf("quantile(%g) = %d, want %d or up to 1.6 %% more", q, got, want)
		}
	}
	if got, want := h.latency().Max, all[len(all)-1]; got != want {
		t.Errorf("max = %d, want %d", got, want)
	}
	if got := h.quantile(1); got != all[len(all)-1] {
		t.Errorf("quantile(1) = %d, want the greatest value", got)
	}
}

func TestQuantileOfNothing(t *testing.T) {
	t.Parallel()
	if got := new(histogram).quantile(0.99); got != 0 {
		t.Errorf("quantile of an empty histogram = %d, want 0", got)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	var a, b histogram
	a.add(10, 3)
	b.add(100, 1)
	a.merge(&b)
	if got, want := [3]any{a.total, a.max, a.quantile(0.75)}, [3]any{uint64(4), uint64(100), time.Duration(10)}; got != want {
		t.Errorf("total, max, p75 = %v, want %v", got, want)
	}
}
