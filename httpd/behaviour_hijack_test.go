package httpd_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// Handlers that take the connection over.
var hijackBehaviours = []behaviour{
	{"buffered-bytes", (*trial).hijackBuffered},
	{"after-handler", (*trial).hijackAfterHandler},
	{"pipelined-request", (*trial).hijackPipelined},
	{"after-body", (*trial).hijackAfterBody},
	{"twice", (*trial).hijackTwice},
	{"wrapped", (*trial).hijackWrapped},
	{"deadlines", (*trial).hijackDeadlines},
	{"read-in-flight", (*trial).hijackReadInFlight},
	{"switching-protocols", (*trial).hijackSwitching},
	{"echo-large", (*trial).hijackEchoLarge},
	{"half-close", (*trial).hijackHalfClose},
	{"after-answer-begun", (*trial).hijackAfterFlush},
	{"then-panic", (*trial).hijackThenPanic},
	{"timeouts-lifted", (*trial).hijackTimeouts},
	{"second-request", (*trial).hijackSecond},
}

// take hijacks or reports why not.
func (t *trial) take(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Errorf("Hijack: %v", err)
		panic(http.ErrAbortHandler)
	}
	return c, rw
}

func (t *trial) hijackBuffered() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		c, rw := t.take(w)
		defer c.Close()
		b := make([]byte, 5)
		_, err := io.ReadFull(rw, b)
		fmt.Fprintf(rw, "got %s %v", b, err)
		rw.Flush()
	})
	w := t.dial(s)
	w.send(head("GET", "/") + "extra")
	equal(t, "conversation", w.rest(), "got extra <nil>")
	w = t.dial(s)
	w.get("/")
	w.send("later")
	equal(t, "conversation", w.rest(), "got later <nil>")
}

// hijackAfterHandler: the connection lives on when the handler has returned, and the server does not touch it.
func (t *trial) hijackAfterHandler() {
	type taken struct {
		net.Conn
		*bufio.ReadWriter
	}
	kept := make(chan taken, 1)
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		c, rw := t.take(w)
		kept <- taken{c, rw}
	})
	w := t.dial(s)
	w.get("/")
	k := await(t, "the connection", kept)
	defer k.Close()
	w.silent(20 * time.Millisecond)
	equal(t, "RemoteAddr", k.RemoteAddr().String(), w.LocalAddr().String())
	equal(t, "LocalAddr", k.LocalAddr().String(), s.addr)
	for i := range 20 {
		line := fmt.Sprintf("line %d\n", i)
		w.send(line)
		got, err := k.Reader.ReadString('\n')
		if err != nil || got != line {
			t.Fatalf("server reads %q, %v; want %q", got, err, line)
		}
		io.WriteString(k.Conn, got)
		w.read(line)
	}
	k.Close()
	w.closed()
}

func (t *trial) hijackPipelined() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/take" {
			io.WriteString(w, r.URL.Path)
			return
		}
		c, rw := t.take(w)
		defer c.Close()
		line, _ := rw.ReadString('\n')
		fmt.Fprintf(c, "mine: %s", line)
	})
	w := t.dial(s)
	w.send(head("GET", "/1") + head("GET", "/take") + head("GET", "/3"))
	w.want(http.StatusOK, "/1")
	equal(t, "conversation", w.rest(), "mine: GET /3 HTTP/1.1\r\n")
}

func (t *trial) hijackAfterBody() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		c, rw := t.take(w)
		defer c.Close()
		b := make([]byte, 5)
		io.ReadFull(rw, b)
		fmt.Fprintf(c, "%s %v %s", body, err, b)
	})
	for _, in := range []string{
		head("POST", "/", "Content-Length: 4") + "bodyextra",
		head("POST", "/", "Transfer-Encoding: chunked") + "4\r\nbody\r\n0\r\n\r\nextra",
	} {
		w := t.dial(s)
		w.send(in)
		equal(t, "conversation", w.rest(), "body <nil> extra")
	}
}

func (t *trial) hijackTwice() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		c, _ := t.take(w)
		defer c.Close()
		if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("second Hijack: %v, want http.ErrHijacked", err)
		}
		if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("Write: %v, want http.ErrHijacked", err)
		}
		w.WriteHeader(http.StatusTeapot) // does nothing but talk to the log
		io.WriteString(c, "still mine")
	})
	w := t.dial(s)
	w.get("/")
	equal(t, "conversation", w.rest(), "still mine")
}

// wrapper is a ResponseWriter as middleware makes them.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (t *trial) hijackWrapped() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(wrapper{wrapper{w}})
		if r.URL.Path == "/alive" {
			for what, err := range map[string]error{
				"Flush":            rc.Flush(),
				"SetReadDeadline":  rc.SetReadDeadline(time.Now().Add(time.Minute)),
				"SetWriteDeadline": rc.SetWriteDeadline(time.Time{}),
				"EnableFullDuplex": rc.EnableFullDuplex(),
			} {
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			return
		}
		c, _, err := rc.Hijack()
		if err != nil {
			t.Errorf("Hijack: %v", err)
			return
		}
		io.WriteString(c, "taken")
		c.Close()
	})
	w := t.dial(s)
	w.alive()
	w.get("/")
	equal(t, "conversation", w.rest(), "taken")
}

