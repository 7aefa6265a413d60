package httpd_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Uploads that are streamed, held back, or not wanted.
var uploadBehaviours = []behaviour{
	{"streamed", (*trial).uploadStreamed},
	{"back-pressure", (*trial).uploadBackPressure},
	{"back-pressure-chunked", (*trial).uploadBackPressureChunked},
	{"large-exact", (*trial).uploadExact},
	{"unread-small", (*trial).uploadUnreadSmall},
	{"unread-small-later", (*trial).uploadUnreadSmallLater},
	{"unread-large", (*trial).uploadUnreadLarge},
	{"unread-large-chunked", (*trial).uploadUnreadLargeChunked},
	{"unread-never-sent", (*trial).uploadNeverSent},
}

// 100-continue, RFC 9110 10.1.1.
var continueBehaviours = []behaviour{
	{"on-first-read", (*trial).continueOnRead},
	{"chunked", (*trial).continueChunked},
	{"not-read", (*trial).continueNotRead},
	{"body-already-sent", (*trial).continueBodySent},
	{"no-body", (*trial).continueNoBody},
	{"http10", (*trial).continue10},
	{"in-a-pipeline", (*trial).continuePipeline},
	{"letter-case", (*trial).continueCase},
	{"full-duplex", (*trial).continueDuplex},
}

// uploadStreamed: the handler sees the first bytes before the last are sent.
func (t *trial) uploadStreamed() {
	parts := make(chan string)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		for b := make([]byte, 64); ; {
			n, err := r.Body.Read(b)
			if n > 0 {
				parts <- string(b[:n])
			}
			if err != nil {
				fmt.Fprint(w, err)
				return
			}
		}
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 15"))
	for _, part := range []string{"part1", "part2", "part3"} {
		w.send(part)
		equal(t, "part", await(t, part, parts), part)
	}
	w.want(http.StatusOK, "EOF")
	w.send(head("POST", "/", "Transfer-Encoding: chunked"))
	for _, part := range []string{"part1", "part2", "part3"} {
		w.send("5\r\n" + part + "\r\n")
		equal(t, "part", await(t, part, parts), part)
	}
	w.send("0\r\n\r\n")
	w.want(http.StatusOK, "EOF")
	w.alive()
}

// stalled writes to w until the peer has taken nothing for a while, and returns how much it took.
func (w *wire) stalled(block []byte, limit int) int {
	w.t.Helper()
	total := 0
	for total < limit {
		w.SetWriteDeadline(time.Now().Add(250 * time.Millisecond))
		n, err := w.Conn.Write(block)
		total += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			w.t.Fatalf("upload: %v after %d bytes", err, total)
		}
	}
	w.SetWriteDeadline(time.Now().Add(4 * patience))
	return total
}

func (t *trial) uploadBackPressure() {
	const size = 50 << 20
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	defer open()
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		io.ReadFull(r.Body, make([]byte, 10))
		<-gate
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n+10, err)
	})
	w := t.dial(s)
	w.send(head("POST", "/", fmt.Sprintf("Content-Length: %d", size)))
	block := make([]byte, 1<<20)
	sent := w.stalled(block, size)
	if sent > size/2 {
		t.Errorf("the server took %d of %d bytes though the handler read 10", sent, size)
	}
	open()
	for sent < size {
		n, err := w.Conn.Write(block[:min(len(block), size-sent)])
		if sent += n; err != nil {
			t.Fatalf("upload: %v", err)
		}
	}
	w.want(http.StatusOK, fmt.Sprintf("%d <nil>", size))
	w.Close()
}

func (t *trial) uploadBackPressureChunked() {
	const limit = 50 << 20
	gate := make(chan struct{})
	defer close(gate)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		io.ReadFull(r.Body, make([]byte, 10))
		<-gate
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Transfer-Encoding: chunked"))
	block := []byte(strings.Repeat("400\r\n"+string(pattern(1024))+"\r\n", 512))
	if sent := w.stalled(block, limit); sent > limit/2 {
		t.Errorf("the server took %d of %d bytes though the handler read 10", sent, limit)
	}
}

func (t *trial) uploadExact() {
	body := pattern(3 << 20)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(b) == string(body), err)
	})
	w := t.dial(s)
	w.send(head("POST", "/", fmt.Sprintf("Content-Length: %d", len(body))) + string(body))
	w.want(http.StatusOK, "true <nil>")
	var in strings.Builder
	in.WriteString(head("POST", "/", "Transfer-Encoding: chunked"))
	for rest, n := body, 1; len(rest) > 0; n = n*3 + 1 {
		n = min(n, len(rest))
		fmt.Fprintf(&in, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	w.send(in.String() + "0\r\n\r\n")
	w.want(http.StatusOK, "true <nil>")
	w.alive()
}

func (t *trial) uploadUnreadSmall() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	w := t.dial(s)
	for range 3 {
		w.send(head("POST", "/", "Content-Length: 20000") + string(pattern(20_000)))
		a := w.want(http.StatusForbidden, "no\n")
		equal(t, "Connection", a.connection, "")
		w.send(head("POST", "/", "Transfer-Encoding: chunked") + "4e20\r\n" + string(pattern(20_000)) + "\r\n0\r\n\r\n")
		w.want(http.StatusForbidden, "no\n")
	}
}

