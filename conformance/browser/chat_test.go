package browser

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// buildChat builds the example.
func buildChat(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "chat")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./examples/chat")
	_, file, _, _ := runtime.Caller(0)
	build.Dir = filepath.Join(filepath.Dir(file), "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

var toldChat = regexp.MustCompile(`^chat: listening on http://(.*)/$`)

// serveChat starts the example, and gives its address and what stops it.
func serveChat(t *testing.T, binary, listen string) (addr string, stop func()) {
	t.Helper()
	server := exec.Command(binary, "-listen", listen)
	talk, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(testLimit, func() { server.Process.Kill() })
	told, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(talk); lines.Scan(); {
			if m := toldChat.FindStringSubmatch(lines.Text()); m != nil {
				told <- m[1]
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		server.Process.Signal(syscall.SIGINT)
		<-ended
		if err := server.Wait(); err != nil {
			t.Errorf("chat: %v", err)
		}
		late.Stop()
	})
	t.Cleanup(stop)
	select {
	case addr = <-told:
	case <-ended:
		t.Fatal("chat ended")
	case <-time.After(20 * time.Second):
		t.Fatal("chat told no URL for 20 s")
	}
	return addr, stop
}

// shows waits until an element that the selector finds has exactly that text.
func (t tab) shows(selector, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, 20*time.Second)
	defer cancel()
	poll := chromedp.Poll[chromedp.Void](`[...document.querySelectorAll(` + quoteJS(selector) + `)].some(e => e.textContent === ` + quoteJS(text) + `)`)
	if err := chromedp.Do(ctx, poll); err != nil {
		t.Fatalf("no %s is %q: %v; the page says:\n%s", selector, text, err, t.text("body"))
	}
}

// count is how many elements the selector finds with that text.
func (t tab) count(selector, text string) int {
	t.Helper()
	return eval[int](t, `[...document.querySelectorAll(`+quoteJS(selector)+`)].filter(e => e.textContent === `+quoteJS(text)+`).length`)
}

// enter fills in the first form.
func (t tab) enter(name, room string) {
	t.Helper()
	t.visible("#join")
	t.do(chromedp.SetValue(chromedp.CSS("#name"), name), chromedp.SetValue(chromedp.CSS("#room"), room))
	t.click("#join")
	t.visible("#send:enabled")
}

func (t tab) say(text string) {
	t.Helper()
	t.keys("#text", text+kb.Enter)
}

const saidText = "#log .said .text"

// TestChat has two windows talk: with each other, through an end of the server, and
// of one of them.
func TestChat(t *testing.T) {
	t.Parallel()
	binary := buildChat(t)
	addr, stop := serveChat(t, binary, "127.0.0.1:0")
	ann := tab{t, openBrowser(t)}
	ann.do(chromedp.Navigate("http://" + addr + "/#tea"))
	second, cancel := chromedp.NewContext(ann.ctx, chromedp.WithNewBrowserContext())
	defer cancel()
	bob := tab{t, second}
	bob.do(chromedp.Navigate("http://" + addr + "/"))
	ann.screen(false, "light")
	bob.screen(true, "dark")
	shot(bob, "chat-enter-phone-dark")

	ann.visible("#join")
	if got := eval[string](ann, `document.getElementById('room').value`); got != "tea" {
		t.Errorf("the link leads to room %q, want tea", got)
	}
	ann.enter("Ann", "tea")
	bob.enter("Bob", "Tea")
	ann.shows("#log .note", "Bob has come.")
	for _, page := range []tab{ann, bob} {
		page.shows("#title", "#tea")
		page.shows("#count", "2 people here")
		page.shows("#people li", "Ann")
		page.shows("#people li", "Bob")
		page.shows("#state", "connected")
	}
	talk(ann, bob)
	shot(ann, "chat-desktop-light")
	shot(bob, "chat-phone-dark")
	bob.click("#show-people")
	shot(bob, "chat-people-phone-dark")
	bob.click("#show-people")

	bob.click("#out")
	ann.shows("#log .note", "Bob has left.")
	ann.shows("#count", "Only you are here")
	ann.say("alone now")
	bob.enter("Bob", "tea")
	bob.shows(saidText, "alone now")
	bob.shows(saidText, "<b>hello</b> <img src=x onerror=alert(1)>")
	restart(ann, bob, stop, func() { serveChat(t, binary, addr) })
}

// talk has each see what the other says, as text.
func talk(ann, bob tab) {
	ann.Helper()
	const evil = "<b>hello</b> <img src=x onerror=alert(1)>"
	ann.say(evil)
	bob.shows(saidText, evil)
	ann.shows("#log .said.mine .text", evil)
	bob.say("grüße, & good evening")
	ann.shows(saidText, "grüße, & good evening")
	ann.shows("#log .said:not(.mine) .who", "Bob")
	bob.say("Is anybody else coming? I have put the kettle on, and there is enough cake for five of us at least, if nobody has eaten it in the meantime.")
	ann.say("Eve said that she would be late.")
	ann.say("She always is.")
	bob.shows(saidText, "She always is.")
	for _, page := range []tab{ann, bob} {
		if n := eval[int](page, `document.querySelectorAll('#log b, #log img').length`); n != 0 {
			page.Errorf("%d elements of a message became elements of the page", n)
		}
	}
}

// restart ends the server and starts it again: the pages come back by themselves, and
// keep what they have shown.
func restart(ann, bob tab, stop, start func()) {
	ann.Helper()
	stop()
	for _, page := range []tab{ann, bob} {
		page.visible("#state[data-state=lost]")
		page.visible("#send:disabled")
	}
	ann.say("typed too early") // stays in the field
	if ann.count(saidText, "typed too early") != 0 {
		ann.Error("a message counts as said that was not sent")
	}
	shot(ann, "chat-lost-desktop-light")
	start()
	for _, page := range []tab{ann, bob} {
		page.visible("#state[data-state=connected]")
		page.shows("#log .note", "You are back.")
		page.shows("#count", "2 people here")
	}
	ann.say("")
	bob.shows(saidText, "typed too early")
	bob.say("still here")
	ann.shows(saidText, "still here")
	for text, want := range map[string]int{"alone now": 1, "typed too early": 1, "still here": 1} {
		if got := ann.count(saidText, text); got != want {
			ann.Errorf("%q stands there %d times, want %d", text, got, want)
		}
	}
}

// shot leaves a screenshot in the folder SHOTS.
func shot(t tab, name string) {
	t.Helper()
	folder := os.Getenv("SHOTS")
	if folder == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), ask(t, chromedp.CaptureScreenshot()), 0o644); err != nil {
		t.Fatal(err)
	}
}
