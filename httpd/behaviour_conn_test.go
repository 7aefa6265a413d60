package httpd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"
)

// The life of a connection around handlers: cancelling, panics, many at once.
var connBehaviours = []behaviour{
	{"context-client-closes", (*trial).connClientCloses},
	{"context-client-resets", (*trial).connClientResets},
	{"context-client-closes-after-body", (*trial).connClosesAfterBody},
	{"context-after-handler", (*trial).connContextAfter},
	{"context-second-request", (*trial).connContextSecond},
	{"half-close-still-answered", (*trial).connHalfClose},
	{"write-after-client-left", (*trial).connWriteAfterLeft},
	{"panic", (*trial).connPanic},
	{"panic-abort-is-silent", (*trial).connAbort},
	{"panic-after-flush", (*trial).connPanicAfterFlush},
	{"panic-in-pipeline", (*trial).connPanicPipeline},
	{"goexit", (*trial).connGoexit},
	{"blocked-handlers", (*trial).connBlocked},
	{"asks-itself", (*trial).connAsksItself},
	{"many-clients", (*trial).connMany},
	{"opened-and-left", (*trial).connOpenedAndLeft},
	{"leaves-in-head", (*trial).connLeavesInHead},
	{"close-notifier", (*trial).connCloseNotifier},
}

// waiting is a handler that waits for its context and passes on the reason.
func (t *trial) waiting() (h http.HandlerFunc, began chan bool, ended chan error) {
	began, ended = make(chan bool, 1), make(chan error, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/wait" {
			return
		}
		io.Copy(io.Discard, r.Body)
		began <- true
		select {
		case <-r.Context().Done():
			ended <- r.Context().Err()
		case <-time.After(patience):
			ended <- errors.New("not cancelled")
		}
		io.WriteString(w, "too late")
	}, began, ended
}

func (t *trial) connClientCloses() {
	h, began, ended := t.waiting()
	s := t.handle(h)
	w := t.dial(s)
	w.get("/wait")
	await(t, "the handler", began)
	w.Close()
	equal(t, "context", await(t, "the cancellation", ended), context.Canceled)
	t.dial(s).alive()
}

func (t *trial) connClientResets() {
	h, began, ended := t.waiting()
	s := t.handle(h)
	w := t.dial(s)
	w.alive()
	w.get("/wait")
	await(t, "the handler", began)
	w.reset()
	equal(t, "context", await(t, "the cancellation", ended), context.Canceled)
	t.dial(s).alive()
}

func (t *trial) connClosesAfterBody() {
	h, began, ended := t.waiting()
	s := t.handle(h)
	for _, in := range []string{
		head("POST", "/wait", "Content-Length: 5") + "hello",
		head("POST", "/wait", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n",
	} {
		w := t.dial(s)
		w.send(in)
		await(t, "the handler", began)
		w.Close()
		equal(t, "context", await(t, "the cancellation", ended), context.Canceled)
	}
}

func (t *trial) connContextAfter() {
	kept := make(chan context.Context, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.Context().Err(); err != nil {
			t.Errorf("cancelled at the start: %v", err)
		}
		kept <- r.Context()
	})
	w := t.dial(s)
	for range 3 {
		w.alive()
		await(t, "the end of the context", await(t, "the handler", kept).Done())
	}
}

// connContextSecond: leaving is noticed in any request of a connection, and not before.
func (t *trial) connContextSecond() {
	h, began, ended := t.waiting()
	s := t.handle(h)
	w := t.dial(s)
	for range 5 {
		w.alive()
	}
	w.send(head("GET", "/") + head("GET", "/wait"))
	w.wantStatus(http.StatusOK)
	await(t, "the handler", began)
	select {
	case err := <-ended:
		t.Errorf("context ended early: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	w.Close()
	equal(t, "context", await(t, "the cancellation", ended), context.Canceled)
}

// connHalfClose: a client that ends its direction after the request still reads the answer.
func (t *trial) connHalfClose() {
	gate := make(chan struct{})
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		<-gate
		io.WriteString(w, strings.Repeat("answer ", 20_000))
	})
	w := t.dial(s)
	w.get("/")
	w.halfClose()
	w.silent(20 * time.Millisecond)
	close(gate)
	w.want(http.StatusOK, strings.Repeat("answer ", 20_000))
	w.closed()
}

func (t *trial) connWriteAfterLeft() {
	began, ended := make(chan bool, 1), make(chan error, 1)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		began <- true
		<-r.Context().Done()
		var err error
		for block := make([]byte, 64<<10); err == nil; {
			_, err = w.Write(block)
		}
		ended <- err
	})
	w := t.dial(s)
	w.get("/")
	await(t, "the handler", began)
	w.reset()
	if err := await(t, "an error of Write", ended); err == nil {
		t.Errorf("no error")
	}
}

