package httpd_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Deadlines, the server's and the handler's.
var timeoutBehaviours = []behaviour{
	{"header", (*trial).timeoutHeader},
	{"header-slow-loris", (*trial).timeoutSlowLoris},
	{"header-second-request", (*trial).timeoutHeaderSecond},
	{"header-behind-request", (*trial).timeoutHeaderBehind},
	{"nothing-sent", (*trial).timeoutNothingSent},
	{"idle", (*trial).timeoutIdle},
	{"idle-not-while-handling", (*trial).timeoutIdleHandling},
	{"body", (*trial).timeoutBody},
	{"write", (*trial).timeoutWrite},
	{"controller-read", (*trial).timeoutControllerRead},
	{"controller-read-moved", (*trial).timeoutReadMoved},
	{"controller-read-idle-next", (*trial).timeoutControllerNext},
	{"controller-write", (*trial).timeoutControllerWrite},
	{"controller-write-past", (*trial).timeoutWritePast},
	{"controller-write-past-end", (*trial).timeoutWritePastEnd},
	{"controller-write-steady", (*trial).timeoutWriteSteady},
	{"controller-write-file", (*trial).timeoutWriteFile},
	{"controller-write-trickle", (*trial).timeoutWriteTrickle},
	{"controller-write-moved", (*trial).timeoutWriteMoved},
	{"controller-write-pipeline", (*trial).timeoutWritePipeline},
}

const short = 150 * time.Millisecond

func nothing(http.ResponseWriter, *http.Request) {}

func (t *trial) timeoutHeader() {
	s := t.serve(setup{ReadHeaderTimeout: short, Handler: http.HandlerFunc(nothing)})
	w := t.dial(s)
	w.send("GET / HTTP/1.1\r\nHost: a\r\nX: ")
	a := w.answer()
	equal(t, "status", a.StatusCode, http.StatusRequestTimeout) // RFC 9110 15.5.9
	equal(t, "Close", a.Close, true)
	w.closed()
}

// timeoutSlowLoris: single bytes do not move the deadline.
func (t *trial) timeoutSlowLoris() {
	s := t.serve(setup{ReadHeaderTimeout: short, Handler: http.HandlerFunc(nothing)})
	w := t.dial(s)
	w.send("GET / HTTP/1.1\r\nHost: a\r\nX: ")
	began := time.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(short / 10)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if _, err := w.Conn.Write([]byte("a")); err != nil {
					return
				}
			case <-stop:
				return
			}
		}
	}()
	w.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, w.br)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("not closed within %v, the deadline was %v", patience, short)
	}
	if took := time.Since(began); took < short/2 {
		t.Errorf("closed after %v, the deadline was %v", took, short)
	}
	close(stop)
	await(t, "the writer", stopped)
}

func (t *trial) timeoutHeaderSecond() {
	s := t.serve(setup{ReadHeaderTimeout: short, IdleTimeout: 10 * patience, Handler: http.HandlerFunc(nothing)})
	w := t.dial(s)
	w.alive()
	w.silent(2 * short) // idle is another matter
	w.send("GET / HT")
	w.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, w.br); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("not closed within %v, the deadline was %v", patience, short)
	}
}

// timeoutHeaderBehind: a head that begins behind another request has a time of its own.
func (t *trial) timeoutHeaderBehind() {
	const limit = 6 * short
	s := t.serve(setup{ReadHeaderTimeout: limit, Handler: http.HandlerFunc(nothing)})
	w := t.dial(s)
	request := head("GET", "/")
	part, rest := request[:10], request[10:]
	time.Sleep(limit * 2 / 3)
	w.send(request + part)
	w.wantStatus(http.StatusOK)
	for range 2 {
		time.Sleep(limit * 2 / 3)
		w.send(rest + part)
		w.wantStatus(http.StatusOK)
	}
}

// timeoutNothingSent: who never said a word gets no word either.
func (t *trial) timeoutNothingSent() {
	s := t.serve(setup{ReadHeaderTimeout: short, IdleTimeout: short, Handler: http.HandlerFunc(nothing)})
	t.dial(s).closed()
}

func (t *trial) timeoutIdle() {
	s := t.serve(setup{IdleTimeout: short, Handler: http.HandlerFunc(nothing)})
	w := t.dial(s)
	w.alive()
	began := time.Now()
	w.closed()
	if took := time.Since(began); took < short/2 {
		t.Errorf("closed after %v, IdleTimeout is %v", took, short)
	}
}

