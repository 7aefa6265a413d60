package httpd_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// When a connection is kept, and what comes after what on it.
var keepAliveBehaviours = []behaviour{
	{"rules", (*trial).keepAliveRules},
	{"handler-closes", (*trial).keepAliveHandlerCloses},
	{"http10-unknown-length", (*trial).keepAlive10Unknown},
	{"http10-head", (*trial).keepAlive10Head},
	{"http10-keep-alive-and-close", (*trial).keepAlive10Both},
	{"many-in-turn", (*trial).keepAliveMany},
	{"pipeline", (*trial).pipeline},
	{"pipeline-bodies", (*trial).pipelineBodies},
	{"pipeline-unread-bodies", (*trial).pipelineUnread},
	{"pipeline-one-at-a-time", (*trial).pipelineOneAtATime},
	{"pipeline-close-in-the-middle", (*trial).pipelineClose},
	{"pipeline-then-half-close", (*trial).pipelineHalfClose},
	{"pipeline-split-anywhere", (*trial).pipelineSplit},
	{"pipeline-large-answers", (*trial).pipelineLarge},
	{"pipeline-many-answers", (*trial).pipelineManyAnswers},
}

func (t *trial) keepAliveRules() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") })
	for _, c := range []struct {
		version, connection string
		open                bool
		says                string // Connection of the answer
	}{
		{"1.1", "", true, ""},
		{"1.1", "Connection: keep-alive\r\n", true, ""},
		{"1.1", "Connection: close\r\n", false, "close"},
		{"1.1", "Connection: CLOSE\r\n", false, "close"},
		{"1.1", "connection: foo, Close\r\n", false, "close"},
		{"1.1", "Connection: foo ,close , bar\r\n", false, "close"},
		{"1.1", "Connection: keep-alive, close\r\n", false, "close"},
		{"1.1", "Connection: foo\r\nConnection: close\r\n", false, "close"},
		{"1.1", "Connection: closed\r\n", true, ""},
		{"1.1", "Connection: not-close\r\n", true, ""},
		{"1.0", "", false, ""},
		{"1.0", "Connection: keep-alive\r\n", true, "keep-alive"},
		{"1.0", "Connection: Keep-Alive\r\n", true, "keep-alive"},
		{"1.0", "Connection: foo, keep-alive\r\n", true, "keep-alive"},
		{"1.0", "Connection: close\r\n", false, ""},
	} {
		w := t.dial(s)
		w.send("GET / HTTP/" + c.version + "\r\nHost: a\r\n" + c.connection + "\r\n")
		a := w.want(http.StatusOK, "x")
		if what := fmt.Sprintf("Connection after %s %q", c.version, c.connection); c.version == "1.0" && !c.open {
			equal(t, what+" is keep-alive", strings.EqualFold(a.connection, "keep-alive"), false)
		} else {
			equal(t, what, a.connection, c.says)
		}
		if c.open {
			w.alive()
		} else {
			w.closed()
		}
	}
}

func (t *trial) keepAliveHandlerCloses() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "bye")
	})
	w := t.dial(s)
	w.send(head("GET", "/") + head("GET", "/"))
	a := w.want(http.StatusOK, "bye")
	equal(t, "Connection", a.connection, "close")
	w.closed()
}

func (t *trial) keepAlive10Unknown() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "part one, ")
		w.(http.Flusher).Flush()
		io.WriteString(w, "part two")
	})
	w := t.dial(s)
	w.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	a := w.want(http.StatusOK, "part one, part two")
	equal(t, "Transfer-Encoding", fmt.Sprint(a.TransferEncoding), "[]") // RFC 9112 6.1: never sent to HTTP/1.0
	equal(t, "length", a.ContentLength, -1)
	equal(t, "promise to keep", strings.EqualFold(a.connection, "keep-alive"), false)
	w.closed()
}

// keepAlive10Both: close prevails, RFC 9112 9.3.
func (t *trial) keepAlive10Both() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") })
	w := t.dial(s)
	w.send("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n")
	w.want(http.StatusOK, "x")
	w.closedWithin(time.Second)
}

func (t *trial) keepAlive10Head() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") })
	w := t.dial(s)
	w.send("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	equal(t, "Connection", w.answerTo("HEAD").connection, "keep-alive")
	w.alive()
}

func (t *trial) keepAliveMany() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	w := t.dial(s)
	for i := range 200 {
		w.get(fmt.Sprintf("/%d", i))
		w.want(http.StatusOK, fmt.Sprintf("/%d", i))
	}
}

func (t *trial) pipeline() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	w := t.dial(s)
	var in strings.Builder
	for i := range 16 {
		in.WriteString(head("GET", fmt.Sprintf("/%d", i)))
	}
	w.send(in.String())
	for i := range 16 {
		w.want(http.StatusOK, fmt.Sprintf("/%d", i))
	}
	w.alive()
}

