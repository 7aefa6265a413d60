package httpd_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Answers that are long, slow, or come from a file.
var streamBehaviours = []behaviour{
	{"back-pressure", (*trial).streamBackPressure},
	{"events", (*trial).streamEvents},
	{"file", (*trial).streamFile},
	{"file-ranges", (*trial).streamRanges},
	{"file-limited", (*trial).streamFileLimited},
	{"file-slow-reader", (*trial).streamFileSlow},
	{"copy-reader", (*trial).streamCopy},
	{"copy-after-write", (*trial).streamCopyAfterWrite},
	{"copy-beyond-length", (*trial).streamCopyBeyond},
	{"relay-body", (*trial).streamRelay},
}

// streamBackPressure writes 100 MB to a client that does not read: the handler has to wait, and all arrives in the end.
func (t *trial) streamBackPressure() {
	const size, block = 100 << 20, 64 << 10
	var written atomic.Int64
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		b := make([]byte, block)
		for range size / block {
			n, err := w.Write(b)
			if written.Add(int64(n)); err != nil {
				t.Errorf("Write: %v", err)
				return
			}
		}
	})
	w := t.dial(s)
	w.get("/")
	a := w.headTo("GET")
	last, since := int64(-1), time.Now()
	t.eventually("the handler waits for the client", func() bool {
		if now := written.Load(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 100*time.Millisecond
	})
	if last > size/2 {
		t.Errorf("the server took %d of %d bytes from the handler though the client reads nothing", last, size)
	}
	w.SetReadDeadline(time.Now().Add(4 * patience))
	n, err := io.Copy(io.Discard, a.Body)
	equal(t, "received", fmt.Sprint(n, err), fmt.Sprint(size, " <nil>"))
}

func (t *trial) streamEvents() {
	next := make(chan string)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		for {
			select {
			case data := <-next:
				fmt.Fprintf(w, "data: %s\n\n", data)
				if err := rc.Flush(); err != nil {
					t.Errorf("Flush: %v", err)
				}
			case <-r.Context().Done():
				close(next)
				return
			}
		}
	})
	w := t.dial(s)
	w.get("/")
	var a *answer
	for i := range 20 {
		next <- fmt.Sprintf("event %02d", i)
		if a == nil {
			a = w.headTo("GET")
		}
		want := fmt.Sprintf("data: event %02d\n\n", i)
		b := make([]byte, len(want))
		if _, err := io.ReadFull(a.Body, b); err != nil {
			t.Fatalf("event: %v", err)
		}
		equal(t, "event", string(b), want)
	}
	w.Close()
	await(t, "the handler notices that the client left", next)
}

// bigFile writes a file that does not fit into socket buffers.
func (t *trial) bigFile() (name string, content []byte) {
	content = pattern(5<<20 + 17)
	name = filepath.Join(t.TempDir(), "big.bin")
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatalf("file: %v", err)
	}
	return name, content
}

