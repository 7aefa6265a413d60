package httpd_test

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every single wait of the suite.
const patience = 5 * time.Second

// behaviour is one thing that every server has to do in the same way.
type behaviour struct {
	name string
	run  func(t *trial)
}

// topics is the whole suite. A behaviour is named TOPIC/NAME.
var topics = []struct {
	name  string
	cases []behaviour
}{
	{"request", requestBehaviours},
	{"refuse", refuseBehaviours},
	{"keepalive", keepAliveBehaviours},
	{"response", responseBehaviours},
	{"framing", framingBehaviours},
	{"body", bodyBehaviours},
	{"upload", uploadBehaviours},
	{"continue", continueBehaviours},
	{"conn", connBehaviours},
	{"hijack", hijackBehaviours},
	{"timeout", timeoutBehaviours},
	{"stream", streamBehaviours},
	{"std", stdBehaviours},
	{"drain", drainBehaviours},
	{"tls", tlsBehaviours},
}

// TestBehaviour runs every behaviour on every server with the same assertions. A server that differs is named in
// differences, with what it does instead: then exactly that is demanded.
func TestBehaviour(t *testing.T) {
	t.Parallel()
	for _, s := range subjects() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, topic := range topics {
				for _, b := range topic.cases {
					name := topic.name + "/" + b.name
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						runTrial(t, s, name, b)
					})
				}
			}
		})
	}
}

// TestBehaviourNames keeps the tables honest: names are unique, and a difference names what exists.
func TestBehaviourNames(t *testing.T) {
	t.Parallel()
	known := make(map[string]bool)
	for _, topic := range topics {
		for _, b := range topic.cases {
			name := topic.name + "/" + b.name
			if known[name] {
				t.Errorf("%s is listed twice", name)
			}
			known[name] = true
		}
	}
	listed := make(map[string]bool)
	for _, d := range differences {
		if !known[d.behaviour] {
			t.Errorf("differences: no behaviour is called %q", d.behaviour)
		}
		if d.got == "" || d.reason == "" {
			t.Errorf("differences: %s on %s lacks what it does or the reason", d.behaviour, d.server)
		}
		if key := d.behaviour + " on " + d.server; listed[key] {
			t.Errorf("differences: %s is listed twice", key)
		} else {
			listed[key] = true
		}
	}
}

// trial is one behaviour being tried on one server. Its Errorf and Fatalf collect, so that the verdict may compare the
// failures with a listed difference. They may be called from any goroutine, Fatalf only from that of the behaviour.
type trial struct {
	*testing.T
	subject subject

	mu       sync.Mutex
	failures []string
}

func (t *trial) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, caller()+fmt.Sprintf(format, args...))
}

// caller names the line of the behaviour that is running, past the helpers of the suite.
func caller() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		file := f.File[strings.LastIndexByte(f.File, '/')+1:]
		if !more || file != "behaviour_test.go" && file != "behaviour_wire_test.go" {
			return fmt.Sprintf("%s:%d: ", file, f.Line)
		}
	}
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// runTrial runs one behaviour on its own goroutine, so that Fatalf can end it without ending the test.
func runTrial(t *testing.T, s subject, name string, b behaviour) {
	tr := &trial{T: t, subject: s}
	t.Cleanup(func() { tr.verdict(differenceOf(name, s.name)) }) // first in, so it runs after the server has ended
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.run(tr)
	}()
	select {
	case <-done:
	case <-time.After(6 * patience):
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		t.Fatalf("still running after %v\n%s", 6*patience, stacks)
	}
}

func (t *trial) verdict(d *difference) {
	t.Helper()
	t.mu.Lock()
	failures := slices.Clone(t.failures)
	t.mu.Unlock()
	if d == nil {
		for _, f := range failures {
			t.T.Error(f)
		}
		return
	}
	if len(failures) == 0 {
		t.T.Errorf("behaves like the others, yet differences says: %q (%s)", d.got, d.reason)
		return
	}
	if first := failures[0]; !strings.Contains(first, d.got) { // what follows the first failure follows from it
		t.T.Errorf("differs in another way than listed (%q):\n%s", d.got, first)
	}
}

// serve starts the server under trial.
func (t *trial) serve(s setup) *site {
	t.Helper()
	return t.subject.start(t.T, s)
}

// handle starts the server under trial with defaults and h.
func (t *trial) handle(h http.HandlerFunc) *site {
	t.Helper()
	return t.serve(setup{Handler: h})
}

// await takes one value from ch, or ends the trial.
func await[T any](t *trial, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// eventually polls until ok says so, or ends the trial.
func (t *trial) eventually(what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("never came true: %s", what)
		}
	}
}

// equal reports a difference between what was got and what is wanted.
func equal[T comparable](t *trial, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, fmt.Sprint(got), fmt.Sprint(want))
	}
}

// say writes values with a space between any two.
func say(v ...any) string { return strings.TrimSuffix(fmt.Sprintln(v...), "\n") }

// pattern returns n bytes without a short period, so that lost or repeated blocks show.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = 'a' + byte(x%26)
	}
	return b
}
