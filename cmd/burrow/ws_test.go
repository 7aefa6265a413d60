package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/burrownet/burrow/internal/memnet"
	"github.com/burrownet/burrow/websocket"
)

// wsTrial is a session in memory and in virtual time. Its server does with each
// connection what serve says, given its number.
type wsTrial struct {
	verb   wsVerb
	stdin  io.Reader // nil: nothing
	dialed []time.Duration
	events []wsEvent // what --json printed
	stderr bytes.Buffer
}

func (w *wsTrial) run(t *testing.T, ctx context.Context, serve func(n int, c *websocket.Conn)) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Hour) // virtual: no test waits for ever
	defer cancel()
	ln := memnet.Listen(nil)
	began, n := time.Now(), 0
	var group sync.WaitGroup
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		group.Add(1) // the server waits for nobody who has a connection of its own
		defer group.Done()
		n++
		if serve == nil {
			http.Error(rw, "gone fishing", http.StatusServiceUnavailable)
			return
		}
		c, err := websocket.Accept(rw, r, &websocket.AcceptOptions{PingAfter: -1})
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		serve(n, c)
	})}
	group.Go(func() { srv.Serve(ln) })
	defer group.Wait()
	defer srv.Close()
	w.verb.URL, w.verb.MaxMessage, w.verb.JSON = "ws://test.example/", 1<<20, true
	options, err := w.verb.dialOptions()
	if err != nil {
		t.Fatal(err)
	}
	options.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		w.dialed = append(w.dialed, time.Since(began))
		return ln.Dial(ctx)
	}
	var stdout bytes.Buffer
	out := &wsOutput{t: &terminal{out: &stdout, err: &w.stderr}, json: true}
	if w.stdin == nil {
		w.stdin = strings.NewReader("")
	}
	s := &wsSession{verb: &w.verb, out: out, options: options, left: w.verb.Count}
	s.input = newWSInput(w.stdin, w.verb.Binary, w.verb.MaxMessage)
	err = s.run(ctx)
	for dec := json.NewDecoder(&stdout); dec.More(); {
		var e wsEvent
		if err := dec.Decode(&e); err != nil {
			t.Fatal(err)
		}
		w.events = append(w.events, e)
	}
	return err
}

// names are the events' names, in order.
func (w *wsTrial) names() (all []string) {
	for _, e := range w.events {
		all = append(all, e.Event)
	}
	return all
}

// last is the last event of a name.
func (w *wsTrial) last(t *testing.T, name string) wsEvent {
	t.Helper()
	for _, e := range slices.Backward(w.events) {
		if e.Event == name {
			return e
		}
	}
	t.Fatalf("there was no %s event, only %q", name, w.names())
	return wsEvent{}
}

func wantEvents(t *testing.T, w *wsTrial, want ...string) {
	t.Helper()
	if got := w.names(); !slices.Equal(got, want) {
		t.Errorf("events: got %q, want %q", got, want)
	}
}

func TestWSCloseCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code   websocket.StatusCode
		reason string
		failed string // the error; "" is none
	}{
		{websocket.StatusNormal, "done", ""},
		{websocket.StatusGoingAway, "", ""},
		{websocket.StatusNoStatus, "", ""},
		{websocket.StatusPolicyViolation, "no \x1b", `the server closed with 1008 (policy violation) "no \x1b"`},
		{websocket.StatusInternalError, "", "the server closed with 1011 (internal error)"},
		{4001, "own", `the server closed with 4001 "own"`},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := wsTrial{verb: wsVerb{Wait: -1}}
			err := w.run(t, t.Context(), func(_ int, c *websocket.Conn) { c.Close(tt.code, tt.reason) })
			if got := errorText(err); got != tt.failed {
				t.Errorf("%d: got error %q, want %q", tt.code, got, tt.failed)
			}
			e := w.last(t, "close")
			if e.Code != int(tt.code) || e.Reason != tt.reason || e.By != "server" {
				t.Errorf("%d: got close event %+v", tt.code, e)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// echoAll echoes, each message after a delay, until the connection ends. The error
// is how it did.
func echoAll(c *websocket.Conn, delay time.Duration) error {
	for {
		typ, data, err := c.Read(context.Background())
		if err != nil {
			return err
		}
		time.Sleep(delay) // virtual time: the server is slow
		if err := c.Write(context.Background(), typ, data); err != nil {
			return err
		}
	}
}

// TestWSWait: answers that each come within the time are waited for, and then the
// connection is closed in order.
func TestWSWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wsTrial{verb: wsVerb{Wait: time.Second}, stdin: strings.NewReader("one\r\ntwo\nthree")}
		began := time.Now()
		var end error
		err := w.run(t, t.Context(), func(_ int, c *websocket.Conn) { end = echoAll(c, 900*time.Millisecond) })
		if err != nil {
			t.Error(err)
		}
		if got, want := time.Since(began), 3700*time.Millisecond; got != want {
			t.Errorf("took %s, want %s: 3 answers and the wait", got, want)
		}
		wantEvents(t, &w, "open", "message", "message", "message", "close")
		if got := *w.events[1].Text; got != "one" {
			t.Errorf("a line that ends in CR LF: got %q, want one", got)
		}
		if got := websocket.CloseStatus(end); got != websocket.StatusNormal {
			t.Errorf("the server was told %d, want 1000", got)
		}
	})
}

// TestWSReconnect: delays double, a lost message is sent again, and 1000 ends it.
func TestWSReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in, typing := io.Pipe()
		defer typing.Close()
		w := wsTrial{verb: wsVerb{Wait: time.Second, Reconnect: true}, stdin: in}
		err := w.run(t, t.Context(), func(n int, c *websocket.Conn) {
			switch n {
			case 1, 2:
				c.CloseNow()
			case 3:
				c.Close(websocket.StatusServiceRestart, "")
			case 4:
				go io.WriteString(typing, "hello\n")
				if _, data, err := c.Read(context.Background()); err != nil || string(data) != "hello" {
					t.Errorf("got %q, %v, want hello", data, err)
				}
				c.Close(websocket.StatusNormal, "")
			default:
				t.Error("connected again after 1000")
			}
		})
		if err != nil {
			t.Error(err)
		}
		wantEvents(t, &w, "open", "close", "error", "retry", "open", "close", "error", "retry", "open", "close", "error", "retry", "open", "close")
		if len(w.dialed) != 4 {
			t.Fatalf("dialed %d times, want 4", len(w.dialed))
		}
		for i, delay := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			got := w.dialed[i+1] - w.dialed[i]
			if got < delay*3/4 || got > delay*5/4+time.Second { // a close may take a moment
				t.Errorf("attempt %d came after %s, want about %s", i+2, got, delay)
			}
		}
	})
}

// TestWSLongestDelay: a server that refuses for now is asked ever more rarely, until
// an interrupt.
func TestWSLongestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		w := wsTrial{verb: wsVerb{Reconnect: true}}
		if err := w.run(t, ctx, nil); err != nil {
			t.Errorf("interrupted while waiting: got error %v, want none", err)
		}
		if n := len(w.dialed); n < 20 || n > 33 {
			t.Errorf("dialed %d times in 10 minutes, want some 24", n)
		}
		if got := w.last(t, "retry").Millis; got < 22_500 || got > 37_500 {
			t.Errorf("the last delay is %v ms, want 30 s or a quarter more or less", got)
		}
		want := "the server answered 503 Service Unavailable: gone fishing; try again later"
		if got := w.last(t, "error").Error; !strings.Contains(got, want) {
			t.Errorf("got error %q, want %q in it", got, want)
		}
	})
}

