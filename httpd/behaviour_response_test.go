package httpd_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing/iotest"
	"time"
)

// Status, header and trailer of answers.
var responseBehaviours = []behaviour{
	{"head-like-get", (*trial).responseHead},
	{"content-type", (*trial).responseContentType},
	{"content-type-long", (*trial).responseContentTypeLong},
	{"date", (*trial).responseDate},
	{"duplicate-status", (*trial).responseDuplicateStatus},
	{"invalid-status", (*trial).responseInvalidStatus},
	{"unusual-status", (*trial).responseUnusualStatus},
	{"reason-phrase", (*trial).responseReason},
	{"reason-phrase-unknown", (*trial).responseReasonUnknown},
	{"sanitised", (*trial).responseSanitised},
	{"repeated-fields", (*trial).responseRepeated},
	{"late-header", (*trial).responseLateHeader},
	{"empty-write-starts", (*trial).responseEmptyWrite},
	{"empty-copy-starts-not", (*trial).responseEmptyCopy},
	{"early-hints", (*trial).responseEarlyHints},
	{"early-hints-http10", (*trial).responseEarlyHints10},
	{"explicit-continue", (*trial).responseExplicitContinue},
	{"trailer-declared", (*trial).responseTrailerDeclared},
	{"trailer-prefix", (*trial).responseTrailerPrefix},
	{"trailer-http10", (*trial).responseTrailer10},
	{"header-map-reset", (*trial).responseHeaderReset},
}

func (t *trial) responseHead() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/small":
			io.WriteString(w, "<html>hello")
		case "/set":
			w.Header().Set("Content-Length", "1000")
			w.Header().Set("X-A", "b")
			w.Write(make([]byte, 1000))
		case "/status":
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, "short and stout")
		}
	})
	w := t.dial(s)
	for _, target := range []string{"/small", "/set", "/status"} {
		w.get(target)
		get := w.answer()
		w.send(head("HEAD", target))
		h := w.answerTo("HEAD")
		get.Header.Del("Date")
		h.Header.Del("Date")
		equal(t, target+" status", h.Status, get.Status)
		equal(t, target+" header", fmt.Sprint(h.Header), fmt.Sprint(get.Header)) // RFC 9110 9.3.2
		equal(t, target+" length", h.ContentLength, get.ContentLength)
	}
	w.alive()
	// A handler that knows about HEAD and writes nothing does not claim an empty body.
	s = t.handle(func(http.ResponseWriter, *http.Request) {})
	w = t.dial(s)
	w.send(head("HEAD", "/"))
	equal(t, "Content-Length of an unwritten HEAD", w.answerTo("HEAD").Header.Get("Content-Length"), "")
}

func (t *trial) responseContentType() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/html":
			io.WriteString(w, "<!DOCTYPE html><p>")
		case "/two-writes":
			io.WriteString(w, "<ht")
			io.WriteString(w, "ml>")
		case "/text":
			io.WriteString(w, "plain words")
		case "/png":
			io.WriteString(w, "\x89PNG\x0D\x0A\x1A\x0A")
		case "/flushed":
			io.WriteString(w, "%PDF-1.7")
			w.(http.Flusher).Flush()
		case "/set":
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "<html>")
		case "/none":
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "<html>")
		case "/encoded":
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "\x1f\x8b\x08")
		case "/empty":
			w.WriteHeader(http.StatusOK)
		}
	})
	w := t.dial(s)
	for _, c := range []struct{ target, want string }{
		{"/html", "[text/html; charset=utf-8]"},
		{"/two-writes", "[text/html; charset=utf-8]"},
		{"/text", "[text/plain; charset=utf-8]"},
		{"/png", "[image/png]"},
		{"/flushed", "[application/pdf]"},
		{"/set", "[application/json]"},
		{"/none", "[]"},
		{"/encoded", "[]"},
		{"/empty", "[]"},
	} {
		w.get(c.target)
		equal(t, c.target, fmt.Sprint(w.answer().Header["Content-Type"]), c.want)
	}
}

