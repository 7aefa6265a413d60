package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/burrownet/burrow/websocket"
)

// wsVerb is "burrow ws".
type wsVerb struct {
	URL           string        `arg:"" optional:"" name:"url" help:"The server: ws://HOST[:PORT]/PATH or wss://..., http:// and https:// being the same. Without a scheme it is ws."`
	Binary        bool          `short:"b" help:"Send all of standard input as one binary message, and write messages as they are, with nothing between them."`
	JSON          bool          `name:"json" help:"Print each event as a line of JSON: open, message, pong, close, error, retry."`
	Header        []string      `short:"H" sep:"none" placeholder:"NAME:VALUE" help:"Header field to send. May be given several times."`
	Subprotocol   []string      `short:"s" placeholder:"NAME" help:"Sub-protocol to offer or, with --listen, to speak, in order of preference. May be given several times."`
	Ping          time.Duration `placeholder:"TIME" help:"Ping this often, tell how long the answer took, and give up when none comes. Default: after a minute of silence, quietly."`
	Wait          time.Duration `default:"1s" placeholder:"TIME" help:"Close once standard input has ended and nothing has arrived for this long; --wait=-1s waits until the peer closes. Default: 1s."`
	Count         int           `short:"n" placeholder:"N" help:"Close after receiving N messages."`
	Reconnect     bool          `short:"r" help:"Connect again, after 1 to 30 s, when there is no connection or it is lost."`
	Compress      bool          `help:"Compress messages where the peer can (permessage-deflate)."`
	MaxMessage    int           `name:"max-message" default:"16777216" placeholder:"BYTES" help:"Largest message to send or receive. Default: 16 MiB."`
	Connect       string        `placeholder:"ADDR" help:"Connect there rather than to the host of the URL: HOST:PORT or unix:/PATH."`
	CA            string        `name:"ca" placeholder:"FILE" help:"Trust servers with a certificate of these authorities (PEM) rather than the system's."`
	Cert          string        `placeholder:"FILE" help:"Certificate (PEM) that this side shows."`
	Key           string        `placeholder:"FILE" help:"Private key (PEM) of the certificate."`
	Insecure      bool          `short:"k" help:"Accept any certificate: whoever is on the way can read and change everything."`
	Listen        []string      `short:"l" sep:"none" placeholder:"ADDR" help:"Be a server that echoes: HOST:PORT, :PORT, unix:/PATH or systemd:NAME. May be given several times."`
	Hub           bool          `help:"With --listen: be a chat hub instead, with a page to try it: what one says all get that are connected to the same path."`
	Origin        []string      `sep:"none" placeholder:"ORIGIN" help:"With --listen: let pages of this origin connect, such as https://app.example or *.example; * is any. Default: pages of the same host. May be given several times."`
	TLSSelfSigned bool          `name:"tls-self-signed" help:"With --listen: TLS with a certificate made for this run."`
	Driver        string        `enum:"auto,epoll,uring,kqueue,goroutine" default:"auto" placeholder:"NAME" help:"With --listen: how connections are driven: auto, epoll, uring, kqueue or goroutine. Default: auto."`
	Quiet         bool          `short:"q" help:"Say nothing but errors."`

	header http.Header
	shown  string // the URL without a password
}

// Help is the long help of the verb.
func (wsVerb) Help() string {
	return `Each line of standard input is sent as one text message, each message received is written to standard output as a line; a message that has lines in it is told from several messages with --json only. The close code is shown on standard error. The exit status is 0 when either side closed in order (1000, 1001, or no code), 1 when not.

Talk to a server, or script it:

    $ burrow ws wss://chat.example/room -H 'Authorization: Bearer 123'
    $ echo '{"op":"status"}' | burrow ws ws://127.0.0.1:8080/api -n 1

Watch a feed for ever, as JSON:

    $ burrow ws wss://feed.example/ --reconnect --ping 20s --json --wait=-1s </dev/null

Send a file as one binary message, keep the answer:

    $ burrow ws --binary ws://127.0.0.1:8080/scan -n 1 <photo.jpg >answer.bin

A server to try clients with:

    $ burrow ws --listen 127.0.0.1:8080

A chat for the browsers, and the consoles, of this network:

    $ burrow ws --listen :8080 --hub

Ctrl-D ends the input and waits for answers, Ctrl-C closes, a second one ends at once.`
}

// Validate is called once the flags are parsed.
func (v *wsVerb) Validate() error {
	switch {
	case v.URL == "" && len(v.Listen) == 0:
		return errors.New("say where to connect to (ws://HOST/PATH), or --listen ADDR to be a server")
	case v.URL != "" && len(v.Listen) > 0:
		return errors.New("--listen is a server, a URL makes a client: leave out one of them")
	case v.Cert != "" && v.Key == "":
		return errors.New("--cert needs --key, the private key of that certificate")
	case v.Key != "" && v.Cert == "":
		return errors.New("--key needs --cert, the certificate of that key")
	case v.MaxMessage < 1 || v.MaxMessage > 1<<30:
		return errors.New("--max-message is from 1 to 1073741824 (1 GiB)")
	case v.Count < 0:
		return errors.New("--count is at least 1")
	case v.Ping < 0 || v.Ping > 0 && v.Ping < 10*time.Millisecond:
		return errors.New("--ping is at least 10ms")
	}
	if err := v.checkHeader(); err != nil {
		return err
	}
	if len(v.Listen) > 0 {
		return v.checkListen()
	}
	return v.checkURL()
}