func (t *trial) timeoutIdleHandling() {
	s := t.serve(setup{IdleTimeout: short, ReadHeaderTimeout: short, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(3 * short):
			case <-r.Context().Done():
				t.Errorf("cancelled: %v", r.Context().Err())
			}
			io.WriteString(w, "slowly")
		})})
	w := t.dial(s)
	w.get("/")
	w.want(http.StatusOK, "slowly")
}

// timeout tells whether err is one, in every way that callers ask.
func timeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &ne) && ne.Timeout()
}

func (t *trial) timeoutBody() {
	got := make(chan error, 1)
	s := t.serve(setup{ReadTimeout: short, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		got <- err
		http.Error(w, string(b), http.StatusRequestTimeout)
	})})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5") + "hel")
	if err := await(t, "the handler", got); !timeout(err) {
		t.Errorf("error of the body: %v, want a timeout", err)
	}
	w.want(http.StatusRequestTimeout, "hel\n")
	w.closed()
}

func (t *trial) timeoutWrite() {
	got := make(chan error, 1)
	s := t.serve(setup{WriteTimeout: short, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for block := make([]byte, 1<<20); err == nil; {
			_, err = w.Write(block)
		}
		got <- err
	})})
	w := t.dial(s)
	w.get("/") // and reads nothing
	if err := await(t, "the handler", got); !timeout(err) {
		t.Errorf("error of Write: %v, want a timeout", err)
	}
}

func (t *trial) timeoutControllerRead() {
	got := make(chan error, 1)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(short)); err != nil {
			t.Errorf("SetReadDeadline: %v", err)
		}
		_, err := io.ReadAll(r.Body)
		got <- err
		fmt.Fprint(w, "gave up")
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5") + "hel")
	if err := await(t, "the handler", got); !timeout(err) {
		t.Errorf("error of the body: %v, want a timeout", err)
	}
	w.want(http.StatusOK, "gave up")
	w.closed()
}

// timeoutReadMoved: a deadline that is set beside a Read that waits is that of this Read.
func (t *trial) timeoutReadMoved() {
	got := make(chan error, 1)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.SetReadDeadline(time.Now().Add(4 * short))
		moved := make(chan bool)
		go func() {
			defer close(moved)
			time.Sleep(short / 3) // for the Read to wait
			rc.SetReadDeadline(time.Now().Add(10 * patience))
			if r.URL.Path == "/later" {
				return
			}
			time.Sleep(short / 3)
			rc.SetReadDeadline(time.Now())
		}()
		b, err := io.ReadAll(r.Body)
		<-moved
		got <- err
		fmt.Fprintf(w, "%s", b)
	})
	w := t.dial(s)
	w.send(head("POST", "/later", "Content-Length: 5") + "hel")
	time.Sleep(6 * short)
	w.send("lo")
	equal(t, "later", await(t, "the handler", got), nil)
	w.want(http.StatusOK, "hello")
	w.send(head("POST", "/now", "Content-Length: 5") + "hel")
	if err := await(t, "the handler", got); !timeout(err) {
		t.Errorf("error of the body: %v, want a timeout", err)
	}
	w.want(http.StatusOK, "hel")
	w.closed()
}

// timeoutControllerNext: a deadline set in one request is not that of the next.
func (t *trial) timeoutControllerNext() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/set" {
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(short))
			http.NewResponseController(w).SetWriteDeadline(time.Now().Add(short))
		}
	})
	w := t.dial(s)
	w.get("/set")
	w.wantStatus(http.StatusOK)
	w.silent(2 * short)
	w.alive()
}

func (t *trial) timeoutControllerWrite() {
	got := make(chan error, 1)
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(short)); err != nil {
			t.Errorf("SetWriteDeadline: %v", err)
		}
		var err error
		for block := make([]byte, 1<<20); err == nil; {
			_, err = w.Write(block)
		}
		got <- err
	})
	w := t.dial(s)
	w.get("/")
	if err := await(t, "the handler", got); !timeout(err) {
		t.Errorf("error of Write: %v, want a timeout", err)
	}
}

// timeoutWritePast: nothing of an answer leaves after its time, though the client would take it.
func (t *trial) timeoutWritePast() {
	got := make(chan error, 1)
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		rc.SetWriteDeadline(time.Now().Add(-time.Second))
		w.Write(make([]byte, 10_000))
		rc.Flush()
		_, err := w.Write(make([]byte, 10_000))
		got <- err
	})
	w := t.dial(s)
	w.get("/")
	if err := await(t, "the handler", got); !timeout(err) {
		t.Errorf("error of Write: %v, want a timeout", err)
	}
	w.closed()
}