// responseContentTypeLong: the type does not depend on how much is written at once, nor on where it comes from.
func (t *trial) responseContentTypeLong() {
	page := "<!DOCTYPE html>" + strings.Repeat("<p>words</p>\n", 10_000)
	name := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
		t.Fatalf("file: %v", err)
	}
	file := func(w http.ResponseWriter, skip int) {
		f, err := os.Open(name)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		defer f.Close()
		f.Seek(int64(skip), io.SeekStart)
		if n, err := io.Copy(w, f); n != int64(len(page)-skip) || err != nil {
			t.Errorf("Copy: %d, %v; want %d", n, err, len(page)-skip)
		}
		if at, err := f.Seek(0, io.SeekCurrent); at != int64(len(page)) || err != nil {
			t.Errorf("the file is at %d, %v after Copy, want its end", at, err)
		}
	}
	kinds := []struct {
		name string
		run  func(w http.ResponseWriter)
	}{
		{"/4096", func(w http.ResponseWriter) { io.WriteString(w, page[:4096]); io.WriteString(w, page[4096:]) }},
		{"/4097", func(w http.ResponseWriter) { io.WriteString(w, page[:4097]); io.WriteString(w, page[4097:]) }},
		{"/all", func(w http.ResponseWriter) { io.WriteString(w, page) }},
		{"/little-then-all", func(w http.ResponseWriter) { io.WriteString(w, page[:5]); io.WriteString(w, page[5:]) }},
		{"/copy", func(w http.ResponseWriter) { io.Copy(w, strings.NewReader(page)) }},
		{"/copy-little", func(w http.ResponseWriter) { io.Copy(w, iotest.OneByteReader(strings.NewReader(page))) }},
		{"/file", func(w http.ResponseWriter) { file(w, 0) }},
		{"/file-of-length", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", fmt.Sprint(len(page)))
			file(w, 0)
		}},
		{"/little-then-file", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", fmt.Sprint(len(page)))
			io.WriteString(w, page[:5])
			file(w, 5)
		}},
	}
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		for _, k := range kinds {
			if k.name == r.URL.Path {
				k.run(w)
			}
		}
	})
	w := t.dial(s)
	for _, k := range kinds {
		w.get(k.name)
		a := w.answer()
		equal(t, k.name, fmt.Sprint(a.Header["Content-Type"], a.err), "[text/html; charset=utf-8] <nil>")
		equal(t, k.name+" whole", a.body == page, true)
		w.send(head("HEAD", k.name))
		equal(t, "HEAD "+k.name, fmt.Sprint(w.answerTo("HEAD").Header["Content-Type"]), "[text/html; charset=utf-8]")
	}
}

func (t *trial) responseDate() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			w.Header()["Date"] = nil
		case "/own":
			w.Header().Set("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
		}
	})
	w := t.dial(s)
	w.get("/")
	d, err := http.ParseTime(w.answer().Header.Get("Date"))
	if age := time.Since(d); err != nil || age < -2*time.Second || age > 10*time.Second {
		t.Errorf("Date: %v, %v; want about now", d, err)
	}
	w.get("/none")
	equal(t, "suppressed Date", fmt.Sprint(w.answer().Header["Date"]), "[]")
	w.get("/own")
	equal(t, "own Date", fmt.Sprint(w.answer().Header["Date"]), "[Thu, 01 Jan 1970 00:00:00 GMT]")
	w.send("RUBBISH\r\n\r\n")
	w.wantStatus(http.StatusBadRequest)
}

func (t *trial) responseDuplicateStatus() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "once")
	})
	w := t.dial(s)
	w.get("/")
	w.want(http.StatusCreated, "once")
	t.eventually("a log line about the superfluous WriteHeader", func() bool {
		return strings.Contains(s.log.String(), "superfluous")
	})
}

func (t *trial) responseInvalidStatus() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		for _, code := range []int{0, -1, 99, 1000} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("WriteHeader(%d) did not panic", code)
					}
				}()
				w.WriteHeader(code)
			}()
		}
		io.WriteString(w, "fine")
	})
	w := t.dial(s)
	w.get("/")
	w.want(http.StatusOK, "fine")
}

func (t *trial) responseUnusualStatus() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscanf(r.URL.Path, "/%d", &code)
		w.WriteHeader(code)
		io.WriteString(w, "body")
	})
	w := t.dial(s)
	for _, code := range []int{200, 201, 202, 206, 299, 301, 307, 400, 401, 418, 451, 499, 500, 503, 511, 599, 600, 999} {
		w.get(fmt.Sprintf("/%d", code))
		w.want(code, "body")
	}
	w.statusOf(404)
}

func (t *trial) responseReason() {
	t.reasons(map[int]string{200: "OK", 404: "Not Found", 503: "Service Unavailable"})
}

