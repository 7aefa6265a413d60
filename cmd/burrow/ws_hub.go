package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/burrownet/burrow/websocket"
)

// hubPage is the page of --hub. NONCE in it is another text each time.
//
//go:embed ws_hub.html
var hubPage string

// wsHub is the server of --listen with --hub: what one says in a room all in it get,
// and a room is a path.
type wsHub struct {
	ctx     context.Context // ends with the server
	hub     websocket.Hub
	out     *wsOutput
	options func() *websocket.AcceptOptions
}

// ServeHTTP is the page, or a connection.
func (h *wsHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asksPage := r.Method == http.MethodGet || r.Method == http.MethodHead
	if asksPage && r.Header.Get("Upgrade") == "" {
		servePage(w)
		return
	}
	m := &wsMember{h: h, room: r.URL.Path, began: time.Now(), event: wsEvent{Event: "open", Peer: r.RemoteAddr, URL: r.URL.RequestURI()}}
	o := h.options()
	o.Handler = m
	if _, err := websocket.Accept(w, r, o); err != nil {
		refused := m.event
		refused.Event, refused.Error = "refused", err.Error()
		h.out.event(&refused, wsLine(m.began, &refused, err.Error()))
	}
}

// servePage allows the page's own script and style, and connections to where it is from.
func servePage(w http.ResponseWriter) {
	nonce := rand.Text()
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+
		"connect-src 'self'; script-src 'nonce-"+nonce+"'; style-src 'nonce-"+nonce+"'")
	io.WriteString(w, strings.ReplaceAll(hubPage, "NONCE", nonce))
}

// wsMember is one connection.
type wsMember struct {
	h     *wsHub
	room  string
	began time.Time
	event wsEvent // what is told at its end
}

// Open enters the room.
func (m *wsMember) Open(c *websocket.Conn) {
	m.event.Subprotocol, m.event.Compressed = c.Subprotocol(), c.Compressed()
	open := m.event
	m.h.out.event(&open, "")
	m.event.Event = "close"
	if m.h.hub.Subscribe(c, m.room) != nil {
		c.CloseNow() // it has ended already
	}
}

// Message says it to all in the room.
func (m *wsMember) Message(_ *websocket.Conn, t websocket.MessageType, data []byte) {
	m.event.Messages++
	m.event.Bytes += int64(len(data))
	m.h.hub.Publish(m.h.ctx, m.room, t, data) // the hub is alone: without a Broker nothing fails
}

// Close tells how it was.
func (m *wsMember) Close(_ *websocket.Conn, err error) {
	m.event.Millis = millis(time.Since(m.began))
	how := wsHow(err, &m.event)
	if m.h.ctx.Err() != nil && m.event.Code == int(websocket.StatusGoingAway) {
		m.event.By = "server" // the peer gave back the code that it was sent
		how = "closed by this server: " + closeText(websocket.StatusGoingAway, "")
	}
	m.h.out.event(&m.event, wsLine(m.began, &m.event, describe(&m.event)+how))
}
