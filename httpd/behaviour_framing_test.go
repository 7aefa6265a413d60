package httpd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// How the body of an answer is delimited.
var framingBehaviours = []behaviour{
	{"automatic-length", (*trial).framingAutomatic},
	{"empty", (*trial).framingEmpty},
	{"no-body-statuses", (*trial).framingNoBody},
	{"chunked-after-flush", (*trial).framingFlush},
	{"chunked-when-large", (*trial).framingLarge},
	{"chunked-by-handler", (*trial).framingByHandler},
	{"close-delimited-http10", (*trial).framing10},
	{"length-kept", (*trial).framingLengthKept},
	{"length-exceeded", (*trial).framingTooMuch},
	{"length-not-reached", (*trial).framingTooLittle},
	{"length-invalid", (*trial).framingInvalidLength},
	{"length-and-flush", (*trial).framingLengthFlush},
	{"one-byte-writes", (*trial).framingOneByte},
	{"concurrent-writes", (*trial).framingConcurrent},
	{"head-large", (*trial).framingHeadLarge},
	{"large-header", (*trial).framingLargeHeader},
	{"write-string", (*trial).framingWriteString},
	{"identity-by-handler", (*trial).framingIdentity},
	{"head-beyond-length", (*trial).framingHeadBeyond},
}

func (t *trial) framingAutomatic() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello, ")
		io.WriteString(w, "world")
	})
	w := t.dial(s)
	w.get("/")
	a := w.want(http.StatusOK, "hello, world")
	equal(t, "Content-Length", a.Header.Get("Content-Length"), "12")
	equal(t, "Transfer-Encoding", fmt.Sprint(a.TransferEncoding), "[]")
}

func (t *trial) framingEmpty() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/404" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	w := t.dial(s)
	for _, target := range []string{"/", "/404"} {
		w.get(target)
		equal(t, "Content-Length", w.answer().Header.Get("Content-Length"), "0")
	}
	w.alive()
}

func (t *trial) framingNoBody() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscanf(r.URL.Path, "/%d", &code)
		if r.URL.RawQuery == "length" {
			w.Header().Set("Content-Length", "5")
		}
		w.WriteHeader(code)
		if _, err := io.WriteString(w, "hello"); !errors.Is(err, http.ErrBodyNotAllowed) {
			t.Errorf("Write after %d: %v, want http.ErrBodyNotAllowed", code, err)
		}
	})
	w := t.dial(s)
	for _, target := range []string{"/204", "/304", "/204?length", "/304?length"} {
		w.get(target)
		a := w.answer()
		equal(t, target, fmt.Sprintf("/%d", a.StatusCode), target[:4])
		// RFC 9110 8.6: no Content-Length with 204; with 304 only the one a 200 would have.
		equal(t, target+" Content-Length", a.Header.Get("Content-Length"), "")
		equal(t, target+" Transfer-Encoding", fmt.Sprint(a.TransferEncoding), "[]")
	}
	w.get("/204") // it would show here if a body had been sent
	w.wantStatus(http.StatusNoContent)
}

func (t *trial) framingFlush() {
	gate := make(chan struct{})
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "one")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/" {
			<-gate // the client has the first part by now
		}
		io.WriteString(w, "two")
	})
	w := t.dial(s)
	w.get("/")
	a := w.headTo("GET")
	equal(t, "Transfer-Encoding", fmt.Sprint(a.TransferEncoding), "[chunked]")
	equal(t, "Content-Length", a.Header.Get("Content-Length"), "")
	b := make([]byte, 3)
	io.ReadFull(a.Body, b)
	equal(t, "before the handler goes on", string(b), "one")
	close(gate)
	b, err := io.ReadAll(a.Body)
	equal(t, "the rest", fmt.Sprint(string(b), err), "two<nil>")
	w.again()
}

func (t *trial) framingLarge() {
	page := pattern(300_000)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/halves" {
			w.Write(page[:1000])
			w.Write(page[1000:])
			return
		}
		w.Write(page)
	})
	w := t.dial(s)
	for _, target := range []string{"/", "/halves"} {
		w.get(target)
		a := w.want(http.StatusOK, string(page))
		equal(t, "Transfer-Encoding", fmt.Sprint(a.TransferEncoding), "[chunked]")
	}
	w.again()
}

func (t *trial) framingByHandler() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Transfer-Encoding", "chunked")
		w.Header().Set("Content-Length", "4")
		io.WriteString(w, "body")
	})
	w := t.dial(s)
	w.get("/")
	a := w.want(http.StatusOK, "body")
	equal(t, "Transfer-Encoding", fmt.Sprint(a.TransferEncoding), "[chunked]")
	equal(t, "Content-Length", a.Header.Get("Content-Length"), "") // RFC 9112 6.2: never both
	w.again()
}

func (t *trial) framing10() {
	page := string(pattern(100_000))
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) })
	w := t.dial(s)
	w.send("GET / HTTP/1.0\r\n\r\n")
	all := w.rest()
	h, body, _ := strings.Cut(all, "\r\n\r\n")
	equal(t, "status line", strings.SplitN(h, "\r\n", 2)[0], "HTTP/1.0 200 OK")
	equal(t, "chunked", strings.Contains(strings.ToLower(h), "chunked"), false)
	equal(t, "body", body == page, true)
}

func (t *trial) framingLengthKept() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "9000")
		for range 9 {
			w.Write(pattern(1000))
		}
	})
	w := t.dial(s)
	w.get("/")
	a := w.want(http.StatusOK, strings.Repeat(string(pattern(1000)), 9))
	equal(t, "length", a.ContentLength, 9000)
	w.again()
}