func (t *trial) responseReasonUnknown() {
	t.reasons(map[int]string{299: ""}) // RFC 9112 4: may be empty
}

func (t *trial) reasons(want map[int]string) {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscanf(r.URL.Path, "/%d", &code)
		w.WriteHeader(code)
	})
	w := t.dial(s)
	for code, reason := range want {
		w.get(fmt.Sprintf("/%d", code))
		equal(t, "status line", strings.TrimSpace(w.answer().Status), strings.TrimSpace(fmt.Sprint(code, " ", reason)))
	}
}

// statusOf asks for a path whose number is the status.
func (w *wire) statusOf(code int) {
	w.t.Helper()
	w.get(fmt.Sprintf("/%d", code))
	w.wantStatus(code)
}

func (t *trial) responseSanitised() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["X-Value"] = []string{"a\r\nX-Injected: 1\nX-Two: 2\rc"}
		h["X-Padded"] = []string{"  padded\t"}
		h["Bad Name"] = []string{"1"}
		h["Bad\r\nX-Injected"] = []string{"1"}
		h[""] = []string{"1"}
		h["lower-case"] = []string{"kept"}
		io.WriteString(w, "body")
	})
	w := t.dial(s)
	w.get("/")
	a := w.want(http.StatusOK, "body")
	equal(t, "X-Value", strings.Join(strings.Fields(a.Header.Get("X-Value")), " "), "a X-Injected: 1 X-Two: 2 c")
	equal(t, "X-Padded", a.Header.Get("X-Padded"), "padded")
	equal(t, "names", strings.Join(slices.Sorted(maps.Keys(a.Header)), " "),
		"Content-Length Content-Type Date Lower-Case X-Padded X-Value")
	w.alive()
}

func (t *trial) responseRepeated() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		for _, v := range []string{"c", "a", "b"} {
			w.Header().Add("X-Many", v)
		}
		w.Header()["X-None"] = []string{}
		w.Header()["X-Empty"] = []string{""}
	})
	w := t.dial(s)
	w.get("/")
	a := w.answer()
	equal(t, "X-Many", fmt.Sprint(a.Header["X-Many"]), "[c a b]")
	equal(t, "X-None", a.Header["X-None"] == nil, true)
	equal(t, "X-Empty", len(a.Header["X-Empty"]), 1)
}

func (t *trial) responseLateHeader() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Early", "1")
		w.WriteHeader(http.StatusAccepted)
		w.Header().Set("X-Early", "2")
		w.Header().Set("X-Late", "1")
		w.Header().Del("Content-Type")
		io.WriteString(w, "x")
	})
	w := t.dial(s)
	w.get("/")
	a := w.want(http.StatusAccepted, "x")
	equal(t, "X-Early", a.Header.Get("X-Early"), "1")
	equal(t, "X-Late", a.Header.Get("X-Late"), "")
}

func (t *trial) responseEmptyWrite() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		if n, err := w.Write(nil); n != 0 || err != nil {
			t.Errorf("Write(nil): %d, %v", n, err)
		}
		w.WriteHeader(http.StatusNotFound) // too late
		w.Header().Set("X-Late", "1")
	})
	w := t.dial(s)
	w.get("/")
	a := w.want(http.StatusOK, "")
	equal(t, "X-Late", a.Header.Get("X-Late"), "")
	equal(t, "Content-Length", a.Header.Get("Content-Length"), "0")
}

// responseEmptyCopy: a source that gives nothing, or fails at once, leaves the answer to the handler.
func (t *trial) responseEmptyCopy() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/empty":
			io.Copy(w, onlyReader{strings.NewReader("")})
			w.Header().Set("X-A", "b")
			w.WriteHeader(http.StatusNoContent)
		case "/device":
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			defer f.Close()
			io.CopyN(w, f, 100_000)
			http.NotFound(w, r)
		case "/fail":
			if _, err := io.Copy(w, iotest.ErrReader(io.ErrNoProgress)); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
			}
		}
	})
	w := t.dial(s)
	w.get("/empty")
	equal(t, "late field", w.want(http.StatusNoContent, "").Header.Get("X-A"), "b")
	w.get("/device")
	w.want(http.StatusNotFound, "404 page not found\n")
	w.get("/fail")
	w.want(http.StatusBadGateway, io.ErrNoProgress.Error()+"\n")
}

