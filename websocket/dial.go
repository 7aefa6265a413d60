package websocket

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/internal/http1"
)

// DialOptions are the options of Dial; nil means none.
//
// For durations and limits 0 is the default that the field names, and a negative
// value is none.
type DialOptions struct {
	// Header is sent with the request: cookies, Authorization, Origin. A Host in it
	// takes the place of the URL's.
	Header http.Header
	// Subprotocols are offered, in order of preference.
	Subprotocols []string
	// Dial opens the connection; nil dials TCP. addr is host:port of the URL: one that
	// goes to a unix socket may ignore it. Over it TLS is spoken where the URL says so.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is used for wss and https; nil is the default configuration. ServerName is
	// taken from the URL unless it is set.
	TLS *tls.Config
	// HandshakeTimeout bounds Dial as a whole. 0 means 30 s.
	HandshakeTimeout time.Duration
	// MaxHeaderBytes limits the head of the server's answer. 0 means 64 KiB.
	MaxHeaderBytes int
	// Deflate has compression offered; nil: not.
	Deflate *Deflate
	// MaxMessageBytes limits a message, decompressed. 0 means 1 MiB.
	MaxMessageBytes int
	// MaxBacklogBytes, PingAfter, PongTimeout, WriteTimeout: as in AcceptOptions.
	MaxBacklogBytes int
	PingAfter       time.Duration
	PongTimeout     time.Duration
	WriteTimeout    time.Duration
	// Handler gets the messages, in event style; nil is blocking style.
	Handler Handler
	// Engine runs the connection of a Handler; nil: a goroutine does. Over TLS it is
	// always a goroutine.
	Engine *engine.Engine
	// Logger gets what cannot be returned. nil means slog.Default().
	Logger *slog.Logger
}

// Dial opens a connection to a server. The URL's scheme is ws, wss, http or https; a
// user and password in it are sent as basic authorization. ctx bounds the opening
// alone. A server that answers with another status than 101 is a *ResponseError:
// redirects are not followed. One that upgrades wrongly is a *ProtocolError.
func Dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, error) {
	if o == nil {
		o = &DialOptions{}
	}
	d := dialer{o: o}
	if err := d.prepare(rawURL); err != nil {
		return nil, fmt.Errorf("websocket: dial: %w", err)
	}
	if timeout := orDefault(o.HandshakeTimeout, 30*time.Second); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	nc, err := d.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("websocket: dial: %w", err)
	}
	c, err := d.open(ctx, nc)
	if err != nil {
		nc.Close()
		return nil, wrapDial(err)
	}
	return c, nil
}

func wrapDial(err error) error {
	if _, ok := errors.AsType[*ResponseError](err); ok {
		return err
	}
	return wrap("dial", err)
}

// dialer is one Dial.
type dialer struct {
	o      *DialOptions
	url    *url.URL
	secure bool
	addr   string // host:port
	key    string
}

// prepare reads the URL and checks what is to be sent.
func (d *dialer) prepare(rawURL string) (err error) {
	if d.url, err = url.Parse(rawURL); err != nil {
		return err
	}
	port := "80"
	switch d.url.Scheme {
	case "ws", "http":
	case "wss", "https":
		d.secure, port = true, "443"
	default:
		return fmt.Errorf("the URL's scheme %q is none of ws, wss, http and https", d.url.Scheme)
	}
	if d.url.Hostname() == "" {
		return errors.New("the URL has no host")
	}
	if p := d.url.Port(); p != "" {
		port = p
	}
	d.addr = net.JoinHostPort(d.url.Hostname(), port)
	for name, values := range d.o.Header {
		if !isToken(name) || slices.ContainsFunc(values, func(v string) bool { return !http1.ValidFieldValue(v) }) {
			return fmt.Errorf("the header field %q cannot be sent", name)
		}
	}
	for _, p := range d.o.Subprotocols {
		if !isToken(p) {
			return fmt.Errorf("the sub-protocol %q is not a token", p)
		}
	}
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	d.key = base64.StdEncoding.EncodeToString(nonce[:])
	return nil
}

func isToken(s string) bool { return http1.ValidToken(s) }

// connect opens the connection, with TLS where the URL says so.
func (d *dialer) connect(ctx context.Context) (net.Conn, error) {
	dial := d.o.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	nc, err := dial(ctx, "tcp", d.addr)
	if err != nil || !d.secure {
		return nc, err
	}
	cfg := &tls.Config{}
	if d.o.TLS != nil {
		cfg = d.o.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = d.url.Hostname()
	}
	if cfg.NextProtos == nil {
		cfg.NextProtos = []string{"http/1.1"} // never HTTP/2: this side does not speak it
	}
	tc := tls.Client(nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return tc, nil
}

// open does the opening handshake on an open connection.
func (d *dialer) open(ctx context.Context, nc net.Conn) (*Conn, error) {
	done := interruptible(ctx, func() { nc.SetDeadline(longAgo) })
	early, sub, pm, err := d.handshake(nc)
	if done() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			err = ctx.Err()
		}
		return nil, err
	}
	o := d.o
	set := common{o.MaxMessageBytes, o.MaxBacklogBytes, o.PingAfter, o.PongTimeout, o.WriteTimeout, o.Deflate, o.Logger}.settings(true)
	if o.Handler == nil {
		return newBlocking(nc, set, sub, pm, early), nil
	}
	c := newEvent(o.Handler, set, sub, pm)
	if err := c.attach(o.Engine, nc, early); err != nil {
		return nil, err
	}
	return c, nil
}

