package httpd_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// How a handler reads the body of a request.
var bodyBehaviours = []behaviour{
	{"framings", (*trial).bodyFramings},
	{"bad-chunks", (*trial).bodyBadChunks},
	{"extension-flood", (*trial).bodyExtensionFlood},
	{"trailer-too-large", (*trial).bodyTrailerTooLarge},
	{"cut-short", (*trial).bodyCutShort},
	{"cut-short-trailer", (*trial).bodyCutShortTrailer},
	{"bad-trailer", (*trial).bodyBadTrailer},
	{"cut-short-answered", (*trial).bodyCutShortAnswered},
	{"reset", (*trial).bodyReset},
	{"eof-stays", (*trial).bodyEOFStays},
	{"close", (*trial).bodyClose},
	{"close-half-read", (*trial).bodyCloseHalfRead},
	{"read-after-handler", (*trial).bodyAfterHandler},
	{"small-reads", (*trial).bodySmallReads},
	{"limit-reader", (*trial).bodyLimitReader},
	{"limit-server", (*trial).bodyLimitServer},
	{"after-answer-begun", (*trial).bodyAfterAnswer},
	{"full-duplex", (*trial).bodyFullDuplex},
	{"full-duplex-then-next", (*trial).bodyFullDuplexNext},
	{"full-duplex-reader-waits", (*trial).bodyFullDuplexWaits},
	{"trailer-without-chunks", (*trial).bodyTrailerWithoutChunks},
	{"trailer-forbidden-field", (*trial).bodyTrailerForbidden},
	{"read-beside-write", (*trial).bodyReadBesideWrite},
	{"cut-short-beside-write", (*trial).bodyCutBesideWrite},
}

// echo answers with what it was able to read, and the error if there is one.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		fmt.Fprintf(w, "%s (%v)", b, err)
		return
	}
	w.Write(b)
}

func (t *trial) bodyFramings() {
	s := t.handle(echo)
	chunked := head("POST", "/", "Transfer-Encoding: chunked")
	for _, c := range []struct{ in, want string }{
		{chunked + "5\r\nhello\r\n0\r\n\r\n", "hello"},
		{chunked + "0\r\n\r\n", ""},
		{chunked + "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
		{chunked + "00000005\r\nhello\r\n000\r\n\r\n", "hello"},
		{chunked + "1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n0\r\n\r\n", "hello"},
		{chunked + "5;name=value\r\nhello\r\n0;last\r\n\r\n", "hello"},
		{chunked + "5;name=\"quoted; value\"\r\nhello\r\n0\r\n\r\n", "hello"},
		{chunked + "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"},
		{chunked + "5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n", "hello"},
		{head("POST", "/", "Transfer-Encoding: CHUNKED") + "1\r\nx\r\n0\r\n\r\n", "x"},
		{head("POST", "/", "Content-Length: 5") + "hello", "hello"},
		{head("POST", "/", "Content-Length: 00005") + "hello", "hello"},
		{head("DELETE", "/", "Content-Length: 5") + "hello", "hello"},
	} {
		w := t.dial(s)
		w.send(c.in)
		w.want(http.StatusOK, c.want)
		w.alive()
		w.send(c.in + c.in)
		w.want(http.StatusOK, c.want)
		w.want(http.StatusOK, c.want)
	}
	big := string(pattern(300_000))
	w := t.dial(s)
	w.send(chunked + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(big), big))
	w.want(http.StatusOK, big)
	w.alive()
}

func (t *trial) bodyBadChunks() {
	got := make(chan error, 1)
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		got <- err
		io.WriteString(w, "answered")
	})
	for _, in := range []string{
		"zz\r\nhello\r\n0\r\n\r\n",
		"\r\nhello\r\n0\r\n\r\n",
		"-5\r\nhello\r\n0\r\n\r\n",
		"0x5\r\nhello\r\n0\r\n\r\n",
		"5 5\r\nhello\r\n0\r\n\r\n",
		"5\r\nhello!\r\n0\r\n\r\n",
		"5\r\nhello0\r\n\r\n",
		"10000000000000000\r\nhello\r\n0\r\n\r\n",
		"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
		"5;" + strings.Repeat("e", 10_000) + "\r\nhello\r\n0\r\n\r\n",
	} {
		w := t.dial(s)
		w.send(head("POST", "/", "Transfer-Encoding: chunked") + in + head("GET", "/smuggled"))
		a := w.answer()
		if err := await(t, "the handler", got); err == nil || err == io.EOF {
			t.Errorf("%.30q: no error", in)
		}
		equal(t, "body", a.body, "answered")
		w.closed()
	}
}