func (t *trial) responseEarlyHints() {
	gate := make(chan struct{})
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/alive" {
			return
		}
		w.Header().Add("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		<-gate // the client has it already
		w.Header().Add("Link", "</b.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		w.Header().Set("X-Final", "1")
		io.WriteString(w, "final")
	})
	w := t.dial(s)
	w.get("/")
	a := w.answer()
	close(gate)
	equal(t, "first", fmt.Sprint(a.StatusCode, a.Header["Link"], a.Header["Date"], a.Header["Content-Length"]),
		"103 [</a.css>; rel=preload] [] []")
	a = w.answer()
	equal(t, "second", fmt.Sprint(a.StatusCode, len(a.Header["Link"])), "103 2")
	w.wantStatus(http.StatusProcessing)
	a = w.want(http.StatusOK, "final")
	equal(t, "X-Final", a.Header.Get("X-Final"), "1")
	equal(t, "Content-Length", a.ContentLength, 5)
	w.alive()
}

func (t *trial) responseEarlyHints10() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "final")
	})
	w := t.dial(s)
	w.send("GET / HTTP/1.0\r\n\r\n")
	if a := w.answer(); a.StatusCode != http.StatusOK { // RFC 9110 15.2: no 1xx to an HTTP/1.0 client
		t.Fatalf("got status %d, want 200", a.StatusCode)
	}
	w.closed()
}

// responseExplicitContinue: a handler may send 100 itself; the server does not repeat it.
func (t *trial) responseExplicitContinue() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusContinue)
		io.Copy(w, r.Body)
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 3", "Expect: 100-continue"))
	w.wantStatus(http.StatusContinue)
	w.send("abc")
	w.want(http.StatusOK, "abc")
}

func (t *trial) responseTrailerDeclared() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-Unset")
		w.Header().Add("Trailer", "x-end")
		if r.URL.Path == "/body" {
			io.WriteString(w, "body")
		}
		w.Header().Set("X-Sum", "7")
		w.Header().Set("X-End", "8\r\nX-Injected: 9")
	})
	w := t.dial(s)
	for _, target := range []string{"/body", "/"} {
		w.get(target)
		a := w.want(http.StatusOK, strings.TrimPrefix(target, "/"))
		equal(t, "Transfer-Encoding", fmt.Sprint(a.TransferEncoding), "[chunked]")
		equal(t, "X-Sum", fmt.Sprint(a.Trailer["X-Sum"]), "[7]")
		equal(t, "X-End", strings.Join(strings.Fields(a.Trailer.Get("X-End")), " "), "8 X-Injected: 9")
		equal(t, "X-Injected", a.Trailer.Get("X-Injected"), "")
	}
}

func (t *trial) responseTrailerPrefix() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "body")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"X-Late", "yes")
		w.Header().Set("X-Other", "no")
	})
	w := t.dial(s)
	w.get("/")
	a := w.want(http.StatusOK, "body")
	equal(t, "trailer", fmt.Sprint(a.Trailer), "map[X-Late:[yes]]")
	w.again()
}

// again is alive for answers whose body is not empty.
func (w *wire) again() {
	w.t.Helper()
	w.get("/again")
	if a := w.answer(); a.err != nil || a.StatusCode != http.StatusOK {
		w.t.Errorf("second exchange: %d, %v", a.StatusCode, a.err)
	}
}

func (t *trial) responseTrailer10() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "7")
	})
	w := t.dial(s)
	w.send("GET / HTTP/1.0\r\n\r\n")
	a := w.want(http.StatusOK, "body") // no chunks, so nowhere to put a trailer
	equal(t, "Transfer-Encoding", fmt.Sprint(a.TransferEncoding), "[]")
	w.closed()
}

// responseHeaderReset: the header of one answer never shows in the next.
func (t *trial) responseHeaderReset() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if len(w.Header()) > 0 {
			t.Errorf("header is not empty at the start: %v", w.Header())
		}
		w.Header().Set("X-"+r.URL.Path[1:], "1")
		if r.URL.Path == "/b" {
			w.WriteHeader(http.StatusNoContent)
			if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("Write after 204: %v, want http.ErrBodyNotAllowed", err)
			}
		}
	})
	w := t.dial(s)
	for _, name := range []string{"a", "b", "c"} {
		w.get("/" + name)
		a := w.answer()
		a.Header.Del("Date")
		a.Header.Del("Content-Length")
		equal(t, "header", fmt.Sprint(a.Header), fmt.Sprintf("map[X-%s:[1]]", strings.ToUpper(name)))
	}
}
