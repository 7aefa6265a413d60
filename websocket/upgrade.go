package websocket

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/http1"
)

// handshakeTimeout bounds how long the answer that upgrades may take to leave.
const handshakeTimeout = 10 * time.Second

// acceptance is an upgrade that was decided upon.
type acceptance struct {
	o   *AcceptOptions
	h   Handler
	sub *string
	pm  deflateParams
}

// head is the answer that upgrades (RFC 6455 4.2.2).
func (a *acceptance) head(r *http.Request, header http.Header) []byte {
	b := make([]byte, 0, 256)
	b = http1.AppendStatusLine(b, 1, http.StatusSwitchingProtocols, "")
	b = http1.AppendField(b, "Upgrade", "websocket")
	b = http1.AppendField(b, "Connection", "Upgrade")
	b = http1.AppendField(b, "Sec-WebSocket-Accept", acceptKey(r.Header.Get(headerKey)))
	for name, values := range header {
		for _, v := range values {
			b = http1.AppendField(b, name, v)
		}
	}
	return append(b, "\r\n"...)
}

// upgrader is the http.ResponseWriter of a server that runs on an engine. Upgrade
// gives the connection, where it is, to p: Data gets what arrives once the http
// handler has returned, and what has arrived already. The answer was not begun, and
// is p's affair. The result may be written to at once.
type upgrader interface {
	Upgrade(p engine.Protocol) (*engine.Conn, error)
}

// inPlace upgrades a connection of an engine.
func (a *acceptance) inPlace(u upgrader, head []byte) (*Conn, error) {
	c := newEvent(a.h, a.o.settings(), a.sub, a.pm)
	ev, err := u.Upgrade((*protocol)(c))
	if err != nil {
		return nil, wrap("accept", err)
	}
	if ev.OnLoop() {
		err = ev.WriteLater(head)
	} else if _, err = ev.Write(head); err == nil {
		err = ev.Push(handshakeTimeout)
	}
	if err != nil {
		ev.Close()
	}
	ev.SetDeadline(c.set.pingAfter)
	if !ev.OnLoop() {
		c.set1(stOffLoop)
	}
	c.open(ev) // and Close will follow
	if err != nil {
		return nil, wrap("accept", err)
	}
	return c, nil
}

// hijack takes the connection away from its server.
func (a *acceptance) hijack(w http.ResponseWriter, head []byte) (*Conn, error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return nil, refuse(w, Refuse(http.StatusNotImplemented, "this server cannot upgrade to WebSocket"))
	}
	if err != nil {
		return nil, wrap("accept", err)
	}
	early := buffered(rw.Reader)
	nc.SetDeadline(time.Now().Add(handshakeTimeout))
	if _, err := nc.Write(head); err != nil {
		nc.Close()
		return nil, wrap("accept", err)
	}
	nc.SetDeadline(time.Time{})
	set := a.o.settings()
	if a.h == nil {
		return newBlocking(nc, set, a.sub, a.pm, early), nil
	}
	c := newEvent(a.h, set, a.sub, a.pm)
	if err := c.attach(a.o.Engine, nc, early); err != nil {
		return nil, wrap("accept", err)
	}
	return c, nil
}

// buffered is what a reader holds.
func buffered(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered())
	return append([]byte(nil), b...)
}

// attach gives an open connection to an engine.
func (c *Conn) attach(e *engine.Engine, nc net.Conn, early []byte) error {
	if e == nil {
		e = &engine.Engine{Driver: engine.DriverGoroutine, Logger: c.set.log}
	}
	if len(early) > 0 {
		nc = &readAhead{Conn: nc, b: early} // no engine knows it: a goroutine reads it
	}
	ev, err := e.Attach(nc, (*protocol)(c))
	if err != nil {
		return err
	}
	enrolled := make(chan struct{})
	if ev.Post(func() { close(enrolled) }) == nil {
		<-enrolled // Open may write: the loop has to know the connection by then
	}
	c.open(ev)
	c.probe()
	return nil
}

// readAhead is a net.Conn some of whose input was read before.
type readAhead struct {
	net.Conn
	b []byte
}

// Read implements net.Conn.
func (r *readAhead) Read(b []byte) (int, error) {
	if len(r.b) > 0 {
		n := copy(b, r.b)
		r.b = r.b[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

// CloseWrite ends this side, where the connection can.
func (r *readAhead) CloseWrite() error {
	if cw, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return errors.ErrUnsupported
}