// bodyExtensionFlood spends kilobytes of extensions on each byte of data.
func (t *trial) bodyExtensionFlood() {
	got := make(chan error, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
	})
	w := t.dial(s)
	go io.WriteString(w.Conn, head("POST", "/", "Transfer-Encoding: chunked")+
		strings.Repeat("1;"+strings.Repeat("e", 1000)+"\r\nx\r\n", 2000)+"0\r\n\r\n")
	if err := await(t, "the handler", got); err == nil {
		t.Errorf("2 MB of extensions for 2 KB of data were taken without an error")
	}
}

func (t *trial) bodyTrailerTooLarge() {
	got := make(chan error, 1)
	s := t.serve(setup{MaxHeaderBytes: 8 << 10, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
	})})
	w := t.dial(s)
	go io.WriteString(w.Conn, head("POST", "/", "Transfer-Encoding: chunked")+"0\r\n"+
		strings.Repeat("X-Trailer: "+strings.Repeat("t", 1000)+"\r\n", 1000)+"\r\n")
	if err := await(t, "the handler", got); err == nil {
		t.Errorf("a trailer of 1 MB was taken without an error")
	}
}

func (t *trial) bodyCutShort() {
	got := make(chan error, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		equal(t, "what did come", string(b), "hel")
		got <- err
	})
	for _, in := range []string{
		head("POST", "/", "Content-Length: 5") + "hel",
		head("POST", "/", "Transfer-Encoding: chunked") + "5\r\nhel",
		head("POST", "/", "Transfer-Encoding: chunked") + "3\r\nhel\r\n",
	} {
		w := t.dial(s)
		w.send(in)
		w.halfClose()
		if err := await(t, "the handler", got); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v, want io.ErrUnexpectedEOF", in, err)
		}
	}
}

func (t *trial) bodyCutShortTrailer() {
	got := make(chan error, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		got <- err
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Transfer-Encoding: chunked") + "3\r\nhel\r\n0\r\n")
	w.halfClose()
	if err := await(t, "the handler", got); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want io.ErrUnexpectedEOF", err)
	}
}

// bodyBadTrailer: what is no field line ends the connection.
func (t *trial) bodyBadTrailer() {
	got := make(chan error, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		got <- err
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Transfer-Encoding: chunked") + "0\r\nBad Trailer: 1\r\n\r\n")
	if err := await(t, "the handler", got); err == nil {
		t.Fatalf("a malformed trailer was taken without an error")
	}
	w.answer()
	w.closed()
}

// bodyCutShortAnswered: the client ends its direction early and still gets the answer, after which all is over.
func (t *trial) bodyCutShortAnswered() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, "incomplete", http.StatusBadRequest)
		}
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5") + "hel")
	w.halfClose()
	w.want(http.StatusBadRequest, "incomplete\n")
	w.closed()
}

func (t *trial) bodyReset() {
	began, got := make(chan bool, 1), make(chan error, 1)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		io.ReadFull(r.Body, make([]byte, 3))
		began <- true
		_, err := io.ReadAll(r.Body)
		got <- err
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5") + "hel")
	await(t, "the handler", began)
	w.reset()
	if err := await(t, "the error", got); err == nil || err == io.EOF {
		t.Errorf("got %v after a reset", err)
	}
}

func (t *trial) bodyEOFStays() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		for range 3 {
			if n, err := r.Body.Read(make([]byte, 8)); n != 0 || err != io.EOF {
				t.Errorf("Read after the end: %d, %v; want 0, EOF", n, err)
			}
		}
		if err := r.Body.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		fmt.Fprint(w, string(b), err)
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5") + "hello" + head("GET", "/") +
		head("POST", "/", "Transfer-Encoding: chunked") + "2\r\nhi\r\n0\r\n\r\n")
	w.want(http.StatusOK, "hello<nil>")
	w.want(http.StatusOK, "<nil>")
	w.want(http.StatusOK, "hi<nil>")
}

func (t *trial) bodyClose() {
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			return
		}
		for range 2 {
			if err := r.Body.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		if n, err := r.Body.Read(make([]byte, 8)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("Read after Close: %d, %v; want 0, http.ErrBodyReadAfterClose", n, err)
		}
	})
	w := t.dial(s)
	for range 3 {
		w.send(head("POST", "/", "Content-Length: 5") + "hello")
		w.wantStatus(http.StatusOK)
		w.send(head("POST", "/", "Transfer-Encoding: chunked") + "2\r\nhi\r\n0\r\n\r\n")
		w.wantStatus(http.StatusOK)
		w.alive()
	}
}