func (t *trial) connPanic() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			io.WriteString(w, "not sent yet")
			panic("the roof is on fire")
		}
	})
	w := t.dial(s)
	w.alive()
	w.get("/panic")
	w.closed()
	t.eventually("the panic and its stack are logged", func() bool {
		l := s.log.String()
		return strings.Contains(l, "the roof is on fire") && strings.Contains(l, "behaviour_conn_test.go") &&
			strings.Contains(l, w.LocalAddr().String())
	})
	t.dial(s).alive()
}

func (t *trial) connAbort() {
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
	})
	w := t.dial(s)
	w.alive()
	w.get("/panic")
	w.closed()
	t.dial(s).alive()
	equal(t, "log", s.log.String(), "")
}

func (t *trial) connPanicAfterFlush() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "100")
		}
		io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	for _, target := range []string{"/", "/length"} {
		w := t.dial(s)
		w.get(target)
		a := w.answer()
		equal(t, "body", a.body, "begun")
		if !errors.Is(a.err, io.ErrUnexpectedEOF) { // a cut answer must not look whole
			t.Errorf("end of %s: %v, want unexpected EOF", target, a.err)
		}
		w.closed()
	}
}

func (t *trial) connPanicPipeline() {
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
	})
	w := t.dial(s)
	w.send(head("GET", "/1") + head("GET", "/panic") + head("GET", "/3"))
	w.wantStatus(http.StatusOK)
	w.closed()
}

// connGoexit: a handler that ends its goroutine (a test's FailNow does) ends its connection and nothing else.
func (t *trial) connGoexit() {
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/exit" {
			runtime.Goexit()
		}
	})
	for range 8 {
		w := t.dial(s)
		w.alive()
		w.get("/exit")
		w.closed()
	}
	t.dial(s).alive()
}

// connBlocked: handlers that block do not hold up others, nor the accepting of connections.
func (t *trial) connBlocked() {
	gate, began := make(chan struct{}), make(chan bool, 64)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/block" {
			began <- true
			<-gate
		}
	})
	var blocked []*wire
	for range 64 {
		w := t.dial(s)
		w.get("/block")
		blocked = append(blocked, w)
	}
	for range blocked {
		await(t, "a blocked handler", began)
	}
	w := t.dial(s)
	for range 20 {
		w.alive()
	}
	close(gate)
	for _, b := range blocked {
		b.wantStatus(http.StatusOK)
		b.alive()
	}
}

func (t *trial) connAsksItself() {
	var s *site
	s = t.handle(func(w http.ResponseWriter, r *http.Request) {
		depth := len(r.URL.Path)
		if depth == 8 {
			io.WriteString(w, "bottom")
			return
		}
		tr := &http.Transport{DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: tr, Timeout: patience}).Get("http://" + s.addr + r.URL.Path + "x")
		if err != nil {
			t.Errorf("depth %d: %v", depth, err)
			return
		}
		defer resp.Body.Close()
		io.Copy(w, resp.Body)
	})
	w := t.dial(s)
	w.get("/")
	w.want(http.StatusOK, "bottom")
}

func (t *trial) connMany() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.RequestURI, r.Header.Get("X-Id"), b)
	})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			w := t.dial(s)
			for j := range 20 {
				w.send(head("POST", fmt.Sprintf("/%d/%d", i, j), fmt.Sprintf("X-Id: %d", i*j), "Content-Length: 3") + "abc")
				w.want(http.StatusOK, fmt.Sprintf("/%d/%d %d abc", i, j, i*j))
			}
		})
	}
	wg.Wait()
}

func (t *trial) connOpenedAndLeft() {
	s := t.handle(func(http.ResponseWriter, *http.Request) { t.Errorf("the handler was called") })
	for i := range 20 {
		w := t.dial(s)
		if i%2 == 0 {
			w.reset()
		}
		w.Close()
	}
	w := t.dial(s)
	w.halfClose()
	w.closed()
	equal(t, "log", s.log.String(), "")
}

// connLeavesInHead: half a head and then the end of it is nobody's request.
func (t *trial) connLeavesInHead() {
	var mu sync.Mutex
	var seen []string
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.URL.Path)
	})
	in := head("GET", "/part")
	for cut := 1; cut < len(in); cut += 7 {
		w := t.dial(s)
		w.send(in[:cut])
		w.halfClose()
		w.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, w.br); err != nil {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	t.dial(s).alive()
	mu.Lock()
	defer mu.Unlock()
	equal(t, "requests", strings.Join(seen, " "), "/alive")
}

// connCloseNotifier: handlers from before contexts ask the ResponseWriter whether the client has gone.
func (t *trial) connCloseNotifier() {
	asked, told := make(chan bool, 1), make(chan bool, 1)
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		//lint:ignore SA1019 it is what is tested
		n, ok := w.(http.CloseNotifier)
		if asked <- ok; !ok {
			return
		}
		select {
		case v := <-n.CloseNotify():
			told <- v
		case <-time.After(patience):
		}
	})
	w := t.dial(s)
	w.get("/")
	if !await(t, "the handler", asked) {
		t.Fatalf("the ResponseWriter is no http.CloseNotifier")
	}
	w.Close()
	equal(t, "told", await(t, "the handler to be told", told), true)
}
