package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/burrownet/burrow/websocket"
)

// wsEcho is the server of --listen.
type wsEcho struct {
	ctx     context.Context // ends with the server
	out     *wsOutput
	options *websocket.AcceptOptions
	group   sync.WaitGroup // connections
}

// runListen echoes until a signal ends it.
func (v *wsVerb) runListen(t *terminal) error {
	web := serveVerb{TLSCert: v.Cert, TLSKey: v.Key, TLSSelfSigned: v.TLSSelfSigned}
	config, fingerprint, err := web.tlsConfig()
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(t.err, nil))
	ctx, stop := untilSignal(t)
	defer stop()
	options := func() *websocket.AcceptOptions {
		return &websocket.AcceptOptions{
			Origins: v.Origin, Subprotocols: v.Subprotocol, Header: v.header, Deflate: v.deflate(),
			MaxMessageBytes: v.MaxMessage, PingAfter: v.Ping, Logger: logger,
		}
	}
	e := &wsEcho{ctx: ctx, out: v.output(t), options: options()}
	var handler http.Handler = e
	if v.Hub {
		handler = &wsHub{ctx: ctx, out: e.out, options: options}
	}
	serve, err := newServer(handler, config, v.Driver, logger)
	if err != nil {
		return err
	}
	listeners, err := listenAll(ctx, v.Listen)
	if err != nil {
		return err
	}
	v.announce(t, listeners, config != nil, fingerprint)
	err = serveAll(ctx, listeners, serve)
	stop()
	e.group.Wait()
	return err
}

// announce tells how to connect.
func (v *wsVerb) announce(t *terminal, listeners []net.Listener, secure bool, fingerprint string) {
	var b strings.Builder
	if v.Hub {
		b.WriteString("A hub: open it in a browser, or connect, at\n")
	} else {
		b.WriteString("Echoing on\n")
	}
	for _, ln := range listeners {
		for _, place := range places(ln.Addr(), secure) {
			if !v.Hub {
				place = strings.Replace(place, "http", "ws", 1)
			}
			if ln.Addr().Network() == "unix" {
				place = "burrow ws ws://localhost/ --connect unix:" + printable(ln.Addr().String())
				if secure {
					place = strings.Replace(place, "ws://", "wss://", 1)
				}
			}
			fmt.Fprintf(&b, "  %s\n", t.style("36", place))
		}
	}
	if fingerprint != "" {
		fmt.Fprintf(&b, "The certificate was made for this run; its SHA-256 fingerprint is\n  %s\n", fingerprint)
	}
	b.WriteString("Ctrl-C stops.\n")
	fmt.Fprint(t.err, b.String())
}

// ServeHTTP echoes on one connection.
func (e *wsEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.group.Add(1)
	defer e.group.Done()
	event := &wsEvent{Event: "open", Peer: r.RemoteAddr, URL: r.URL.RequestURI()}
	began := time.Now()
	c, err := websocket.Accept(w, r, e.options)
	if err != nil {
		event.Event, event.Error = "refused", err.Error()
		e.out.event(event, wsLine(began, event, err.Error()))
		return
	}
	defer c.CloseNow()
	event.Subprotocol, event.Compressed = c.Subprotocol(), c.Compressed()
	e.out.event(event, "")
	end := *event
	end.Event = "close"
	err = e.echo(c, &end)
	end.Millis = millis(time.Since(began))
	how := e.ended(c, err, &end)
	e.out.event(&end, wsLine(began, &end, describe(&end)+how))
}

// keepBuffer is how large a buffer is kept between messages, in bytes.
const keepBuffer = 64 << 10

// echo gives each message back before it reads the next: who does not read is not
// read from.
func (e *wsEcho) echo(c *websocket.Conn, count *wsEvent) error {
	var buf []byte
	for {
		t, data, err := c.ReadAppend(e.ctx, buf[:0])
		if err != nil {
			return err
		}
		count.Messages++
		count.Bytes += int64(len(data))
		if err := c.Write(e.ctx, t, data); err != nil {
			return err
		}
		if buf = data; cap(buf) > keepBuffer {
			buf = nil
		}
	}
}

// ended says how a connection has ended, and ends it when that is for this side.
func (e *wsEcho) ended(c *websocket.Conn, cause error, end *wsEvent) string {
	closed, ok := errors.AsType[*websocket.CloseError](cause)
	byPeer := ok && closed.Code != websocket.StatusAbnormal
	if !byPeer && e.ctx.Err() != nil && c.Close(websocket.StatusGoingAway, "the server stops") == nil {
		end.Code, end.By = int(websocket.StatusGoingAway), "server"
		return "closed by this server: " + closeText(websocket.StatusGoingAway, "")
	}
	return wsHow(cause, end)
}

// wsHow says how a connection has ended, and notes it.
func wsHow(cause error, end *wsEvent) string {
	code := websocket.CloseStatus(cause)
	end.Code = int(code)
	closed, ok := errors.AsType[*websocket.CloseError](cause)
	switch {
	case code == websocket.StatusAbnormal:
		end.Error = cause.Error()
		return cause.Error()
	case ok:
		end.Reason, end.By = closed.Reason, "client"
		return "closed " + closeText(code, closed.Reason)
	}
	end.Error, end.By = cause.Error(), "server"
	return "closed by this server: " + closeText(code, "") + ": " + cause.Error()
}

// describe is what a connection was.
func describe(e *wsEvent) string {
	s := ""
	if e.Subprotocol != "" {
		s = "sub-protocol " + e.Subprotocol + ", "
	}
	if e.Compressed {
		s += "compressed, "
	}
	unit := "messages"
	if e.Messages == 1 {
		unit = "message"
	}
	return fmt.Sprintf("%s%d %s, %s in %.1f s, ", s, e.Messages, unit, byteCount(e.Bytes), e.Millis/1000)
}

// wsLine is one connection, for people.
func wsLine(began time.Time, e *wsEvent, what string) string {
	peer := e.Peer
	if peer == "" || peer == "@" { // an unnamed unix socket
		peer = "local"
	}
	return began.Format("15:04:05") + " " + peer + " " + printable(e.URL) + ": " + what
}
