package leak

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// grace is how long goroutines have to end after the last test.
const grace = 2 * time.Second

// Main runs the tests and exits: with their code when that is not 0, with 1
// when goroutines are left, and else with 0. It does not return.
func Main(m *testing.M) {
	os.Exit(run(m.Run, os.Stderr, grace))
}

// run is Main without the exit.
func run(tests func() int, out io.Writer, wait time.Duration) int {
	before := make(map[string]bool)
	for _, g := range goroutines() {
		before[g.id] = true
	}
	if code := tests(); code != 0 {
		return code
	}
	left := remaining(before, time.Now().Add(wait))
	if len(left) == 0 {
		return 0
	}
	fmt.Fprintf(out, "leak: goroutines left %v after the last test: %d\n\n", wait, len(left))
	for _, g := range left {
		fmt.Fprintf(out, "%s\n\n", g.stack)
	}
	return 1
}

// remaining waits until only known goroutines are left, or the deadline.
func remaining(before map[string]bool, deadline time.Time) []goroutine {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var left []goroutine
		for _, g := range goroutines() {
			if !before[g.id] && !g.background() {
				left = append(left, g)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		<-tick.C
	}
}

// goroutine is one paragraph of a stack dump:
//
//	goroutine 7 [chan receive]:
//	main.worker(0x1)
//		/src/main.go:10 +0x2c
//	created by main.main in goroutine 1
//		/src/main.go:5 +0x1d
type goroutine struct {
	id    string
	stack string
}

// goroutines returns all goroutines but the caller's.
func goroutines() []goroutine {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= 64<<20 {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	return parseStacks(string(buf))[1:] // the caller's comes first
}

func parseStacks(dump string) []goroutine {
	var gs []goroutine
	for stack := range strings.SplitSeq(strings.TrimSpace(dump), "\n\n") {
		rest, ok := strings.CutPrefix(stack, "goroutine ")
		if !ok {
			continue
		}
		id, _, _ := strings.Cut(rest, " ")
		gs = append(gs, goroutine{id: id, stack: stack})
	}
	return gs
}

// background reports whether the goroutine belongs to the standard library and
// stays for as long as the process does.
func (g goroutine) background() bool {
	entry := g.entry()
	for _, prefix := range []string{"runtime.", "runtime/", "testing.", "os/signal.", "internal/synctest."} {
		if strings.HasPrefix(entry, prefix) {
			// A test's own goroutine, or one that waits for its parallel
			// subtests, runs the test's code above this entry; it cannot
			// outlive m.Run.
			return true
		}
	}
	return false
}

// entry is the function that the goroutine began with: the last one above
// "created by". Below it, one that has not run yet shows runtime.goexit.
func (g goroutine) entry() string {
	lines := strings.Split(g.stack, "\n")
	entry := ""
	for _, line := range lines[1:] {
		if strings.HasPrefix(line, "created by ") {
			break
		}
		if !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "runtime.goexit(") {
			entry = line
		}
	}
	return entry
}