// checkListen finds flags that mean nothing to a server.
func (v *wsVerb) checkListen() error {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"--binary", v.Binary},
		{"--count", v.Count != 0},
		{"--reconnect", v.Reconnect},
		{"--connect", v.Connect != ""},
		{"--ca", v.CA != ""},
		{"--insecure", v.Insecure},
		{"--wait", v.Wait != time.Second},
	} {
		if f.set {
			return fmt.Errorf("%s is for a client: leave out --listen, or %s", f.name, f.name)
		}
	}
	if v.TLSSelfSigned && v.Cert != "" {
		return errors.New("--tls-self-signed makes a certificate: leave out --cert and --key, or leave out --tls-self-signed")
	}
	return nil
}

// checkURL checks what is for clients. A URL without a scheme is a ws one.
func (v *wsVerb) checkURL() error {
	switch {
	case len(v.Origin) > 0:
		return errors.New("--origin says whose pages may connect to --listen; a client sends one with --header 'Origin: https://app.example'")
	case v.Hub:
		return errors.New("--hub is for --listen")
	case v.Driver != "auto":
		return errors.New("--driver is for --listen")
	case v.TLSSelfSigned:
		return errors.New("--tls-self-signed is for --listen; a client trusts a certificate with --ca FILE")
	}
	if !hasScheme.MatchString(v.URL) {
		v.URL = "ws://" + v.URL
	}
	u, err := url.Parse(v.URL)
	if err != nil {
		return fmt.Errorf("%s is not a URL: %w", v.URL, errors.Unwrap(err))
	}
	v.shown = u.Redacted()
	switch u.Scheme {
	case "ws", "wss", "http", "https":
	default:
		return fmt.Errorf("%s: the scheme is ws or wss, not %s", v.URL, u.Scheme)
	}
	switch {
	case u.Hostname() == "":
		return fmt.Errorf("%s has no host: write ws://HOST/PATH", v.URL)
	case !validPort(u.Port()):
		return fmt.Errorf("%s: a port is from 1 to 65535", v.shown)
	case v.Connect != "" && !validAddr(v.Connect):
		return fmt.Errorf("--connect is HOST:PORT or unix:/PATH, not %q", v.Connect)
	case u.Fragment != "" || strings.HasSuffix(v.URL, "#"):
		// RFC 6455 3.
		return fmt.Errorf("%s: a WebSocket's URL has no fragment; a # in it is written %%23", v.URL)
	}
	secure := u.Scheme == "wss" || u.Scheme == "https"
	if !secure && (v.CA != "" || v.Cert != "" || v.Insecure) {
		return fmt.Errorf("%s is without TLS: --ca, --cert and --insecure need wss://", v.URL)
	}
	return nil
}

// hasScheme matches a URL with a scheme (RFC 3986 3.1). One without may have "://"
// further on.
var hasScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// validPort reports whether a URL may have this port, or "" for none.
func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// validAddr reports whether one can connect to an address.
func validAddr(addr string) bool {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return path != ""
	}
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port != "" && validPort(port)
}

// ours are the fields of a handshake that flags stand for, or nothing.
var ours = map[string]string{
	"Sec-Websocket-Protocol": "use --subprotocol", "Sec-Websocket-Extensions": "use --compress",
	"Host": "write it into the URL, and where it leads to into --connect", "Sec-Websocket-Key": "", "Sec-Websocket-Version": "", "Connection": "", "Upgrade": "", "Content-Length": "", "Transfer-Encoding": "",
}

// checkHeader reads --header, and looks at the names of sub-protocols.
func (v *wsVerb) checkHeader() error {
	v.header = make(http.Header)
	for _, line := range v.Header {
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return fmt.Errorf("--header is NAME:VALUE, such as 'Authorization: Bearer 123', not %q", line)
		}
		if instead, ok := ours[http.CanonicalHeaderKey(name)]; ok {
			if instead == "" {
				instead = "leave it out"
			}
			return fmt.Errorf("--header %s: that field is part of the handshake; %s", name, instead)
		}
		v.header.Add(name, value)
	}
	for _, name := range v.Subprotocol {
		if !httpguts.ValidHeaderFieldName(name) { // a token, too
			return fmt.Errorf("--subprotocol is a name without blanks and separators, not %q", name)
		}
	}
	return nil
}

// deflate is what --compress stands for.
func (v *wsVerb) deflate() *websocket.Deflate {
	if !v.Compress {
		return nil
	}
	return &websocket.Deflate{ContextTakeover: true}
}

// Run talks to a server, or is one, until a signal or the peer ends it.
func (v *wsVerb) Run(t *terminal) error {
	if len(v.Listen) > 0 {
		return v.runListen(t)
	}
	return v.runClient(t)
}
