package tftp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	generous  = caps{blockSize: maxBlockSize, window: 64}
	simulated = pace{first: time.Second, least: 50 * time.Millisecond, silence: 5 * time.Minute, total: time.Hour}
)

// shapes are the transfers that each fault is tried on, by seed.
func shape(seed uint64, f faults) *voyage {
	rng := rand.New(rand.NewPCG(seed, 3))
	v := &voyage{seed: seed, faults: f, stingy: generous, pace: simulated, write: seed%2 == 1}
	v.size = rng.IntN(4000)
	block := 8 + rng.IntN(60)
	switch seed / 2 % 5 {
	case 0: // no options: 512, lock-step
		v.size *= 5
	case 1:
		v.options = options{{"blksize", fmt.Sprint(block)}}
	case 2:
		v.options = options{{"tsize", "0"}, {"blksize", fmt.Sprint(block)}, {"windowsize", fmt.Sprint(2 + rng.IntN(15))}}
	case 3:
		v.options = options{{"windowsize", "64"}, {"blksize", fmt.Sprint(block)}, {"utimeout", "300000"}}
		v.stingy = caps{blockSize: 33, window: 4, ignore: []string{"utimeout"}}
	case 4: // across the end of the block numbers
		v.options = options{{"blksize", fmt.Sprint(block)}, {"windowsize", fmt.Sprint(1 + rng.IntN(8))}}
		if seed%3 == 0 {
			v.options = append(v.options, option{"rollover", "1"})
		}
		v.start = lastNumber - uint64(rng.IntN(40))
		v.size = (40 + rng.IntN(40)) * block
	}
	return v
}

// TestSimulator moves a thousand files through each fault, and through all.
func TestSimulator(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]faults{
		"clean":     {},
		"loss":      {loss: 0.2},
		"duplicate": {duplicate: 0.3},
		"reorder":   {reorder: 0.3},
		"delay":     {delay: 1500 * time.Millisecond},
		"all":       {loss: 0.1, duplicate: 0.1, reorder: 0.2, delay: 30 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(1000) {
				v := shape(seed, f)
				v.run().check(t, fmt.Sprintf("seed %d, write %v, %d bytes, %v", seed, v.write, v.size, v.options))
			}
		})
	}
}

// TestSimulatorDeadNetwork shows that a transfer over a network that is dead,
// or dies, ends, and when.
func TestSimulatorDeadNetwork(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		v := shape(seed, faults{loss: 1})
		v.pace = pace{first: time.Second, least: 50 * time.Millisecond, silence: 30 * time.Second, total: time.Minute}
		if w := v.run(); w.err != errSilent || w.now != 30*time.Second {
			t.Fatalf("seed %d: ended after %v with %v", seed, w.now, w.err)
		}
		v = shape(seed, faults{loss: 0.7, delay: time.Second})
		v.size = 1 << 15
		v.pace = pace{first: time.Second, least: 50 * time.Millisecond, silence: 40 * time.Second, total: time.Minute}
		if w := v.run(); w.err == nil || w.now > time.Minute {
			t.Fatalf("seed %d: ended after %v with %v", seed, w.now, w.err)
		}
	}
}

// TestNoSorcerersApprentice: where every packet arrives twice, RFC 1123 4.2.3.1
// wants no block sent twice.
func TestNoSorcerersApprentice(t *testing.T) {
	t.Parallel()
	for _, window := range []string{"1", "2", "16"} {
		for _, write := range []bool{false, true} {
			v := &voyage{
				seed: 1, faults: faults{duplicate: 1}, write: write, stingy: generous, pace: simulated,
				options: options{{"blksize", "16"}, {"windowsize", window}}, size: 16 * 500,
			}
			w := v.run()
			w.check(t, "window "+window)
			if w.s.retries != 0 {
				t.Errorf("window %s, write %v: %d blocks sent again, want none", window, write, w.s.retries)
			}
		}
	}
}

// TestLossIsMendedQuickly: a lost block in a window costs a round trip, not a
// time-out, and no transfer sends much more than it has to.
func TestLossIsMendedQuickly(t *testing.T) {
	t.Parallel()
	v := &voyage{
		faults: faults{loss: 0.01}, stingy: generous, pace: simulated,
		options: options{{"blksize", "16"}, {"windowsize", "16"}}, size: 16 * 2000,
	}
	for v.seed = range 50 {
		w := v.run()
		w.check(t, "loss")
		if most := 2000 * 15 / 10; w.packets > most {
			t.Errorf("seed %d: %d packets, want at most %d", v.seed, w.packets, most)
		}
		if w.now > 5*time.Second {
			t.Errorf("seed %d: %v", v.seed, w.now)
		}
	}
}

// TestRolloverToOneIsTolerated: a sender that goes on with 1 without a word
// about it, in lock-step, where that can be told.
func TestRolloverToOneIsTolerated(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		v := &voyage{
			seed: seed, faults: faults{loss: 0.1, duplicate: 0.1, reorder: 0.1, delay: 20 * time.Millisecond},
			stingy: caps{blockSize: 16, window: 1, rollover: rolloverOne}, pace: simulated,
			options: options{{"blksize", "16"}}, size: 16*60 + int(seed%16), start: lastNumber - 30,
		}
		w := v.run()
		w.check(t, fmt.Sprint("seed ", seed))
		if w.r.rollover != rolloverOne {
			t.Fatalf("seed %d: the receiver took rollover %d", seed, w.r.rollover)
		}
	}
}
