package peers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program returns the path of an installed peer. Without it the test ends
// here: a failure in CI, a skip elsewhere.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed: run make peers", name)
	}
	t.Skipf("%s is not installed: run make peers", name)
	return ""
}

// run runs a peer to its end, at most 30 seconds, and returns what it printed
// on stdout and on stderr. It fails the test when the peer fails.
func run(t *testing.T, stdin io.Reader, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(ctx, program(t, name), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &talk
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, &out, &talk)
	}
	return out.String(), talk.String()
}

// start starts a program that serves until the test ends, then stops it and
// fails the test when it does not stop. Its output appears when the test fails.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	talk := &buffer{}
	if cmd.Stderr == nil {
		cmd.Stderr = talk
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		if err := stop(cmd.Process, done); err != nil {
			t.Errorf("%s: %v", cmd.Path, err)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, talk)
		}
	})
}

// stop ends a process: politely, then surely.
func stop(p *os.Process, done <-chan struct{}) error {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-done:
		return nil
	case <-time.After(5 * time.Second):
		p.Kill()
		<-done
		return errors.New("still there 5 s after SIGTERM: killed")
	}
}

// listener opens a free loopback port for a peer that takes over its socket as
// descriptor 3. Connections wait in it until the peer accepts them.
func listener(t *testing.T) (addr string, file *os.File) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err = ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return ln.Addr().String(), file
}

// write puts a file into the folder and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// buffer is a bytes.Buffer that a process fills while a test reads it.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
