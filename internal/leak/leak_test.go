package leak

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"time"
)

// leakEnv makes the re-executed test binary leave a goroutine behind.
const leakEnv = "LEAK_TEST_LEAVE_ONE"

func TestMain(m *testing.M) { Main(m) }

func waitForever(stop chan struct{}) { <-stop }

// The tests are not parallel: what one starts would be left over for another.

func TestRunFindsGoroutine(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	var out bytes.Buffer
	code := run(func() int { go waitForever(stop); return 0 }, &out, 20*time.Millisecond)
	if code != 1 {
		t.Errorf("code = %d, want 1", code)
	}
	for _, want := range []string{"after the last test: 1\n", "leak.waitForever", "leak_test.go:", "created by"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, out.String())
		}
	}
}

func TestRunWaits(t *testing.T) {
	stop := make(chan struct{})
	var out bytes.Buffer
	code := run(func() int {
		go waitForever(stop)
		time.AfterFunc(50*time.Millisecond, func() { close(stop) })
		return 0
	}, &out, 10*time.Second)
	if code != 0 || out.Len() != 0 {
		t.Errorf("code = %d, want 0; output:\n%s", code, out.String())
	}
}

func TestRunIgnores(t *testing.T) {
	stop := make(chan struct{})
	go waitForever(stop) // before the run
	defer close(stop)
	signals := make(chan os.Signal, 1)
	defer signal.Stop(signals)
	var out bytes.Buffer
	code := run(func() int {
		signal.Notify(signals, os.Interrupt) // starts a goroutine that stays
		runtime.GC()
		return 0
	}, &out, 20*time.Millisecond)
	if code != 0 {
		t.Errorf("code = %d, want 0; output:\n%s", code, out.String())
	}
}

func TestRunKeepsCode(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	var out bytes.Buffer
	code := run(func() int { go waitForever(stop); return 7 }, &out, 20*time.Millisecond)
	if code != 7 || out.Len() != 0 {
		t.Errorf("code = %d, want 7 and no output; output:\n%s", code, out.String())
	}
}

// TestMainFails runs this binary again with a test that leaves a goroutine.
func TestMainFails(t *testing.T) {
	if os.Getenv(leakEnv) != "" {
		go waitForever(make(chan struct{}))
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMainFails$", "-test.v")
	cmd.Env = append(os.Environ(), leakEnv+"=1")
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code = %d (%v), want 1", code, err)
	}
	for _, want := range []string{"--- PASS: TestMainFails", "leak: goroutines left 2s after the last test: 1\n", "leak.waitForever"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
}

func TestEntry(t *testing.T) {
	const dump = `goroutine 1 [running]:
main.main()
	/a.go:1 +0x1

goroutine 22 [chan receive, 2 minutes]:
net.read(0x1)
	/net.go:3 +0x2
main.worker.func1()
	/a.go:5 +0x2
created by main.worker in goroutine 1
	/a.go:4 +0x1

goroutine 23 [runnable]:
main.fresh.gowrap1()
	/a.go:7
runtime.goexit({})
	/asm.s:1 +0x1
created by main.fresh in goroutine 1
	/a.go:7 +0x9
`
	gs := parseStacks(dump)
	if len(gs) != 3 {
		t.Fatalf("%d goroutines, want 3", len(gs))
	}
	if got, want := gs[2].entry(), "main.fresh.gowrap1()"; got != want {
		t.Errorf("entry of one that has not run = %q, want %q", got, want)
	}
	if got, want := gs[1].id, "22"; got != want {
		t.Errorf("id = %q, want %q", got, want)
	}
	if got, want := gs[1].entry(), "main.worker.func1()"; got != want {
		t.Errorf("entry = %q, want %q", got, want)
	}
	if gs[1].background() {
		t.Error("background, want not")
	}
}

func TestFDs(t *testing.T) {
	before := FDs()
	if runtime.GOOS != "linux" {
		if before != -1 {
			t.Errorf("FDs = %d, want -1", before)
		}
		return
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := FDs(), before+1; got != want {
		t.Errorf("FDs with one more open = %d, want %d", got, want)
	}
	f.Close()
	if got := FDs(); got != before {
		t.Errorf("FDs after Close = %d, want %d", got, before)
	}
}
