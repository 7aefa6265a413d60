package peers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var helloFolder string // where the program is built, removed by TestMain

func TestMain(m *testing.M) {
	var err error
	if helloFolder, err = os.MkdirTemp("", "burrow-peers-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(helloFolder)
	os.Exit(code)
}

// buildHello builds the program that wrk and h2load meet, once.
var buildHello = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	bin := filepath.Join(helloFolder, "hello")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/burrownet/burrow/examples/hello").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

// hello starts the program with the flags given and returns its address.
func hello(t *testing.T, flags ...string) (addr string) {
	t.Helper()
	bin, err := buildHello()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cmd := exec.Command(bin, append([]string{"-listen", "127.0.0.1:0"}, flags...)...)
	cmd.Stderr = w
	t.Cleanup(func() { // after the program was stopped
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("hello %q: exit code %d after SIGTERM, want 0", flags, code)
		}
	})
	start(t, cmd)
	w.Close()
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	talk := bufio.NewReader(r)
	for {
		line, err := talk.ReadString('\n')
		if err != nil {
			t.Fatalf("hello %q did not say where it listens: %v", flags, err)
		}
		if _, rest, ok := strings.Cut(strings.TrimSpace(line), "listening on "); ok {
			r.SetReadDeadline(time.Time{})
			go io.Copy(io.Discard, talk)
			return rest
		}
	}
}

// eachHello runs a test on the program as it serves on every driver, by
// net/http's interface and on the fast path. The tests run one after another:
// they are about load.
func eachHello(t *testing.T, test func(t *testing.T, flags []string)) {
	t.Helper()
	for _, driver := range []string{"auto", "goroutine"} {
		for _, native := range []bool{false, true} {
			flags := []string{"-driver", driver, fmt.Sprintf("-native=%v", native)}
			t.Run(fmt.Sprintf("%s,native=%v", driver, native), func(t *testing.T) { test(t, flags) })
		}
	}
}
