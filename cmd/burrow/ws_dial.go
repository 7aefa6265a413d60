package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/burrownet/burrow/websocket"
)

// dialOptions are made from the flags.
func (v *wsVerb) dialOptions() (*websocket.DialOptions, error) {
	config, err := v.clientTLS()
	if err != nil {
		return nil, err
	}
	o := &websocket.DialOptions{
		Header: v.header, Subprotocols: v.Subprotocol, TLS: config,
		Deflate: v.deflate(), MaxMessageBytes: v.MaxMessage,
	}
	if v.Ping > 0 {
		o.PingAfter = -1 // the verb pings itself
	}
	if v.Connect != "" {
		network, addr := "tcp", v.Connect
		if path, ok := strings.CutPrefix(addr, "unix:"); ok {
			network, addr = "unix", path
		}
		o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	}
	return o, nil
}

// clientTLS is what a client trusts, and shows.
func (v *wsVerb) clientTLS() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: v.Insecure} //nolint:gosec // asked for, and warned about
	if v.CA != "" {
		pem, err := os.ReadFile(v.CA)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca: %s has no certificate in PEM", v.CA)
		}
	}
	if v.Cert != "" {
		cert, err := tls.LoadX509KeyPair(v.Cert, v.Key)
		if err != nil {
			return nil, fmt.Errorf("--cert %s, --key %s: %w", v.Cert, v.Key, err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return config, nil
}

// adviseDial says what to try next, where that is known.
func adviseDial(err error) error {
	var refused *websocket.ResponseError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &refused):
		return adviseRefused(refused)
	case errors.As(err, &authority):
		return fmt.Errorf("%w; trust it with --ca FILE, or anybody at all with --insecure", err)
	case errors.As(err, &host):
		return fmt.Errorf("%w; use the name that is in the certificate, with --connect ADDR if it leads elsewhere", err)
	case errors.As(err, &record):
		return fmt.Errorf("%w; the server does not speak TLS there: try ws:// in place of wss://", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w; nobody listens there: is the server running, and the port right?", err)
	}
	return err
}

// adviseRefused is about a server that answers with HTTP.
func adviseRefused(e *websocket.ResponseError) error {
	said := ""
	if line, _, _ := strings.Cut(strings.TrimSpace(string(e.Body)), "\n"); line != "" && len(line) <= 200 && utf8.ValidString(line) && line[0] != '<' {
		said = ": " + printable(strings.TrimSpace(line))
	}
	hint := "is this the path of a WebSocket?"
	switch {
	case e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden:
		hint = "credentials go into --header, such as 'Authorization: Bearer 123', and some servers want an Origin"
	case e.StatusCode == http.StatusBadRequest && strings.Contains(said, "HTTPS"):
		hint = "try wss:// in place of ws://"
	case e.Header.Get("Location") != "":
		hint = "it moved: use " + printable(e.Header.Get("Location"))
	case e.StatusCode == http.StatusTooManyRequests || e.StatusCode >= 500:
		hint = "try again later, or with --reconnect"
	}
	return fmt.Errorf("%w%s; %s", e, said, hint)
}

// lasting reports whether an error of a dial is there to stay, so that there is no
// point in trying again.
func lasting(err error) bool {
	if e, ok := errors.AsType[*websocket.ResponseError](err); ok {
		later := e.StatusCode == http.StatusRequestTimeout || e.StatusCode == http.StatusTooManyRequests
		return e.StatusCode < 500 && !later
	}
	if _, ok := errors.AsType[*websocket.ProtocolError](err); ok {
		return true
	}
	if _, noTLS := errors.AsType[tls.RecordHeaderError](err); noTLS {
		return true
	}
	_, wrongCert := errors.AsType[*tls.CertificateVerificationError](err)
	return wrongCert
}
