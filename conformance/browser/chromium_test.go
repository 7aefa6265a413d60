package browser

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// testLimit bounds one test, with the start of its browser.
const testLimit = 90 * time.Second

// chromium finds the browser; where there is none the test is skipped, and
// fails in CI.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("chromium is missing: run \"make peers\"")
	}
	t.Skip("chromium is not installed (\"make peers\" does it)")
	return ""
}

// openBrowser starts a browser with an empty profile and gives a context for
// its one tab.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// tab is the browser as the tests use it: what fails ends the test.
type tab struct {
	*testing.T
	ctx context.Context
}

// do runs steps.
func (t tab) do(steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(t.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// ask runs what has an answer.
func ask[A any](t tab, a chromedp.Action[A]) A {
	t.Helper()
	answer, err := chromedp.Run(t.ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (t tab) click(selector string) {
	t.Helper()
	t.do(chromedp.Click(chromedp.CSS(selector)))
}

func (t tab) visible(selector string) {
	t.Helper()
	t.do(chromedp.WaitVisible(chromedp.CSS(selector)))
}

func (t tab) keys(selector, keys string) {
	t.Helper()
	t.do(chromedp.SendKeys(chromedp.CSS(selector), keys))
}

func (t tab) text(selector string) string {
	t.Helper()
	return ask(t, chromedp.Text(chromedp.CSS(selector)))
}

// eval is what a script expression is.
func eval[A any](t tab, expression string) A {
	t.Helper()
	return ask(t, chromedp.Evaluate[A](expression))
}

// screen makes the page look as on a device: phone or desktop, light or dark.
func (t tab) screen(phone bool, scheme string) {
	t.Helper()
	view := chromedp.EmulateViewport(1280, 800)
	if phone {
		view = chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
	}
	t.do(view)
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	if _, err := chromedp.Call(t.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		t.Fatal(err)
	}
}

// buildBurrow builds the command.
func buildBurrow(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "burrow")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/burrow")
	_, file, _, _ := runtime.Caller(0)
	build.Dir = filepath.Join(filepath.Dir(file), "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

var toldURL = regexp.MustCompile(`^ +(http://127\.0\.0\.1:\d+/)$`)

// serve starts "burrow serve dir" on a free port, gives its URL, and ends it
// with the test: by SIGINT, and it has to drain and exit 0.
func serve(t *testing.T, binary, dir string) string {
	t.Helper()
	server := exec.Command(binary, "serve", dir, "--listen", "127.0.0.1:0")
	talk, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	var said strings.Builder
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(talk)
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
			if m := toldURL.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT)
		late := time.AfterFunc(30*time.Second, func() { _ = server.Process.Kill() })
		defer late.Stop()
		<-ended
		if err := server.Wait(); err != nil {
			t.Errorf("burrow serve: %v\n%s", err, said.String())
		}
	})
	select {
	case url := <-found:
		return url
	case <-ended:
		t.Fatalf("burrow serve ended:\n%s", said.String())
	case <-time.After(20 * time.Second):
		t.Fatal("burrow serve told no URL for 20 s")
	}
	return ""
}
