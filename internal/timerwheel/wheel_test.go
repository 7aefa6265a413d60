package timerwheel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestExpiresAtItsTick(t *testing.T) {
	t.Parallel()
	for _, d := range []uint64{1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 262143, 262144, 1 << 20, 1<<24 + 3} {
		for _, start := range []uint64{0, 1, 63, 64, 4095, 123456} {
			var w Wheel[int]
			w.Advance(start, nil)
			n := &Node[int]{Value: 7}
			w.Set(n, start+d)
			w.Advance(start+d-1, func(*Node[int]) { t.Fatalf("start %d, timer %d: expired early", start, d) })
			fired := 0
			w.Advance(start+d, func(n *Node[int]) { fired += n.Value })
			if fired != 7 || n.Linked() || w.Len() != 0 {
				t.Fatalf("start %d, timer %d: fired %d, linked %v, len %d", start, d, fired, n.Linked(), w.Len())
			}
		}
	}
}

func TestBeyondTheHorizon(t *testing.T) {
	t.Parallel()
	var w Wheel[int]
	n := &Node[int]{}
	w.Set(n, 3*horizon)
	w.Advance(3*horizon-1, func(*Node[int]) { t.Fatal("expired early") })
	fired := false
	w.Advance(3*horizon, func(*Node[int]) { fired = true })
	if !fired {
		t.Fatal("did not expire")
	}
}

func TestPastTickExpiresNext(t *testing.T) {
	t.Parallel()
	var w Wheel[int]
	w.Advance(100, nil)
	n := &Node[int]{}
	w.Set(n, 5)
	if n.When() != 101 {
		t.Fatalf("when = %d, want 101", n.When())
	}
}

func TestSetAndStopFromWithin(t *testing.T) {
	t.Parallel()
	var w Wheel[int]
	a, b := &Node[int]{Value: 1}, &Node[int]{Value: 2}
	w.Set(a, 10)
	w.Set(b, 10)
	var got []int
	w.Advance(30, func(n *Node[int]) {
		got = append(got, n.Value)
		w.Stop(b)
		if len(got) < 3 {
			w.Set(a, w.Now()) // the past: one tick later
		}
	})
	if want := []int{1, 1, 1}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// TestAgainstList compares random histories with an obviously right list.
func TestAgainstList(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var w Wheel[int]
		nodes := make([]Node[int], 50)
		due := map[int]uint64{}
		for i := range nodes {
			nodes[i].Value = i
		}
		now := uint64(0)
		for range 300 {
			i := r.IntN(len(nodes))
			switch r.IntN(4) {
			case 0, 1:
				at := now + 1 + r.Uint64N(1<<r.UintN(26))
				w.Set(&nodes[i], at)
				due[i] = at
			case 2:
				w.Stop(&nodes[i])
				delete(due, i)
			case 3:
				now += r.Uint64N(1 << r.UintN(20))
				if next, ok := w.Next(); ok != (len(due) > 0) {
					t.Fatalf("seed %d: Next ok = %v with %d timers", seed, ok, len(due))
				} else if ok {
					for k, at := range due {
						if at < next {
							t.Fatalf("seed %d: Next = %d, but timer %d is due at %d", seed, next, k, at)
						}
					}
				}
				last := uint64(0)
				w.Advance(now, func(n *Node[int]) {
					if at, ok := due[n.Value]; !ok || at != n.When() || at > now || at < last {
						t.Fatalf("seed %d: timer %d expired at %d, due %d (%v), now %d, last %d", seed, n.Value, n.When(), at, ok, now, last)
					}
					last = n.When()
					delete(due, n.Value)
				})
				for k, at := range due {
					if at <= now {
						t.Fatalf("seed %d: timer %d due at %d missed, now %d", seed, k, at, now)
					}
				}
			}
			if w.Len() != len(due) {
				t.Fatalf("seed %d: Len = %d, want %d", seed, w.Len(), len(due))
			}
		}
	}
}

func BenchmarkSet(b *testing.B) {
	var w Wheel[int]
	nodes := make([]Node[int], 1024)
	b.ReportAllocs()
	i := uint64(0)
	for b.Loop() {
		w.Set(&nodes[i%1024], w.Now()+i%10000)
		i++
	}
}
