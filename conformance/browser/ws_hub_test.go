package browser

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/burrownet/burrow/websocket"
)

var toldHub = regexp.MustCompile(`^ +http://(127\.0\.0\.1:\d+)/$`)

// serveHub starts "burrow ws --listen --hub" on a free port, and gives its address
// and what stops it.
func serveHub(t *testing.T) (addr string, stop func()) {
	t.Helper()
	server := exec.Command(buildBurrow(t), "ws", "--listen", "127.0.0.1:0", "--hub", "--compress")
	talk, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(testLimit, func() { server.Process.Kill() })
	told := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(talk); lines.Scan(); {
			if m := toldHub.FindStringSubmatch(lines.Text()); m != nil {
				told <- m[1]
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		server.Process.Signal(syscall.SIGINT)
		<-ended
		if err := server.Wait(); err != nil {
			t.Errorf("burrow ws --hub: %v", err)
		}
		late.Stop()
	})
	t.Cleanup(stop)
	select {
	case addr = <-told:
	case <-ended:
		t.Fatal("burrow ws --hub ended")
	case <-time.After(20 * time.Second):
		t.Fatal("burrow ws --hub told no URL for 20 s")
	}
	return addr, stop
}

// waitSaid waits until the page shows a line.
func (t tab) waitSaid(line string) {
	t.Helper()
	t.do(chromedp.Poll[chromedp.Void](`[...document.querySelectorAll('#log li')].some(e => e.textContent === ` + quoteJS(line) + `)`))
}

func quoteJS(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }

// TestHubPage has a page, and a program, talk in a room.
func TestHubPage(t *testing.T) {
	t.Parallel()
	addr, stop := serveHub(t)
	page := tab{t, openBrowser(t)}
	page.do(chromedp.Navigate("http://" + addr + "/not%ffutf8"))
	page.visible("#send:enabled")
	if got := page.text("#room"); got != "/not%ffutf8" {
		t.Errorf("the page is of room %q, want /not%%ffutf8", got)
	}
	page.do(chromedp.Navigate("http://" + addr + "/room"))
	page.visible("#send:enabled")
	if got := page.text("#room"); got != "/room" {
		t.Errorf("the page is of room %q, want /room", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := websocket.Dial(ctx, "ws://"+addr+"/room", &websocket.DialOptions{Header: http.Header{"Origin": {"http://" + addr}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()

	page.keys("#name", "Ann")
	page.keys("#text", "<b>hello</b>"+kb.Enter)
	page.waitSaid("Ann: <b>hello</b>")
	if _, data, err := c.Read(ctx); err != nil || string(data) != "Ann: <b>hello</b>" {
		t.Errorf("the program got %q, %v", data, err)
	}
	if err := c.Write(ctx, websocket.MessageText, []byte("grüße <script>")); err != nil {
		t.Fatal(err)
	}
	page.waitSaid("grüße <script>")
	if err := c.Write(ctx, websocket.MessageBinary, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	page.waitSaid("binary, 3 bytes")
	if got := eval[int](page, `document.querySelectorAll('#log b, #log script').length`); got != 0 {
		t.Errorf("%d elements of a message became elements of the page", got)
	}
	if shots := os.Getenv("SHOTS"); shots != "" {
		takeHubShots(page, shots)
	}
	stop()
	page.waitSaid("closed: 1001 ")
	page.visible("#send:disabled")
}

func takeHubShots(t tab, folder string) {
	t.Helper()
	for device, phone := range map[string]bool{"phone": true, "desktop": false} {
		for _, scheme := range []string{"light", "dark"} {
			t.screen(phone, scheme)
			file := filepath.Join(folder, "hub-"+device+"-"+scheme+".png")
			if err := os.WriteFile(file, ask(t, chromedp.CaptureScreenshot()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