func (t *trial) streamFile() {
	name, content := t.bigFile()
	s := t.handle(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	w := t.dial(s)
	for range 2 {
		w.get("/")
		a := w.answer()
		equal(t, "whole file", fmt.Sprint(a.StatusCode, a.body == string(content), a.err, a.ContentLength, a.TransferEncoding),
			fmt.Sprint(200, true, nil, len(content), []string{}))
	}
	w.send(head("HEAD", "/"))
	equal(t, "HEAD", w.answerTo("HEAD").ContentLength, int64(len(content)))
	w.get("/", "If-Modified-Since: "+time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	w.want(http.StatusNotModified, "")
	w.send("GET / HTTP/1.0\r\n\r\n")
	a := w.answer()
	equal(t, "HTTP/1.0", fmt.Sprint(a.body == string(content), a.err), "true <nil>")
	w.closed()
}

func (t *trial) streamRanges() {
	name, content := t.bigFile()
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		defer f.Close()
		http.ServeContent(w, r, "big.bin", time.Unix(1e9, 0), f)
	})
	w := t.dial(s)
	size := len(content)
	for _, c := range []struct {
		spec     string
		from, to int
	}{{"0-0", 0, 1}, {"0-99999", 0, 100_000}, {"4000000-", 4_000_000, size}, {"-10", size - 10, size}, {"1-4999999", 1, 5_000_000}} {
		w.get("/", "Range: bytes="+c.spec)
		a := w.answer()
		equal(t, c.spec, fmt.Sprint(a.StatusCode, a.body == string(content[c.from:c.to]), a.err), "206 true <nil>")
		equal(t, "Content-Range", a.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", c.from, c.to-1, size))
	}
	w.get("/", "Range: bytes=0-1,10-12")
	a := w.answer()
	equal(t, "multipart", fmt.Sprint(a.StatusCode, strings.HasPrefix(a.Header.Get("Content-Type"), "multipart/byteranges"),
		strings.Contains(a.body, string(content[10:13]))), "206 true true")
	w.get("/", "Range: bytes=99999999-")
	w.wantStatus(http.StatusRequestedRangeNotSatisfiable)
	w.part()
}

// part is one more exchange on a connection that serves ranges.
func (w *wire) part() {
	w.t.Helper()
	w.get("/", "Range: bytes=0-3")
	w.wantStatus(http.StatusPartialContent)
}

func (t *trial) streamFileLimited() {
	name, content := t.bigFile()
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		defer f.Close()
		f.Seek(1000, io.SeekStart)
		w.Header().Set("Content-Length", "3000000")
		n, err := io.CopyN(w, f, 3_000_000)
		equal(t, "CopyN", fmt.Sprint(n, err), "3000000 <nil>")
		if at, _ := f.Seek(0, io.SeekCurrent); at != 3_001_000 {
			t.Errorf("the file is at %d, want 3001000", at)
		}
	})
	w := t.dial(s)
	for range 2 {
		w.get("/")
		w.want(http.StatusOK, string(content[1000:3_001_000]))
	}
}

func (t *trial) streamFileSlow() {
	name, content := t.bigFile()
	s := t.handle(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	w := t.dial(s)
	w.get("/")
	a := w.headTo("GET")
	var got strings.Builder
	for b := make([]byte, 100_000); ; {
		n, err := a.Body.Read(b)
		got.Write(b[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if got.Len()%7 == 0 {
			time.Sleep(time.Millisecond) // a slow reader is what is tested
		}
	}
	equal(t, "content", got.String() == string(content), true)
}

// onlyReader hides everything but Read.
type onlyReader struct{ io.Reader }

func (t *trial) streamCopy() {
	content := string(pattern(1 << 20))
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		size := len(content)
		if r.URL.Path == "/small" {
			size = 100
		}
		n, err := io.Copy(w, onlyReader{strings.NewReader(content[:size])})
		if int(n) != size || err != nil {
			t.Errorf("Copy: %d, %v; want %d", n, err, size)
		}
	})
	w := t.dial(s)
	for range 2 {
		w.get("/")
		w.want(http.StatusOK, content)
		w.get("/small")
		w.want(http.StatusOK, content[:100])
	}
	w.send(head("HEAD", "/"))
	w.answerTo("HEAD")
	w.again()
}

func (t *trial) streamCopyAfterWrite() {
	name, content := t.bigFile()
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		defer f.Close()
		io.WriteString(w, "before ")
		io.Copy(w, f)
		io.WriteString(w, " after")
	})
	w := t.dial(s)
	w.get("/")
	w.want(http.StatusOK, "before "+string(content)+" after")
	w.again()
}

// streamCopyBeyond copies a file that is longer than the declared length.
func (t *trial) streamCopyBeyond() {
	name, content := t.bigFile()
	got := make(chan error, 1)
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Length", "1000")
		_, err = io.Copy(w, f)
		got <- err
	})
	w := t.dial(s)
	w.get("/")
	a := w.answer() // nothing beyond the declared length may reach the client
	if !strings.HasPrefix(string(content[:1000]), a.body) {
		t.Errorf("%d bytes of something else", len(a.body))
	}
	w.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if b, _ := w.br.Peek(1); len(b) > 0 {
		t.Fatalf("bytes beyond the declared length: %q", b)
	}
	if err := await(t, "the handler", got); !errors.Is(err, http.ErrContentLength) {
		t.Errorf("Copy: %v, want http.ErrContentLength", err)
	}
}

// streamRelay copies a request body to the answer while it comes, in full duplex.
func (t *trial) streamRelay() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body)
	})
	data := string(pattern(8 << 20))
	w := t.dial(s)
	go io.WriteString(w.Conn, head("POST", "/", fmt.Sprintf("Content-Length: %d", len(data)))+data)
	w.want(http.StatusOK, data)
	w.again()
}