func (t *trial) hijackDeadlines() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		c, _ := t.take(w)
		defer c.Close()
		for _, d := range []time.Duration{-time.Second, 20 * time.Millisecond} {
			c.SetReadDeadline(time.Now().Add(d))
			var ne net.Error
			if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) ||
				!errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("Read: %d, %v; want a timeout", n, err)
			}
		}
		c.SetWriteDeadline(time.Now().Add(-time.Second))
		if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %v, want a timeout", err)
		}
		c.SetDeadline(time.Time{})
		io.WriteString(c, "?")
		io.Copy(c, io.LimitReader(c, 3))
	})
	w := t.dial(s)
	w.get("/")
	w.read("?")
	w.send("yes")
	equal(t, "conversation", w.rest(), "yes")
}

// hijackReadInFlight hijacks when the server has been watching the connection for a while.
func (t *trial) hijackReadInFlight() {
	gate := make(chan struct{})
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		<-gate // the client's bytes may have arrived
		c, rw := t.take(w)
		defer c.Close()
		b := make([]byte, 10)
		_, err := io.ReadFull(rw, b)
		fmt.Fprint(c, string(b), err, r.Context().Err())
	})
	w := t.dial(s)
	w.get("/")
	w.silent(10 * time.Millisecond)
	w.send("early")
	w.silent(10 * time.Millisecond)
	close(gate)
	w.send("later")
	equal(t, "conversation", w.rest(), "earlylater<nil> <nil>")
}

func (t *trial) hijackSwitching() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		equal(t, "Upgrade", r.Header.Get("Upgrade"), "echo")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		c, rw := t.take(w)
		defer c.Close()
		io.Copy(c, rw)
	})
	w := t.dial(s)
	w.get("/", "Connection: Upgrade", "Upgrade: echo")
	a := w.headTo("GET")
	equal(t, "status", a.StatusCode, http.StatusSwitchingProtocols)
	equal(t, "Upgrade", a.Header.Get("Upgrade"), "echo")
	equal(t, "framing", fmt.Sprint(a.Header["Content-Length"], a.TransferEncoding), "[] []")
	w.send("ping")
	w.read("ping")
	w.halfClose()
	w.closed()
}

func (t *trial) hijackEchoLarge() {
	data := pattern(4 << 20)
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		c, rw := t.take(w)
		defer c.Close()
		io.Copy(c, rw)
	})
	w := t.dial(s)
	w.get("/")
	go func() {
		w.Conn.Write(data)
		w.halfClose()
	}()
	got, err := io.ReadAll(w.br)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back, %v; want the %d that were sent", len(got), err, len(data))
	}
}

// hijackHalfClose: a taken connection can end its own direction and read on.
func (t *trial) hijackHalfClose() {
	got := make(chan string, 1)
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		c, rw := t.take(w)
		defer c.Close()
		io.WriteString(c, "over")
		cw, ok := c.(interface{ CloseWrite() error })
		if !ok {
			t.Errorf("%T has no CloseWrite", c)
			return
		}
		cw.CloseWrite()
		b, err := io.ReadAll(rw)
		got <- fmt.Sprint(string(b), err)
	})
	w := t.dial(s)
	w.get("/")
	equal(t, "conversation", w.rest(), "over")
	w.send("and out")
	w.halfClose()
	equal(t, "the server read", await(t, "the handler", got), "and out<nil>")
}

func (t *trial) hijackAfterFlush() {
	s := t.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "9")
		io.WriteString(w, "begun ")
		w.(http.Flusher).Flush()
		c, _ := t.take(w)
		io.WriteString(c, "end")
		c.Close()
	})
	w := t.dial(s)
	w.get("/")
	w.want(http.StatusOK, "begun end")
	w.closed()
}

func (t *trial) hijackThenPanic() {
	kept := make(chan net.Conn, 1)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/alive" {
			return
		}
		c, _ := t.take(w)
		kept <- c
		panic("after the fact")
	})
	w := t.dial(s)
	w.get("/")
	c := await(t, "the connection", kept)
	defer c.Close()
	t.eventually("the panic is logged", func() bool { return strings.Contains(s.log.String(), "after the fact") })
	io.WriteString(c, "mine")
	w.read("mine")
	t.dial(s).alive()
}

// hijackTimeouts: none of the server's timeouts reaches a connection that is no longer its own.
func (t *trial) hijackTimeouts() {
	const d = 100 * time.Millisecond
	s := t.serve(setup{ReadHeaderTimeout: d, ReadTimeout: d, WriteTimeout: d, IdleTimeout: d, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			c, rw := t.take(w)
			defer c.Close()
			c.SetDeadline(time.Time{})
			io.Copy(c, rw)
		})})
	w := t.dial(s)
	w.get("/")
	w.send("a")
	w.read("a")
	w.silent(3 * d)
	w.send("b")
	w.read("b")
}

func (t *trial) hijackSecond() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/alive" {
			return
		}
		c, rw := t.take(w)
		defer c.Close()
		io.Copy(c, rw)
	})
	w := t.dial(s)
	for range 5 {
		w.alive()
	}
	w.get("/")
	for _, line := range []string{"one", "two"} {
		w.send(line)
		w.read(line)
	}
}