// pipelineMixed is a pipeline of every kind of body, and how each is answered by a handler that echoes.
func pipelineMixed() (in string, want []string) {
	var b strings.Builder
	for i := range 16 {
		body := fmt.Sprintf("body %d", i)
		switch i % 4 {
		case 0:
			b.WriteString(head("POST", "/", fmt.Sprintf("Content-Length: %d", len(body))) + body)
		case 1:
			b.WriteString(head("PUT", "/", "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body))
		case 2:
			b.WriteString(head("GET", "/"))
			body = ""
		case 3:
			b.WriteString(head("POST", "/", "Content-Length: 0"))
			body = ""
		}
		want = append(want, body)
	}
	return b.String(), want
}

func (t *trial) pipelineBodies() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	w := t.dial(s)
	in, want := pipelineMixed()
	w.send(in)
	for _, body := range want {
		w.want(http.StatusOK, body)
	}
	w.alive()
}

func (t *trial) pipelineUnread() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "not read") })
	w := t.dial(s)
	in, want := pipelineMixed()
	w.send(in)
	for range want {
		w.want(http.StatusOK, "not read")
	}
	w.alive()
}

// pipelineOneAtATime: the handler of a request starts when that of the one before has returned.
func (t *trial) pipelineOneAtATime() {
	var running, worst atomic.Int32
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		worst.Store(max(worst.Load(), running.Add(1)))
		defer running.Add(-1)
		if r.URL.Path == "/slow" {
			select { // the next requests are there already
			case <-time.After(30 * time.Millisecond):
			case <-r.Context().Done():
				t.Errorf("cancelled by the next request in the pipeline")
			}
		}
		io.WriteString(w, r.URL.Path)
	})
	w := t.dial(s)
	w.send(head("GET", "/slow") + head("GET", "/a") + head("GET", "/slow") + head("GET", "/b"))
	for _, p := range []string{"/slow", "/a", "/slow", "/b"} {
		w.want(http.StatusOK, p)
	}
	equal(t, "handlers at once", worst.Load(), 1)
}

func (t *trial) pipelineClose() {
	var calls atomic.Int32
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		io.WriteString(w, r.URL.Path)
	})
	w := t.dial(s)
	w.send(head("GET", "/1") + head("GET", "/2", "Connection: close") + head("GET", "/3"))
	w.want(http.StatusOK, "/1")
	w.want(http.StatusOK, "/2")
	w.closed()
	equal(t, "calls of the handler", calls.Load(), 2) // RFC 9112 9.6: nothing after close is processed
}

func (t *trial) pipelineHalfClose() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	w := t.dial(s)
	w.send(head("GET", "/1") + head("GET", "/2"))
	w.halfClose()
	w.want(http.StatusOK, "/1")
	w.want(http.StatusOK, "/2")
	w.closed()
}

// pipelineSplit cuts two requests at every offset into two packets.
func (t *trial) pipelineSplit() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, r.URL.Path, string(b), err)
	})
	in := head("POST", "/1", "Transfer-Encoding: chunked", "Trailer: X-T") + "2;x=y\r\nab\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n" +
		head("POST", "/2", "Content-Length: 3") + "def" + head("GET", "/3")
	w := t.dial(s)
	for cut := 1; cut < len(in); cut++ {
		w.send(in[:cut])
		w.send(in[cut:])
		w.want(http.StatusOK, "/1abc<nil>")
		w.want(http.StatusOK, "/2def<nil>")
		w.want(http.StatusOK, "/3<nil>")
	}
}

// pipelineLarge asks for more than socket buffers hold before it reads anything.
func (t *trial) pipelineLarge() {
	page := string(pattern(1 << 20))
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.URL.Path)
		io.WriteString(w, page)
	})
	w := t.dial(s)
	var in strings.Builder
	for i := range 12 {
		in.WriteString(head("GET", fmt.Sprintf("/%d", i)))
	}
	w.send(in.String())
	for i := range 12 {
		a := w.answer()
		if want := fmt.Sprintf("/%d", i) + page; a.err != nil || a.body != want {
			t.Fatalf("answer %d: %d bytes, %v; want %d bytes", i, len(a.body), a.err, len(want))
		}
	}
}

// pipelineManyAnswers asks with one read's worth of requests for more answers than a server would hold.
func (t *trial) pipelineManyAnswers() {
	const requests = 2500
	page := string(pattern(4000))
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) })
	w := t.dial(s)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(w.Conn, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", requests-1)+
			"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		sent <- err
	}()
	for i := range requests {
		a := w.answer()
		if a.err != nil || a.body != page {
			t.Fatalf("answer %d: %d bytes, %v", i, len(a.body), a.err)
		}
	}
	w.closed()
	if err := await(t, "the requests to be sent", sent); err != nil {
		t.Errorf("send: %v", err)
	}
}