// request is what opens (RFC 6455 4.1).
func (d *dialer) request() []byte {
	h, o := d.o.Header, d.o
	host := d.url.Host
	if v := h.Get("Host"); v != "" {
		host = v
	}
	b := http1.AppendRequestLine(make([]byte, 0, 512), http.MethodGet, d.url.RequestURI())
	b = http1.AppendField(b, "Host", host)
	b = http1.AppendField(b, "Upgrade", "websocket")
	b = http1.AppendField(b, "Connection", "Upgrade")
	b = http1.AppendField(b, "Sec-WebSocket-Key", d.key)
	b = http1.AppendField(b, "Sec-WebSocket-Version", version)
	if len(o.Subprotocols) > 0 {
		b = http1.AppendField(b, "Sec-WebSocket-Protocol", strings.Join(o.Subprotocols, ", "))
	}
	if o.Deflate != nil {
		b = http1.AppendField(b, "Sec-WebSocket-Extensions", o.Deflate.offer())
	}
	if u := d.url.User; u != nil && h.Get("Authorization") == "" {
		password, _ := u.Password()
		b = http1.AppendField(b, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	for name, values := range h {
		if reserved(name) {
			continue
		}
		for _, v := range values {
			b = http1.AppendField(b, name, v)
		}
	}
	return append(b, "\r\n"...)
}

// reserved reports whether Dial itself says a field.
func reserved(name string) bool {
	switch name = http.CanonicalHeaderKey(name); name {
	case "Host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding":
		return true
	}
	return strings.HasPrefix(name, "Sec-Websocket-")
}

// handshake sends the request and reads the answer; early is what came behind it.
func (d *dialer) handshake(nc net.Conn) (early []byte, sub *string, pm deflateParams, err error) {
	if _, err = nc.Write(d.request()); err != nil {
		return nil, nil, pm, err
	}
	resp := http1.Response{Limits: http1.Limits{MaxHead: max(d.o.MaxHeaderBytes, 0)}}
	var in []byte
	for {
		var n int
		if in, n, err = readHead(nc, &resp, in); err != nil {
			return nil, nil, pm, err
		}
		if resp.Status == http.StatusSwitchingProtocols || resp.Status >= 200 {
			header := fields(&resp)
			if resp.Status != http.StatusSwitchingProtocols {
				return nil, nil, pm, &ResponseError{resp.Status, header, readContent(nc, &resp, in[n:])}
			}
			sub, pm, err = d.check(header)
			return in[n:], sub, pm, err
		}
		in = in[n:] // RFC 9110 15.2: an interim answer
	}
}

// readHead reads one head. in begins with it, and n bytes of in are its.
func readHead(nc net.Conn, resp *http1.Response, in []byte) (all []byte, n int, err error) {
	seen := 0
	buf := make([]byte, 4<<10)
	for {
		if n, err = resp.Parse(in, seen); n > 0 || err != nil {
			return in, n, err
		}
		seen = len(in)
		m, err := nc.Read(buf)
		if m == 0 && err != nil {
			return in, 0, err
		}
		in = append(in, buf[:m]...)
	}
}

func fields(resp *http1.Response) http.Header {
	h := make(http.Header, resp.Len())
	for i := range resp.Len() {
		h.Add(string(resp.Name(i)), string(resp.Value(i)))
	}
	return h
}

// maxBody is how much of a refusal's content is kept, in bytes.
const maxBody = 4 << 10

// readContent reads the beginning of the content of a refusal.
func readContent(nc net.Conn, resp *http1.Response, in []byte) (content []byte) {
	body := resp.Body(http.MethodGet)
	nc.SetReadDeadline(time.Now().Add(closeTimeout))
	buf := make([]byte, maxBody)
	for len(content) < maxBody {
		data, n, err := body.Next(in)
		in = in[n:]
		content = append(content, data...)
		if err != nil || body.Done() {
			break
		}
		if n > 0 || len(data) > 0 {
			continue
		}
		m, err := nc.Read(buf)
		if m == 0 && err != nil {
			break
		}
		in = append(append([]byte(nil), in...), buf[:m]...)
	}
	return content[:min(len(content), maxBody)]
}

func badAnswer(reason string) error {
	return &ProtocolError{Code: StatusProtocolError, Rule: "RFC 6455 4.1", Reason: reason}
}

// check reads the answer that upgrades (RFC 6455 4.1, the second list).
func (d *dialer) check(h http.Header) (sub *string, pm deflateParams, err error) {
	switch {
	case !hasToken(h, "Upgrade", "websocket"):
		return nil, pm, badAnswer("the server upgrades to something else")
	case !hasToken(h, "Connection", "upgrade"):
		return nil, pm, badAnswer("the server's Connection field does not say upgrade")
	case h.Get(headerAccept) != acceptKey(d.key) || len(h[headerAccept]) != 1:
		return nil, pm, badAnswer("the server's Sec-WebSocket-Accept is wrong")
	}
	if names := h[headerProtocol]; len(names) > 0 {
		i := slices.Index(d.o.Subprotocols, names[0])
		if i < 0 || len(names) > 1 {
			return nil, pm, badAnswer("the server chose a sub-protocol that was not offered")
		}
		sub = &names[0]
	}
	pm, ok := checkDeflate(h, d.o.Deflate)
	if !ok {
		return nil, pm, badAnswer("the server chose extensions that were not offered like that")
	}
	return sub, pm, nil
}
