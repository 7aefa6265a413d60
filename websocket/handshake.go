package websocket

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// The opening handshake (RFC 6455 4), as far as it knows no connection:
//
//	GET /chat HTTP/1.1                       HTTP/1.1 101 Switching Protocols
//	Host: server.example                     Upgrade: websocket
//	Upgrade: websocket                       Connection: Upgrade
//	Connection: Upgrade                      Sec-WebSocket-Accept: H(key)
//	Sec-WebSocket-Key: 16 bytes, base64      Sec-WebSocket-Protocol: one of those offered
//	Sec-WebSocket-Version: 13                Sec-WebSocket-Extensions: permessage-deflate
//	Sec-WebSocket-Protocol: chat, superchat
//	Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
//	Origin: http://example.com

const (
	headerKey        = "Sec-Websocket-Key" // as package http writes it
	headerAccept     = "Sec-Websocket-Accept"
	headerVersion    = "Sec-Websocket-Version"
	headerProtocol   = "Sec-Websocket-Protocol"
	headerExtensions = "Sec-Websocket-Extensions"
)

// version is the only one there is (RFC 6455 4.1).
const version = "13"

// acceptKey proves to a client that its key was read (RFC 6455 4.2.2 item 5.4).
func acceptKey(key string) string {
	h := sha1.New()
	h.Write([]byte(key))
	h.Write([]byte("258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// validKey reports whether a key is 16 bytes in base64 (RFC 6455 4.2.1 item 5).
func validKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(b) == 16
}

// upgradeRequired answers who does not ask for what there is (RFC 6455 4.4,
// RFC 9110 15.5.22).
func upgradeRequired(reason string) *RefusedError {
	return &RefusedError{Status: http.StatusUpgradeRequired, Reason: reason, Header: http.Header{
		headerVersion: {version}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"},
	}}
}

// extendedConnect reports whether r opens a WebSocket over HTTP/2 (RFC 8441 5).
func extendedConnect(r *http.Request) bool {
	return r.ProtoMajor == 2 && r.Method == http.MethodConnect && r.Header.Get(":protocol") == "websocket"
}

// checkRequest says why a request does not open a WebSocket (RFC 6455 4.2.1); nil
// when it does.
func checkRequest(r *http.Request) *RefusedError {
	h := r.Header
	if r.ProtoMajor >= 2 {
		refusal := checkVersion(h)
		if !extendedConnect(r) {
			refusal = upgradeRequired("this is a WebSocket: over HTTP/2 it opens with an extended CONNECT")
		}
		if refusal != nil {
			delete(refusal.Header, "Upgrade") // RFC 9113 8.2.2: there is none in HTTP/2
			delete(refusal.Header, "Connection")
		}
		return refusal
	}
	switch {
	case !hasToken(h, "Upgrade", "websocket"):
		return upgradeRequired("this is a WebSocket: the request does not ask to upgrade to it")
	case !hasToken(h, "Connection", "upgrade"):
		return upgradeRequired("this is a WebSocket: the Connection field does not say upgrade")
	case r.Method != http.MethodGet:
		// RFC 6455 4.2.1 item 1.
		return &RefusedError{Status: http.StatusMethodNotAllowed, Reason: "a WebSocket opens with GET", Header: http.Header{"Allow": {"GET"}}}
	case !r.ProtoAtLeast(1, 1):
		return Refuse(http.StatusBadRequest, "a WebSocket opens with HTTP/1.1")
	}
	if refusal := checkVersion(h); refusal != nil {
		return refusal
	}
	if keys := h[headerKey]; len(keys) != 1 || !validKey(keys[0]) {
		return Refuse(http.StatusBadRequest, "Sec-WebSocket-Key is not 16 bytes in base64, once")
	}
	return nil
}

// hasToken reports whether a field lists a token.
func hasToken(h http.Header, field, token string) bool {
	return httpguts.HeaderValuesContainsToken(h[field], token)
}

func checkVersion(h http.Header) *RefusedError {
	if vv := h[headerVersion]; len(vv) != 1 || vv[0] != version {
		return upgradeRequired("Sec-WebSocket-Version is not 13")
	}
	return nil
}

// protocolNames are the sub-protocols that a header lists, in order.
func protocolNames(h http.Header) []string {
	var names []string
	for _, v := range h[headerProtocol] {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.Trim(name, " \t"); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}
