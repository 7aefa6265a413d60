package websocket

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/unwrap"
)

// AcceptOptions are the options of Accept; nil means none. One value may serve all
// requests: what it says is read at its first use and must not be changed after.
// Otherwise an idle connection costs some 150 bytes more.
//
// For durations and limits 0 is the default that the field names, and a negative
// value is none.
type AcceptOptions struct {
	// Origins are the origins of other sites whose pages may connect, besides
	// those of the host that the request is for: "https://app.example.com", or with
	// path.Match patterns for the whole ("https://*.example.com"), the host and port,
	// or the host alone ("*.example.com", "[::1]"); one that is no pattern is logged,
	// and matches nothing. "null" stands for pages without an origin.
	// "*" lets pages of any site use the cookies of your users.
	Origins []string
	// Subprotocols are those that this server speaks, in its order of preference: the
	// first that the client offers is chosen, and none when it offers none of them.
	Subprotocols []string
	// Header is added to the answer that upgrades.
	Header http.Header
	// Check is asked before a connection is upgraded. An error refuses it: with what a
	// *RefusedError says, else with 403. It may add to the header of the answer.
	Check func(r *http.Request, header http.Header) error
	// Deflate has messages compressed when the client offers it; nil: never.
	Deflate *Deflate
	// MaxMessageBytes limits a message, decompressed. 0 means 1 MiB.
	MaxMessageBytes int
	// MaxBacklogBytes limits, in event style, what may be unsent when a further
	// message is written. 0 means 1 MiB. More than Engine.MaxBacklog has no effect.
	MaxBacklogBytes int
	// PingAfter is how long a peer may be silent before it is sent a ping. In
	// blocking style it is looked at while somebody reads. 0 means 1 minute.
	PingAfter time.Duration
	// PongTimeout is how long it may then be silent still, before the connection ends
	// with ErrPongTimeout. 0 means 20 s.
	PongTimeout time.Duration
	// WriteTimeout bounds, in blocking style, the time in which a write makes no
	// progress: a peer that does not read ends its connection, after this time and before
	// twice as much. Over TLS and HTTP/2 the peer has to read 64 KiB in that time. 0 means
	// 30 s. In event style without a loop it bounds what is still leaving when a callback
	// returns.
	WriteTimeout time.Duration
	// Handler gets the messages, in event style; nil is blocking style.
	Handler Handler
	// Engine runs the connections of a Handler that come from a server which does not
	// run on an engine itself, such as net/http's; nil: a goroutine for each.
	Engine *engine.Engine
	// Until has all connections closed with StatusGoingAway when it ends, and those that
	// come later at once: for the end of the server, whose context it may be. Those of a
	// Handler on an httpd.Server are told by that itself, over HTTP/1.1; nobody else is.
	// nil: never.
	Until context.Context
	// Logger gets what cannot be returned. nil means slog.Default().
	Logger *slog.Logger

	shared atomic.Pointer[settings]
}

func (o *AcceptOptions) settings() *settings {
	if s := o.shared.Load(); s != nil {
		return s
	}
	s := common{o.MaxMessageBytes, o.MaxBacklogBytes, o.PingAfter, o.PongTimeout, o.WriteTimeout, o.Deflate, o.Logger}.settings(false)
	s.open = closedBy(o.Until)
	if o.shared.CompareAndSwap(nil, s) {
		o.reportOrigins(s.log)
		if s.open != nil {
			context.AfterFunc(o.Until, s.open.closeAll)
		}
		return s
	}
	return o.shared.Load()
}

// Accept upgrades a request to a WebSocket. w and r must not be used after. An error
// means that the request was refused, and answered, or that the connection broke
// meanwhile: the caller has nothing left to do.
//
// Without a Handler the Conn is the caller's, as long as it likes, whether its http
// handler returns or not; but over HTTP/2 the connection ends with the handler, which
// has to close it before it returns, with CloseNow at the least: that waits for
// writes of others. With a Handler Accept returns when Open has; over HTTP/2, when
// Close has. The callbacks for messages may begin before the http handler returns.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	if o == nil {
		o = &AcceptOptions{}
	}
	return accept(w, r, o, nil, choose(protocolNames(r.Header), o.Subprotocols))
}

// choose is the first name of ours that the client offers.
func choose(offered, ours []string) *string {
	for i := range ours {
		if slices.Contains(offered, ours[i]) {
			return &ours[i]
		}
	}
	return nil
}

// accept is Accept once the sub-protocol is known. p has the Handler; nil: the options
// do. It is made last: what refuses the request does so before.
func accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions, p *Protocol, sub *string) (*Conn, error) {
	o.settings() // reports what is wrong with the options, whatever becomes of the request
	header, err := admit(r, o)
	h := o.Handler
	if p != nil {
		h = nil
		if p.Handler != nil && err == nil {
			h, err = p.Handler(r)
		}
	}
	if err != nil {
		return nil, refuse(w, err)
	}
	pm, extension := acceptDeflate(r.Header, o.Deflate)
	if extension != "" {
		header.Set(headerExtensions, extension)
	}
	if sub != nil {
		header.Set(headerProtocol, *sub)
	}
	a := &acceptance{o: o, h: h, sub: sub, pm: pm}
	if r.ProtoMajor >= 2 {
		return a.overHTTP2(w, r, header)
	}
	head := a.head(r, header)
	if h != nil {
		if u, ok := unwrap.Find[upgrader](w); ok {
			return a.inPlace(u, head)
		}
	}
	return a.hijack(w, head)
}

// admit decides whether a request is upgraded, and gives the header of the answer.
func admit(r *http.Request, o *AcceptOptions) (http.Header, error) {
	if refusal := checkRequest(r); refusal != nil {
		return nil, refusal
	}
	if refusal := checkOrigin(r, o.Origins); refusal != nil {
		return nil, refusal
	}
	header := o.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if o.Check != nil {
		if err := o.Check(r, header); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"Upgrade", "Connection", headerAccept, headerExtensions, headerProtocol, "Content-Length", "Transfer-Encoding"} {
		header.Del(name) // these are for Accept to say
	}
	return header, nil
}

// refuse answers that a request is not upgraded.
func refuse(w http.ResponseWriter, err error) error {
	refusal, ok := errors.AsType[*RefusedError](err)
	if !ok {
		refusal = Refuse(http.StatusForbidden, "the connection is not allowed")
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Length")
	if v := refusal.Header.Values("Content-Type"); len(v) > 0 {
		h.Del("Content-Type")
	}
	for name, values := range refusal.Header {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	w.WriteHeader(refusal.status())
	io.WriteString(w, refusal.Reason+"\n")
	if !ok {
		return err
	}
	return refusal
}