// timeoutWritePastEnd: the same for an answer that is sent when the handler has returned.
func (t *trial) timeoutWritePastEnd() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "little")
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(-time.Second))
	})
	w := t.dial(s)
	w.get("/")
	w.closed()
}

// timeoutWriteSteady writes little by little to a client that takes it at once.
func (t *trial) timeoutWriteSteady() {
	got := make(chan error, 1)
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		rc.SetWriteDeadline(time.Now().Add(short))
		var err error
		for end := time.Now().Add(patience); err == nil && time.Now().Before(end); {
			io.WriteString(w, "tick ")
			err = rc.Flush()
			time.Sleep(short / 20)
		}
		got <- err
	})
	w := t.dial(s)
	w.get("/")
	a := w.answer()
	if !errors.Is(a.err, io.ErrUnexpectedEOF) || !strings.HasPrefix(a.body, "tick ") {
		t.Errorf("answer: %.20q, %v; want it cut short", a.body, a.err)
	}
	if err := await(t, "the handler", got); !timeout(err) {
		t.Errorf("error of Flush: %v, want a timeout", err)
	}
}

// timeoutWriteFile: a file may be sent by the kernel.
func (t *trial) timeoutWriteFile() {
	name, content := t.bigFile()
	got := make(chan error, 1)
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Header().Set("Content-Type", "text/plain")
		http.NewResponseController(w).Flush()
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(-time.Second))
		_, err = io.Copy(w, f)
		got <- err
	})
	w := t.dial(s)
	w.get("/")
	a := w.answer()
	equal(t, "answer", fmt.Sprint(len(a.body), a.err), "0 unexpected EOF")
	if err := await(t, "the handler", got); !timeout(err) {
		t.Errorf("error of Copy: %v, want a timeout", err)
	}
}

// timeoutWriteTrickle: who reads little by little stretches no deadline.
func (t *trial) timeoutWriteTrickle() {
	const size = 64 << 20 // seconds, at the speed of this client
	name := filepath.Join(t.TempDir(), "sparse")
	if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, size)); err != nil {
		t.Fatalf("file: %v", err)
	}
	type end struct {
		err  error
		took time.Duration
	}
	got := make(chan end, 1)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * short))
		began := time.Now()
		f, err := os.Open(name)
		if err != nil {
			t.Errorf("open: %v", err)
		}
		defer f.Close()
		if r.URL.Path == "/block" {
			_, err = w.Write(make([]byte, size))
		} else {
			_, err = io.Copy(w, f)
		}
		got <- end{err, time.Since(began)}
	})
	for _, target := range []string{"/block", "/file"} {
		w := t.dial(s)
		w.Conn.(*net.TCPConn).SetReadBuffer(64 << 10) // so that it is heard of often
		w.get(target)
		over := make(chan bool)
		go func() {
			defer close(over)
			for b := make([]byte, 64<<10); ; time.Sleep(short / 50) {
				if _, err := w.Conn.Read(b); err != nil {
					return
				}
			}
		}()
		e := await(t, "the handler", got)
		if !timeout(e.err) || e.took > patience/3 {
			t.Errorf("%s: %v after %v, want a timeout after %v", target, e.err, e.took, 2*short)
		}
		<-over
	}
}

// timeoutWriteMoved: a deadline that was moved on, or taken back, in time does no harm.
func (t *trial) timeoutWriteMoved() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.SetWriteDeadline(time.Now().Add(-time.Second))
		if r.URL.Path == "/back" {
			rc.SetWriteDeadline(time.Time{})
		} else {
			rc.SetWriteDeadline(time.Now().Add(10 * patience))
		}
		io.WriteString(w, "in time")
		rc.Flush()
	})
	w := t.dial(s)
	for _, target := range []string{"/back", "/on", "/back"} {
		w.get(target)
		w.want(http.StatusOK, "in time")
	}
}

// timeoutWritePipeline: the deadline of one answer does not touch those before it.
func (t *trial) timeoutWritePipeline() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			http.NewResponseController(w).SetWriteDeadline(time.Now().Add(-time.Second))
		}
		io.WriteString(w, r.URL.Path)
	})
	w := t.dial(s)
	w.send(head("GET", "/1") + head("GET", "/2") + head("GET", "/late") + head("GET", "/3"))
	w.want(http.StatusOK, "/1")
	w.want(http.StatusOK, "/2")
	w.closed()
}
