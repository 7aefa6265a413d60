package httpd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// The end of a server: Serve's context is cancelled.
var drainBehaviours = []behaviour{
	{"idle-closed-at-once", (*trial).drainIdle},
	{"in-flight-finishes", (*trial).drainInFlight},
	{"body-in-flight", (*trial).drainBody},
	{"listener-closed", (*trial).drainListener},
	{"deadline", (*trial).drainDeadline},
	{"hijacked-not-awaited", (*trial).drainHijacked},
	{"unused", (*trial).drainUnused},
	{"pipeline", (*trial).drainPipeline},
}

func (t *trial) drainIdle() {
	s := t.serve(setup{DrainTimeout: 4 * patience, Handler: http.HandlerFunc(nothing)})
	var idle []*wire
	for range 5 {
		w := t.dial(s)
		w.alive()
		idle = append(idle, w)
	}
	s.drain()
	for _, w := range idle {
		w.closed()
	}
	await(t, "Serve to return", s.ended)
	equal(t, "Serve", s.err, nil)
}

func (t *trial) drainInFlight() {
	began, gate := make(chan bool, 1), make(chan struct{})
	s := t.serve(setup{DrainTimeout: 4 * patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- true
		<-gate
		fmt.Fprint(w, "finished ", r.Context().Err())
	})})
	w := t.dial(s)
	w.get("/")
	await(t, "the handler", began)
	s.drain()
	t.refused(s)
	select {
	case <-s.ended:
		t.Errorf("Serve returned before the request in flight had its answer")
	case <-time.After(20 * time.Millisecond):
	}
	close(gate)
	a := w.want(http.StatusOK, "finished <nil>")
	equal(t, "Connection", a.connection, "close") // RFC 9112 9.6: the client shall know
	w.closed()
	await(t, "Serve to return", s.ended)
	equal(t, "Serve", s.err, nil)
}

// refused waits until no new connection is served any more.
func (t *trial) refused(s *site) {
	t.Helper()
	t.eventually("new connections are refused", func() bool {
		c, err := net.DialTimeout("tcp", s.addr, patience)
		if err != nil {
			return true
		}
		c.Close()
		return false
	})
}

// drainBody: a request whose body is on its way is in flight too.
func (t *trial) drainBody() {
	began := make(chan bool, 1)
	s := t.serve(setup{DrainTimeout: 4 * patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- true
		echo(w, r)
	})})
	w := t.dial(s)
	w.send(head("POST", "/", "Content-Length: 10") + "first")
	await(t, "the handler", began)
	s.drain()
	t.refused(s)
	w.send("later")
	w.want(http.StatusOK, "firstlater")
	await(t, "Serve to return", s.ended)
	equal(t, "Serve", s.err, nil)
}

func (t *trial) drainListener() {
	s := t.handle(nothing)
	t.dial(s).alive()
	s.drain()
	await(t, "Serve to return", s.ended)
	t.refused(s)
	ln, err := net.Listen("tcp", s.addr) // the port is free for a successor
	if err != nil {
		t.Fatalf("listen again: %v", err)
	}
	ln.Close()
}

// drainDeadline: who does not finish in time is cut off, and told so by its context.
func (t *trial) drainDeadline() {
	began, ended := make(chan bool, 1), make(chan error, 1)
	s := t.serve(setup{DrainTimeout: short, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		began <- true
		<-r.Context().Done()
		ended <- r.Context().Err()
	})})
	w := t.dial(s)
	w.get("/")
	await(t, "the handler", began)
	s.drain()
	equal(t, "context", await(t, "the cancellation", ended), context.Canceled)
	w.SetReadDeadline(time.Now().Add(patience))
	io.Copy(io.Discard, w.br)
	await(t, "Serve to return", s.ended)
	if !errors.Is(s.err, context.DeadlineExceeded) {
		t.Errorf("Serve: %v, want context.DeadlineExceeded", s.err)
	}
}

func (t *trial) drainHijacked() {
	kept := make(chan net.Conn, 1)
	s := t.serve(setup{DrainTimeout: 4 * patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _ := t.take(w)
		kept <- c
	})})
	w := t.dial(s)
	w.get("/")
	c := await(t, "the connection", kept)
	defer c.Close()
	s.drain()
	await(t, "Serve to return", s.ended)
	equal(t, "Serve", s.err, nil)
	io.WriteString(c, "still here")
	w.read("still here")
}

func (t *trial) drainUnused() {
	s := t.handle(nothing)
	s.drain()
	await(t, "Serve to return", s.ended)
	equal(t, "Serve", s.err, nil)
}

// drainPipeline: of a pipeline, the request being handled is answered as the last one.
func (t *trial) drainPipeline() {
	began, gate := make(chan bool, 8), make(chan struct{})
	s := t.serve(setup{DrainTimeout: 4 * patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- true
		<-gate
		io.WriteString(w, r.URL.Path)
	})})
	w := t.dial(s)
	w.send(head("GET", "/1") + head("GET", "/2") + head("GET", "/3"))
	await(t, "the handler", began)
	s.drain()
	t.refused(s)
	close(gate)
	a := w.want(http.StatusOK, "/1")
	equal(t, "Connection", a.connection, "close")
	w.closed()
	await(t, "Serve to return", s.ended)
}
