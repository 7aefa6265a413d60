package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wsNode returns node, and the environment in which it finds package ws.
func wsNode(t *testing.T) (node string, env []string) {
	t.Helper()
	node = program(t, "node")
	modules, err := filepath.Abs(filepath.Join("..", "..", ".peers", "npm", "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(modules, "ws")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("npm's ws is not installed: run make peers")
		}
		t.Skip("npm's ws is not installed: run make peers")
	}
	return node, append(os.Environ(), "NODE_PATH="+modules)
}

// wsPython returns a Python that has package websockets: Debian's, or the first of
// PATH.
func wsPython(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(t.Context(), python, "-c", "import websockets").Run() == nil {
			return python
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("python3-websockets is not installed: run make peers")
	}
	t.Skip("python3-websockets is not installed: run make peers")
	return ""
}

// wsPeer is the command that runs a script of testdata.
func wsPeer(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	args = append([]string{filepath.Join("testdata", script)}, args...)
	if strings.HasSuffix(script, ".py") {
		return exec.Command(wsPython(t), args...)
	}
	node, env := wsNode(t)
	cmd := exec.Command(node, args...)
	cmd.Env = env
	return cmd
}

// wsCases is what a client of testdata prints when all went well, but for the ends
// of its last two connections. Our answer to a close frame has its code, and not its
// reason.
func wsCases(mode string) string {
	extension := "permessage-deflate"
	if mode == "none" {
		extension = "none"
	}
	return "sub-protocol chat\nextension " + extension + `
echo ok
fragments ok
ping ok
pinged ok
closed 4001 why
closed 4002
`
}

// runWSClient runs a client of testdata to its end, at most a minute.
func runWSClient(t *testing.T, script, addr, mode string) string {
	t.Helper()
	cmd := wsPeer(t, script, "ws://"+addr+"/", mode)
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer late.Stop()
	var talk buffer
	cmd.Stderr = &talk
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out, &talk)
	}
	return string(out)
}

// wantClosed checks what a server reported of its connections, each of which tells its
// end when it gets to it.
func wantClosed(t *testing.T, closed <-chan string, want ...string) {
	t.Helper()
	var got []string
	for range want {
		select {
		case report := <-closed:
			got = append(got, report)
		case <-time.After(10 * time.Second):
			t.Fatalf("the server has reported %q, want %q", got, want)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	wantText(t, "the server's reports", strings.Join(got, "\n"), strings.Join(want, "\n"))
}

// TestWSNodeClient has npm's ws talk to our server.
func TestWSNodeClient(t *testing.T) {
	t.Parallel()
	eachWS(t, func(t *testing.T, addr, mode string, closed <-chan string) {
		// RFC 6455 7.1.5: a close frame without a code is 1005.
		want := wsCases(mode) + "closed 1005\nclosed 1009\n"
		wantText(t, "what the client saw", runWSClient(t, "ws_client.cjs", addr, mode), want)
		wantClosed(t, closed, "closed 1006", "closed 4001 why", "closed 4002 bye", "closed 1005", "closed 1009")
	})
}

// TestWSPythonClient has Python's websockets talk to our server.
func TestWSPythonClient(t *testing.T) {
	t.Parallel()
	eachWS(t, func(t *testing.T, addr, mode string, closed <-chan string) {
		want := wsCases(mode) + "closed 1000\nclosed 1009\n"
		got := runWSClient(t, "ws_client.py", addr, mode)
		wantText(t, "what the client saw", got, want)
		wantClosed(t, closed, "closed 1000", "closed 4001 why", "closed 4002 bye", "closed 1000", "closed 1009")
	})
}