func (t *trial) framingTooMuch() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		if n, err := io.WriteString(w, "hello"); n != 5 || err != nil {
			t.Errorf("first write: %d, %v", n, err)
		}
		if n, err := io.WriteString(w, "!"); n != 0 || !errors.Is(err, http.ErrContentLength) {
			t.Errorf("write beyond the length: %d, %v; want 0, http.ErrContentLength", n, err)
		}
	})
	w := t.dial(s)
	w.get("/")
	w.want(http.StatusOK, "hello")
	w.closed()
}

func (t *trial) framingTooLittle() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		if r.URL.Path == "/some" {
			io.WriteString(w, "hello")
		}
	})
	for target, body := range map[string]string{"/some": "hello", "/none": ""} {
		w := t.dial(s)
		w.send(head("GET", target) + head("GET", target))
		a := w.answer()
		equal(t, "Content-Length", a.ContentLength, 10)
		equal(t, "body", a.body, body)
		if !errors.Is(a.err, io.ErrUnexpectedEOF) { // and nothing may pretend to be the rest
			t.Errorf("end of the body: %v, want unexpected EOF", a.err)
		}
		w.closed()
	}
}

func (t *trial) framingInvalidLength() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "five")
		io.WriteString(w, "hello")
	})
	w := t.dial(s)
	w.get("/")
	a := w.want(http.StatusOK, "hello")
	equal(t, "invalid length on the wire", a.Header.Get("Content-Length") == "five", false)
	t.eventually("a log line about the length", func() bool { return strings.Contains(s.log.String(), "Content-Length") })
	w.again()
}

func (t *trial) framingLengthFlush() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "6")
		w.(http.Flusher).Flush()
		io.WriteString(w, "one")
		w.(http.Flusher).Flush()
		io.WriteString(w, "two")
	})
	w := t.dial(s)
	w.get("/")
	a := w.want(http.StatusOK, "onetwo")
	equal(t, "framing", fmt.Sprint(a.ContentLength, a.TransferEncoding), "6 []")
	w.again()
}

func (t *trial) framingOneByte() {
	page := pattern(20_000)
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		for i := range page {
			if n, err := w.Write(page[i : i+1]); n != 1 || err != nil {
				t.Errorf("Write: %d, %v", n, err)
				return
			}
		}
	})
	w := t.dial(s)
	w.get("/", "Connection: close")
	all := w.rest()
	if len(all) > len(page)+len(page)/10 {
		t.Errorf("%d bytes on the wire for a body of %d: a chunk for each write", len(all), len(page))
	}
	w = t.dial(s)
	w.get("/")
	w.want(http.StatusOK, string(page))
	w.again()
}

// framingConcurrent writes from several goroutines that take turns under a lock, as handlers do.
func (t *trial) framingConcurrent() {
	line := strings.Repeat("x", 99) + "\n"
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					mu.Lock()
					io.WriteString(w, line)
					w.(http.Flusher).Flush()
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	})
	w := t.dial(s)
	w.get("/")
	w.want(http.StatusOK, strings.Repeat(line, 400))
	w.again()
}

func (t *trial) framingHeadLarge() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			if n, err := w.Write(make([]byte, 1000)); n != 1000 || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("Flush: %v", err)
		}
	})
	w := t.dial(s)
	w.send(head("HEAD", "/") + head("HEAD", "/"))
	for range 2 {
		w.answerTo("HEAD")
	}
	w.again()
}

func (t *trial) framingLargeHeader() {
	value := string(bytes.Repeat([]byte("v"), 50_000))
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 10 {
			w.Header().Set(fmt.Sprintf("X-%d", i), value)
		}
		io.WriteString(w, "body")
	})
	w := t.dial(s)
	w.get("/")
	a := w.want(http.StatusOK, "body")
	for i := range 10 {
		equal(t, "length of the value", len(a.Header.Get(fmt.Sprintf("X-%d", i))), len(value))
	}
	w.again()
}

func (t *trial) framingWriteString() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		for _, want := range []string{"a", "", "bc"} {
			n, err := w.(io.StringWriter).WriteString(want)
			if n != len(want) || err != nil {
				t.Errorf("WriteString(%q): %d, %v", want, n, err)
			}
		}
	})
	w := t.dial(s)
	w.get("/")
	equal(t, "length", w.want(http.StatusOK, "abc").ContentLength, 3)
}

// framingIdentity: a handler that sets Transfer-Encoding to identity wants content that ends with the connection.
func (t *trial) framingIdentity() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Transfer-Encoding", "identity")
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "7")
		}
		io.WriteString(w, "content")
	})
	w := t.dial(s)
	w.get("/length")
	a := w.want(http.StatusOK, "content")
	equal(t, "with a length", say(a.ContentLength, a.Close, a.TransferEncoding, a.Header["Content-Type"]), "7 false [] []")
	w.send(head("HEAD", "/"))
	a = w.answerTo("HEAD")
	equal(t, "HEAD", say(a.Header["Content-Length"], a.Close, a.Header["Transfer-Encoding"]), "[] false []")
	w.get("/")
	a = w.want(http.StatusOK, "content")
	equal(t, "without", say(a.ContentLength, a.connection, a.TransferEncoding, a.Header["Content-Type"]), "-1 close [] []")
	w.closed()
}

// framingHeadBeyond: what is written too much to HEAD is not sent, so that the connection is kept.
func (t *trial) framingHeadBeyond() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			w.Header().Set("Content-Length", "5")
			if n, err := io.WriteString(w, "hello world"); n != 0 || !errors.Is(err, http.ErrContentLength) {
				t.Errorf("WriteString: %d, %v", n, err)
			}
		}
	})
	w := t.dial(s)
	w.send(head("HEAD", "/"))
	a := w.answerTo("HEAD")
	equal(t, "answer", say(a.Header.Get("Content-Length"), a.connection), "5 ")
	w.alive()
}