func (t *trial) bodyCloseHalfRead() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.ReadFull(r.Body, make([]byte, 100))
		r.Body.Close()
		fmt.Fprint(w, n)
	})
	w := t.dial(s)
	for range 3 {
		w.send(head("POST", "/", "Content-Length: 9000") + string(pattern(9000)))
		w.want(http.StatusOK, "100")
	}
	w.alive()
}

// bodyAfterHandler: whoever keeps the body reads nothing of what follows on the connection.
func (t *trial) bodyAfterHandler() {
	kept := make(chan io.ReadCloser, 2)
	s := t.handle(func(_ http.ResponseWriter, r *http.Request) { kept <- r.Body })
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 5") + "hello")
	w.wantStatus(http.StatusOK)
	w.send(head("POST", "/", "Content-Length: 5") + "other")
	w.wantStatus(http.StatusOK)
	for range 2 {
		n, err := await(t, "the body", kept).Read(make([]byte, 8))
		if n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("Read after the handler: %d, %v; want 0, http.ErrBodyReadAfterClose", n, err)
		}
	}
	w.alive()
}

func (t *trial) bodySmallReads() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		if n, err := r.Body.Read(nil); n != 0 || err != nil && r.ContentLength != 0 {
			t.Errorf("Read(nil): %d, %v", n, err)
		}
		var all []byte
		for b := make([]byte, 1); ; {
			n, err := r.Body.Read(b)
			all = append(all, b[:n]...)
			if err != nil {
				equal(t, "end", err, io.EOF)
				break
			}
		}
		w.Write(all)
	})
	w := t.dial(s)
	body := string(pattern(5000))
	w.send(head("POST", "/", "Content-Length: 5000") + body)
	w.want(http.StatusOK, body)
	w.send(head("POST", "/", "Transfer-Encoding: chunked") + "1388;x\r\n" + body + "\r\n0\r\n\r\n")
	w.want(http.StatusOK, body)
	w.alive()
}

// bodyLimitReader is http.MaxBytesReader in a handler: it says 413, and the connection ends with it.
func (t *trial) bodyLimitReader() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 100))
		var tooLarge *http.MaxBytesError
		if !errors.As(err, &tooLarge) {
			t.Errorf("got %v, want *http.MaxBytesError", err)
		}
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	w := t.dial(s)
	go io.WriteString(w.Conn, head("POST", "/", "Content-Length: 2000000")+string(pattern(2_000_000)))
	a := w.want(http.StatusRequestEntityTooLarge, "too large\n")
	equal(t, "Connection", a.connection, "close")
	w.closed()
}

// bodyLimitServer is MaxBodyBytes of the server with a body that does not declare its length.
func (t *trial) bodyLimitServer() {
	got := make(chan error, 2)
	s := t.serve(setup{MaxBodyBytes: 1000, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}
		equal(t, "bytes let through", n, 1000)
		got <- err
	})})
	w := t.dial(s)
	chunk := "3e8\r\n" + string(pattern(1000)) + "\r\n"
	w.send(head("POST", "/", "Transfer-Encoding: chunked") + chunk + "0\r\n\r\n")
	w.wantStatus(http.StatusOK)
	equal(t, "error at the limit", await(t, "the handler", got), nil)
	go io.WriteString(w.Conn, head("POST", "/", "Transfer-Encoding: chunked")+strings.Repeat(chunk, 2000)+"0\r\n\r\n")
	w.wantStatus(http.StatusRequestEntityTooLarge)
	var tooLarge *http.MaxBytesError
	if err := await(t, "the handler", got); !errors.As(err, &tooLarge) {
		t.Errorf("got %v, want *http.MaxBytesError", err)
	}
	w.closed()
}

// bodyAfterAnswer reads on after the answer has begun. What is then left of a body is unspecified (http.ResponseWriter
// says so); that the handler is not stuck and that the connection does not lose count is not.
func (t *trial) bodyAfterAnswer() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		b, _ := io.ReadAll(r.Body)
		if want := string(pattern(2000)); !strings.HasPrefix(want, string(b)) {
			t.Errorf("bytes of something else: %.40q", b)
		}
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 2000") + string(pattern(2000)))
	w.want(http.StatusOK, "begun")
	w.send(head("POST", "/", "Content-Length: 2000") + string(pattern(2000)))
	w.want(http.StatusOK, "begun")
}

