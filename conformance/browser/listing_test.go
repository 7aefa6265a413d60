package browser

import (
	"bytes"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// sharedFile is one file of the folder that is opened.
type sharedFile struct {
	name string
	size int
	day  int // of January 2026
}

// shared is a folder as people have one. Sizes and dates order differently from
// the names.
var shared = []sharedFile{
	{"Holiday 2.jpg", 2_480_113, 7},
	{"Holiday 10.jpg", 3_120_554, 9},
	{"budget.xlsx", 48_211, 21},
	{"interview.mp3", 9_300_400, 3},
	{"notes.md", 1_204, 22},
	{"backup-2026-01.tar.gz", 15_400_321, 20},
	{"firmware.bin", 524_288, 2},
	{"README", 812, 1},
	{"Übersicht & Plan <v2>.pdf", 180_022, 17},
	{"a name that goes on and on_without_any_place_to_break_it_because_some_program_thought_that_was_a_good_idea_final_FINAL(3).docx", 20_480, 11},
	{"clip.webm", 7_340_032, 14},
	{"empty.log", 0, 5},
}

// sharedFolders come first, whatever the order.
var sharedFolders = []string{"Music", "projects"}

// bySize is the order by size, the smallest first.
var bySize = []string{
	"empty.log", "README", "notes.md", shared[9].name, "budget.xlsx", shared[8].name, "firmware.bin", "Holiday 2.jpg",
	"Holiday 10.jpg", "clip.webm", "interview.mp3", "backup-2026-01.tar.gz",
}

func makeShared(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	noise := rand.NewChaCha8([32]byte{1})
	for _, f := range shared {
		content := make([]byte, f.size)
		noise.Read(content)
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		modified := time.Date(2026, 1, f.day, 10, 20, 30, 0, time.UTC)
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range sharedFolders {
		path := filepath.Join(dir, name, "deeper still")
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "song.ogg"), []byte("la la"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// names are the names shown, from top to bottom.
func names(t tab) []string {
	t.Helper()
	return eval[[]string](t, `[...document.querySelectorAll('#entries tr:not([hidden]) .name')].map(e => e.textContent)`)
}

func wantNames(t tab, when string, want ...string) {
	t.Helper()
	if got := names(t); !slices.Equal(got, want) {
		t.Errorf("%s: got\n  %s\nwant\n  %s", when, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// open loads a page.
func (t tab) open(url string) {
	t.Helper()
	t.do(chromedp.Navigate(url))
	t.visible("#entries")
}

func TestListing(t *testing.T) {
	t.Parallel()
	dir := makeShared(t)
	url := serve(t, buildBurrow(t), dir)
	ctx := openBrowser(t)
	console, stopConsole := iter.Pull2(chromedp.Console(ctx))
	defer stopConsole()
	for _, test := range []struct {
		name string
		run  func(tab, string, string)
	}{
		{"sort", testSort},
		{"filter", testFilter},
		{"walk", testWalk},
		{"phone", testPhone},
		{"dark", testDark},
		{"download", testDownload},
	} {
		t.Run(test.name, func(t *testing.T) {
			page := tab{t, ctx}
			page.screen(false, "light")
			page.open(url)
			test.run(page, url, dir)
		})
	}
	// What the page itself writes marks the end of what the browser had to say:
	// a broken Content-Security-Policy, or an error in the script.
	page := tab{t, ctx}
	eval[any](page, `console.log("the end")`)
	for {
		message, err, ok := console()
		if err != nil || !ok {
			t.Fatal("the console ended:", err)
		}
		if message.Text == "the end" {
			break
		}
		t.Errorf("the browser objects: %s", message)
	}
	if shots := os.Getenv("SHOTS"); shots != "" {
		takeShots(page, url, shots)
	}
}

// foldersThen are the folders and then files.
func foldersThen(files []string) []string { return append(slices.Clone(sharedFolders), files...) }

func testSort(t tab, url, _ string) {
	greatestFirst := slices.Clone(bySize)
	slices.Reverse(greatestFirst)
	t.click(`th.size a`)
	wantNames(t, "greatest first", foldersThen(greatestFirst)...)
	t.click(`th.size a`)
	wantNames(t, "smallest first", foldersThen(bySize)...)
	if got := ask(t, chromedp.AttributeValue(chromedp.CSS(`th.size`), "aria-sort")).Value; got != "ascending" {
		t.Errorf("aria-sort: got %q, want ascending", got)
	}
	if got, want := ask(t, chromedp.Location()), url+"?order=asc&sort=size"; got != want {
		t.Errorf("address: got %s, want %s", got, want)
	}
	t.do(chromedp.Reload())
	t.visible("#entries")
	wantNames(t, "loaded again: sorted by the server", foldersThen(bySize)...)
	t.click(`th.name a`)
	if got, want := strings.Join(names(t)[:5], "|"), "Music|projects|"+shared[9].name+"|backup-2026-01.tar.gz|budget.xlsx"; got != want {
		t.Errorf("by name: got %s, want %s", got, want)
	}
	t.click(`th.date a`)
	if got, want := strings.Join(names(t)[2:5], "|"), "notes.md|budget.xlsx|backup-2026-01.tar.gz"; got != want {
		t.Errorf("newest first: got %s, want %s", got, want)
	}
}

func testFilter(t tab, _, _ string) {
	t.keys(`#filter`, "HOLI")
	wantNames(t, "filtered", "Holiday 2.jpg", "Holiday 10.jpg")
	if got := t.text(`#summary`); got != "2 of 14" {
		t.Errorf("count: got %q, want 2 of 14", got)
	}
	t.keys(`#filter`, "zzz")
	wantNames(t, "nothing matches")
	t.visible(`#empty`)
	t.keys(`#filter`, kb.Escape)
	if got := len(names(t)); got != 14 {
		t.Errorf("filter cleared: got %d names, want 14", got)
	}
}

// testWalk goes down by names and up by the crumbs.
func testWalk(t tab, url, _ string) {
	t.click(`a[href="./Music/"]`)
	t.visible(`a[href="./deeper%20still/"]`)
	t.click(`a[href="./deeper%20still/"]`)
	t.visible(`a[href="./song.ogg"]`)
	if got, want := ask(t, chromedp.Location()), url+"Music/deeper%20still/"; got != want {
		t.Errorf("down: got %s, want %s", got, want)
	}
	if got := t.text(`nav`); !strings.Contains(got, "Music") || !strings.Contains(got, "deeper still") {
		t.Errorf("crumbs: got %q", got)
	}
	t.click(`nav a:nth-of-type(2)`)
	t.visible(`a[href="./deeper%20still/"]`)
	if got, want := ask(t, chromedp.Location()), url+"Music/"; got != want {
		t.Errorf("up: got %s, want %s", got, want)
	}
	t.click(`nav a.home`)
	t.visible(`#filter`)
	if got := ask(t, chromedp.Location()); got != url {
		t.Errorf("home: got %s, want %s", got, url)
	}
}

func testPhone(t tab, url, _ string) {
	t.screen(true, "light")
	t.open(url)
	widths := eval[[]int](t, `[document.documentElement.scrollWidth, window.innerWidth]`)
	if widths[0] > widths[1] || widths[1] != 390 {
		t.Errorf("the page is %d wide, the screen %d of 390", widths[0], widths[1])
	}
	// What a finger has to hit: 24 CSS pixels at least (WCAG 2.2, 2.5.8).
	if small := eval[[]string](t, `[...document.querySelectorAll('table a')].filter(a => a.offsetHeight < 24).map(a => a.textContent)`); len(small) > 0 {
		t.Errorf("too small for a finger: %q", small)
	}
}

func testDark(t tab, _, _ string) {
	const brightness = `getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)`
	light := eval[int](t, brightness)
	t.screen(false, "dark")
	if dark := eval[int](t, brightness); light < 600 || dark > 150 {
		t.Errorf("background (0 black, 765 white): light %d, dark %d", light, dark)
	}
}

func testDownload(t tab, _, dir string) {
	const name = "backup-2026-01.tar.gz"
	downloads, events := t.TempDir(), true
	if _, err := chromedp.Call(t.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior:      browser.SetDownloadBehaviorBehaviorAllowAndName,
		DownloadPath:  downloads,
		EventsEnabled: &events,
	}); err != nil {
		t.Fatal(err)
	}
	end := ask(t, chromedp.WaitEvent(browser.DownloadProgress, func(e browser.EventDownloadProgress) bool {
		return e.State != browser.DownloadProgressStateInProgress
	}, chromedp.Click(chromedp.CSS(`a[href="./`+name+`"]`))))
	if end.State != browser.DownloadProgressStateCompleted {
		t.Fatalf("the download was %s", end.State)
	}
	got, err := os.ReadFile(filepath.Join(downloads, end.GUID))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("downloaded %d bytes that are not the %d of the file", len(got), len(want))
	}
}

func takeShots(t tab, url, folder string) {
	t.Helper()
	for device, phone := range map[string]bool{"phone": true, "desktop": false} {
		for _, scheme := range []string{"light", "dark"} {
			t.screen(phone, scheme)
			for name, path := range map[string]string{"listing": "", "folder": "Music/deeper%20still/", "missing": "nothing"} {
				t.do(chromedp.Navigate(url + path))
				file := filepath.Join(folder, name+"-"+device+"-"+scheme+".png")
				if err := os.WriteFile(file, ask(t, chromedp.CaptureScreenshot()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
