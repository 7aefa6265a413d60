package httpd_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// wire is a client that sends exactly the bytes it is told. Every wait is bounded by patience.
type wire struct {
	net.Conn
	t   *trial
	br  *bufio.Reader
	rec *recorder
}

// answer is one response with its body read. err is what reading the body ended with, nil at its proper end.
type answer struct {
	*http.Response
	connection string // the Connection field, which http.ReadResponse takes away
	body       string
	err        error
}

// recorder keeps what it reads, for as long as it is told to.
type recorder struct {
	io.Reader
	on   bool
	kept []byte
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if r.on {
		r.kept = append(r.kept, b[:n]...)
	}
	return n, err
}

// dial opens a connection to s that is closed when the trial ends.
func (t *trial) dial(s *site) *wire {
	t.Helper()
	c, err := net.DialTimeout("tcp", s.addr, patience)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return t.over(c)
}

// over makes a wire of a connection that somebody else closes.
func (t *trial) over(c net.Conn) *wire {
	if err := c.SetDeadline(time.Now().Add(4 * patience)); err != nil {
		t.Fatalf("deadline: %v", err)
	}
	rec := &recorder{Reader: c}
	return &wire{Conn: c, t: t, rec: rec, br: bufio.NewReader(rec)}
}

// dialTLS opens a TLS connection and completes the handshake.
func (t *trial) dialTLS(s *site, cfg *tls.Config) (*wire, *tls.Conn) {
	t.Helper()
	c := tls.Client(t.dial(s).Conn, cfg)
	w := t.over(c)
	if err := c.Handshake(); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return w, c
}

// send writes text.
func (w *wire) send(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.Conn, text); err != nil {
		w.t.Fatalf("send: %v", err)
	}
}

// get sends a plain HTTP/1.1 GET with the given extra header lines.
func (w *wire) get(target string, lines ...string) {
	w.t.Helper()
	w.send(head("GET", target, lines...))
}

// head builds a request head of HTTP/1.1.
func head(method, target string, lines ...string) string {
	var b strings.Builder
	b.WriteString(method + " " + target + " HTTP/1.1\r\nHost: burrow.test\r\n")
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// answer reads the next response, to a GET, interim ones included.
func (w *wire) answer() *answer {
	w.t.Helper()
	return w.answerTo("GET")
}

// answerTo reads the next response, which belongs to a request with this method.
func (w *wire) answerTo(method string) *answer {
	w.t.Helper()
	a := w.headTo(method)
	b, err := io.ReadAll(a.Body)
	a.body, a.err = string(b), err
	return a
}

// headTo reads the head of the next response and leaves the body to be read.
func (w *wire) headTo(method string) *answer {
	w.t.Helper()
	w.SetReadDeadline(time.Now().Add(patience))
	early, err := w.br.Peek(w.br.Buffered())
	if err != nil {
		w.t.Fatalf("peek: %v", err)
	}
	w.rec.on, w.rec.kept = true, append(w.rec.kept[:0], early...)
	resp, err := http.ReadResponse(w.br, &http.Request{Method: method})
	w.rec.on = false
	if err != nil {
		w.t.Fatalf("no answer: %v", err)
	}
	a := &answer{Response: resp}
	raw := w.rec.kept[:len(w.rec.kept)-w.br.Buffered()]
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Connection") {
			a.connection += strings.TrimSpace(value)
		}
	}
	return a
}

// want reads the next response to a GET and compares status and body.
func (w *wire) want(status int, body string) *answer {
	w.t.Helper()
	a := w.answer()
	if a.err != nil {
		w.t.Errorf("body: %v", a.err)
	}
	equal(w.t, "status", a.StatusCode, status)
	equal(w.t, "body", a.body, body)
	return a
}

// wantStatus reads the next response to a GET and compares the status.
func (w *wire) wantStatus(status int) *answer {
	w.t.Helper()
	a := w.answer()
	equal(w.t, "status", a.StatusCode, status)
	return a
}

// alive makes one more exchange on the connection: the server still knows where requests begin.
func (w *wire) alive() {
	w.t.Helper()
	w.get("/alive")
	w.wantStatus(http.StatusOK)
}

// closed demands that the server closes the connection without another byte.
func (w *wire) closed() {
	w.t.Helper()
	w.closedWithin(patience)
}

func (w *wire) closedWithin(d time.Duration) {
	w.t.Helper()
	w.SetReadDeadline(time.Now().Add(d))
	b, err := io.ReadAll(w.br)
	if len(b) > 0 {
		w.t.Errorf("unexpected bytes before the end: %.200q", b)
	}
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		w.t.Errorf("connection is not closed: %v", err)
	}
}

// rest reads to the end of the connection.
func (w *wire) rest() string {
	w.t.Helper()
	w.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(w.br)
	if err != nil {
		w.t.Errorf("rest: %v after %q", err, b)
	}
	return string(b)
}

// read reads exactly len(text) bytes and compares them.
func (w *wire) read(text string) {
	w.t.Helper()
	w.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, len(text))
	n, err := io.ReadFull(w.br, b)
	if err != nil {
		w.t.Fatalf("read: %v after %q, want %q", err, b[:n], text)
	}
	equal(w.t, "read", string(b), text)
}

// silent demands that nothing arrives for d and that the connection stays open.
func (w *wire) silent(d time.Duration) {
	w.t.Helper()
	w.SetReadDeadline(time.Now().Add(d))
	b, err := w.br.Peek(1)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Fatalf("expected silence, got %q, %v", b, err)
	}
}

// halfClose ends the client's direction.
func (w *wire) halfClose() {
	w.t.Helper()
	c, ok := w.Conn.(interface{ CloseWrite() error })
	if !ok {
		w.t.Fatalf("%T has no CloseWrite", w.Conn)
	}
	if err := c.CloseWrite(); err != nil {
		w.t.Fatalf("half close: %v", err)
	}
}

// reset aborts the connection, which the server sees as ECONNRESET.
func (w *wire) reset() {
	w.t.Helper()
	if err := w.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		w.t.Fatalf("linger: %v", err)
	}
	w.Close()
}