// TestWSEnded: what an end means depends on what is still to be said.
func TestWSEnded(t *testing.T) {
	t.Parallel()
	normal := &websocket.CloseError{Code: websocket.StatusNormal}
	away := &websocket.CloseError{Code: websocket.StatusGoingAway}
	broken := &websocket.CloseError{Code: websocket.StatusAbnormal}
	tests := []struct {
		name      string
		cause     error
		unsent    bool
		inputEnd  bool
		wait      time.Duration
		again     bool
		wantError string // "" is none
	}{
		{"closed", normal, false, false, 1, false, ""},
		{"closed too early", normal, true, false, 1, false, "the server closed before everything was sent"},
		{"the server stops", away, false, false, 1, true, ""},
		{"the server stops too early", away, true, false, 1, true, "the server closed before everything was sent"},
		{"the server stops, all was said", away, false, true, 1, false, ""},
		{"the server stops, a feed", away, false, true, -1, true, ""},
		{"broken", broken, false, false, 1, true, broken.Error()},
		{"broken, all was said", broken, false, true, 1, false, broken.Error()},
		{"silent", websocket.ErrPongTimeout, false, false, 1, true, websocket.ErrPongTimeout.Error()},
		{"silent to --ping", errNoPong, false, false, 1, true, errNoPong.Error()},
		{"our limit", websocket.ErrMessageTooBig, false, false, 1, false, websocket.ErrMessageTooBig.Error()},
	}
	for _, tt := range tests {
		s := &wsSession{verb: &wsVerb{Wait: tt.wait}, inputEnd: tt.inputEnd, out: &wsOutput{t: &terminal{out: io.Discard, err: io.Discard}}}
		if tt.unsent {
			s.unsent = []byte("x")
		}
		again, err := s.ended(nil, nil, tt.cause)
		if again != tt.again || errorText(err) != tt.wantError {
			t.Errorf("%s: got %t and error %q, want %t and %q", tt.name, again, errorText(err), tt.again, tt.wantError)
		}
	}
}

// TestWSPing: answers are told, and their lack ends the connection.
func TestWSPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wsTrial{verb: wsVerb{Wait: -1, Ping: 10 * time.Second}}
		began := time.Now()
		release := make(chan struct{})
		defer close(release)
		err := w.run(t, t.Context(), func(_ int, c *websocket.Conn) {
			ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
			defer cancel()
			c.Read(ctx)
			select { // alive, and does not read
			case <-release:
			case <-time.After(time.Minute):
			}
		})
		if want := "no answer to a ping for 10s: the server, or the way to it, is gone"; errorText(err) != want {
			t.Errorf("got error %v, want %s", err, want)
		}
		if got, want := time.Since(began), 90*time.Second; got > want {
			t.Errorf("took %s, want less than %s", got, want)
		}
		wantEvents(t, &w, "open", "pong", "pong", "close", "error")
		if got := w.last(t, "close"); got.Code != 1006 || got.By != "" {
			t.Errorf("got close event %+v, want 1006 by nobody", got)
		}
	})
}

// TestWSInterrupt: the connection is closed in order.
func TestWSInterrupt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		in, typing := io.Pipe()
		defer typing.Close()
		w := wsTrial{verb: wsVerb{Reconnect: true}, stdin: in}
		var end error
		if err := w.run(t, ctx, func(_ int, c *websocket.Conn) { end = echoAll(c, 0) }); err != nil {
			t.Error(err)
		}
		wantEvents(t, &w, "open", "close")
		if got := websocket.CloseStatus(end); got != websocket.StatusNormal {
			t.Errorf("the server was told %d, want 1000", got)
		}
	})
}

func TestWSLasting(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want bool
	}{
		{&websocket.ResponseError{StatusCode: 404}, true},
		{&websocket.ResponseError{StatusCode: 301}, true},
		{&websocket.ResponseError{StatusCode: 429}, false},
		{&websocket.ResponseError{StatusCode: 502}, false},
		{&websocket.ProtocolError{}, true},
		{&tls.CertificateVerificationError{}, true},
		{io.ErrUnexpectedEOF, false},
		{errors.New("no route to host"), false},
	}
	for _, tt := range tests {
		if got := lasting(tt.err); got != tt.want {
			t.Errorf("%T %v: got %t, want %t", tt.err, tt.err, got, tt.want)
		}
	}
}