// uploadUnreadSmallLater: the body comes only after the handler has returned.
func (t *trial) uploadUnreadSmallLater() {
	done := make(chan bool, 1)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.URL.Path)
		done <- true
	})
	w := t.dial(s)
	w.send(head("POST", "/1", "Content-Length: 2000"))
	await(t, "the handler", done)
	w.send(string(pattern(2000)) + head("GET", "/2"))
	w.want(http.StatusOK, "/1")
	w.want(http.StatusOK, "/2")
}

func (t *trial) uploadUnreadLarge() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 8000000"))
	t.pour(w, pattern(50_000), 160)
}

func (t *trial) uploadUnreadLargeChunked() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	w := t.dial(s)
	w.send(head("POST", "/", "Transfer-Encoding: chunked"))
	t.pour(w, []byte("c350\r\n"+string(pattern(50_000))+"\r\n"), 160)
}

// pour uploads without looking at the answer until all is sent or the server has closed. The answer must still be
// readable then (no reset may destroy it: RFC 9112 9.6), and the connection ends after it.
func (t *trial) pour(w *wire, block []byte, times int) {
	t.Helper()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for range times {
			if _, err := w.Conn.Write(block); err != nil {
				return
			}
		}
	}()
	a := w.want(http.StatusForbidden, "no\n")
	equal(t, "Connection", a.connection, "close")
	w.closed()
	await(t, "the upload to end", finished)
}

// uploadNeverSent: a body that is announced and does not come does not hold the answer back for ever.
func (t *trial) uploadNeverSent() {
	s := t.serve(setup{ReadTimeout: 200 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "no need")
	})})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 2000"))
	w.want(http.StatusOK, "no need")
	w.closed()
}

func (t *trial) continueOnRead() {
	gate := make(chan struct{})
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			return
		}
		<-gate
		echo(w, r)
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5", "Expect: 100-continue"))
	w.silent(30 * time.Millisecond)
	close(gate)
	equal(t, "interim", w.answer().StatusCode, http.StatusContinue)
	w.silent(10 * time.Millisecond)
	w.send("hello")
	w.want(http.StatusOK, "hello")
	w.alive()
}

func (t *trial) continueChunked() {
	s := t.handle(echo)
	w := t.dial(s)
	w.send(head("POST", "/", "Transfer-Encoding: chunked", "Expect: 100-continue"))
	equal(t, "interim", w.answer().StatusCode, http.StatusContinue)
	w.send("5\r\nhello\r\n0\r\n\r\n")
	w.want(http.StatusOK, "hello")
	w.alive()
}

// continueNotRead: the handler refuses without reading. No 100 is sent, and as nobody knows whether the body will
// come, the connection ends.
func (t *trial) continueNotRead() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5", "Expect: 100-continue"))
	a := w.want(http.StatusForbidden, "no\n")
	equal(t, "Connection", a.connection, "close")
	w.closedWithin(time.Second)
}

// continueBodySent: the client does not wait. The 100 may be left out then.
func (t *trial) continueBodySent() {
	s := t.handle(echo)
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5", "Expect: 100-continue") + "hello")
	a := w.answer()
	if a.StatusCode == http.StatusContinue {
		a = w.answer()
	}
	equal(t, "answer", fmt.Sprint(a.StatusCode, a.body), "200hello")
	w.alive()
}

func (t *trial) continueNoBody() {
	s := t.handle(echo)
	w := t.dial(s)
	w.get("/", "Expect: 100-continue")
	w.want(http.StatusOK, "")
	w.alive()
}

func (t *trial) continue10() {
	s := t.handle(echo)
	w := t.dial(s)
	w.send("POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	w.silent(20 * time.Millisecond) // RFC 9110 10.1.1: the expectation of an HTTP/1.0 request is ignored
	w.send("hello")
	w.want(http.StatusOK, "hello")
	w.closed()
}

func (t *trial) continuePipeline() {
	var calls atomic.Int32
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		echo(w, r)
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 2") + "hi" + head("POST", "/", "Content-Length: 5", "Expect: 100-continue"))
	w.want(http.StatusOK, "hi")
	equal(t, "interim", w.answer().StatusCode, http.StatusContinue)
	w.send("hello" + head("GET", "/"))
	w.want(http.StatusOK, "hello")
	w.want(http.StatusOK, "")
	equal(t, "calls", calls.Load(), 3)
}

func (t *trial) continueCase() {
	s := t.handle(echo)
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5", "expect: 100-Continue"))
	equal(t, "interim", w.answer().StatusCode, http.StatusContinue)
	w.send("hello")
	w.want(http.StatusOK, "hello")
}

// continueDuplex: in full duplex, too, a 100 does not come once the answer has begun.
func (t *trial) continueDuplex() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		io.WriteString(w, "first ")
		rc.Flush()
		echo(w, r)
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5", "Expect: 100-continue"))
	a := w.headTo("POST")
	equal(t, "Connection", a.connection, "close")
	first := make([]byte, 6)
	io.ReadFull(a.Body, first)
	w.send("hello") // all the same
	rest, err := io.ReadAll(a.Body)
	equal(t, "answer", fmt.Sprint(a.StatusCode, " ", string(first), string(rest), " ", err), "200 first hello <nil>")
	w.closed()
}