func (t *trial) bodyFullDuplex() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Errorf("EnableFullDuplex: %v", err)
		}
		w.WriteHeader(http.StatusOK)
		rc.Flush()
		for b := make([]byte, 100); ; {
			n, err := r.Body.Read(b)
			w.Write(b[:n])
			rc.Flush()
			if err != nil {
				equal(t, "end of the body", err, io.EOF)
				return
			}
		}
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Transfer-Encoding: chunked"))
	a := w.headTo("POST")
	for i := range 20 {
		part := fmt.Sprintf("part %02d", i)
		w.send("7\r\n" + part + "\r\n")
		b := make([]byte, len(part))
		if _, err := io.ReadFull(a.Body, b); err != nil {
			t.Fatalf("echo: %v", err)
		}
		equal(t, "echo", string(b), part)
	}
	w.send("0\r\n\r\n")
	rest, err := io.ReadAll(a.Body)
	equal(t, "end", fmt.Sprint(string(rest), err), "<nil>")
}

// bodyFullDuplexNext leaves a body unread in full duplex: the next request is found all the same.
func (t *trial) bodyFullDuplexNext() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		io.WriteString(w, r.URL.Path)
		rc.Flush()
	})
	w := t.dial(s)
	w.send(head("POST", "/1", "Content-Length: 2000") + string(pattern(2000)) + head("GET", "/2"))
	w.want(http.StatusOK, "/1")
	w.want(http.StatusOK, "/2")
}

// bodyFullDuplexWaits: the answer, its end included, does not wait for a body that another goroutine waits for.
func (t *trial) bodyFullDuplexWaits() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		read, ended := make(chan bool), make(chan error, 1)
		go func() {
			io.ReadFull(r.Body, make([]byte, 3))
			close(read)
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		}()
		<-read
		time.Sleep(20 * time.Millisecond) // for the reader to wait
		io.WriteString(w, "beside ")
		if r.URL.Path == "/wait" {
			rc.Flush()
			fmt.Fprint(w, <-ended)
		}
	})
	w := t.dial(s)
	w.send(head("POST", "/wait", "Transfer-Encoding: chunked") + "3\r\nabc\r\n")
	a := w.headTo("POST")
	w.send("0\r\n\r\n")
	b, err := io.ReadAll(a.Body)
	equal(t, "answer", say(string(b), err), "beside <nil> <nil>")
	w.send(head("POST", "/leave", "Content-Length: 4") + "abc")
	w.want(http.StatusOK, "beside ")
	w.send("d")
}

// readBesideWrite is a handler that answers while another goroutine reads the body; each piece is told to read.
func readBesideWrite(full bool, read chan<- string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			return
		}
		if full {
			http.NewResponseController(w).EnableFullDuplex()
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for b := make([]byte, 10); ; {
				n, err := r.Body.Read(b)
				read <- string(b[:n])
				if err != nil {
					return
				}
			}
		}()
		w.Header().Set("X-A", "b")
		w.WriteHeader(http.StatusAccepted)
		for range 10 {
			io.WriteString(w, "beside ")
			http.NewResponseController(w).Flush()
		}
		<-ended
		io.WriteString(w, "after")
	}
}

const besideAnswer = "beside beside beside beside beside beside beside beside beside beside after"

// bodyReadBesideWrite: reader and writer are two goroutines, as those of httputil.ReverseProxy, and the body arrives
// while both are at work.
func (t *trial) bodyReadBesideWrite() {
	for _, full := range []bool{true, false} {
		read := make(chan string, 100)
		s := t.handle(readBesideWrite(full, read))
		w := t.dial(s)
		w.send(head("POST", "/", "Content-Length: 60"))
		for range 3 {
			w.send(strings.Repeat("x", 20))
			if full {
				await(t, "the reader", read)
			}
		}
		w.want(http.StatusAccepted, besideAnswer)
		if full {
			w.alive()
		}
	}
}

// bodyCutBesideWrite: that the body has failed is found beside the writing as well.
func (t *trial) bodyCutBesideWrite() {
	read := make(chan string, 100)
	s := t.handle(readBesideWrite(true, read))
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 60") + "xxx")
	equal(t, "first piece", await(t, "the reader", read), "xxx")
	w.halfClose()
	w.want(http.StatusAccepted, besideAnswer)
	w.closed()
}

// bodyTrailerWithoutChunks: a Trailer field beside a length announces nothing, and stays where it is.
func (t *trial) bodyTrailerWithoutChunks() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v %v %v", b, err, r.Trailer, r.Header["Trailer"])
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Trailer: X-Sum", "Content-Length: 3") + "abc")
	w.want(http.StatusOK, "abc <nil> map[] [X-Sum]")
}

func (t *trial) bodyTrailerForbidden() {
	s := t.handle(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.Trailer)
	})
	w := t.dial(s)
	w.send(head("POST", "/", "Transfer-Encoding: chunked") + "0\r\nX-Sum: 1\r\nContent-Length: 4\r\n\r\n")
	w.want(http.StatusOK, "map[X-Sum:[1]]") // RFC 9110 6.5.1
}
