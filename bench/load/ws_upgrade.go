//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// wsKey is the Sec-WebSocket-Key of every handshake.
var wsKey = base64.StdEncoding.EncodeToString([]byte("the load of Burr"))

const wsOffer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// wsDial connects and shakes hands; link is nil without TLS.
func (o *options) wsDial(ctx context.Context) (nc net.Conn, link *tlsLink, err error) {
	if nc, link, err = o.dial(ctx); err != nil {
		return nil, nil, err
	}
	conn := nc
	if link != nil {
		conn = link.tls
	}
	if err = conn.SetDeadline(time.Now().Add(connectTimeout)); err == nil {
		err = o.upgrade(conn)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("handshake: %w", err)
	}
	return nc, link, nil
}

// upgrade makes a WebSocket of conn (RFC 6455 4.1).
func (o *options) upgrade(conn io.ReadWriter) error {
	more := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + wsKey}
	if o.deflate {
		more = append(more, "Sec-WebSocket-Extensions: "+wsOffer)
	}
	if _, err := conn.Write(request(o.addr, o.path, o.headers, more...)); err != nil {
		return err
	}
	br := bufio.NewReaderSize(conn, 1<<10)
	answer, err := http.ReadResponse(br, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("status is %s, want 101", answer.Status)
	}
	sum := sha1.Sum([]byte(wsKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if got, want := answer.Header.Get("Sec-WebSocket-Accept"), base64.StdEncoding.EncodeToString(sum[:]); got != want {
		return fmt.Errorf("Sec-WebSocket-Accept is %q, want %q", got, want)
	}
	if br.Buffered() > 0 {
		return errors.New("the server speaks first")
	}
	return o.agreed(answer.Header.Get("Sec-WebSocket-Extensions"))
}

// agreed checks the extension that was chosen. That this side takes nothing over is
// for it to say; that the server does not, the server has to confirm.
func (o *options) agreed(extension string) error {
	if !o.deflate {
		if extension != "" {
			return fmt.Errorf("extension %q was not offered", extension)
		}
		return nil
	}
	if !strings.HasPrefix(extension, "permessage-deflate") || !strings.Contains(extension, "server_no_context_takeover") {
		return fmt.Errorf("extension %q, want permessage-deflate without context takeover", extension)
	}
	return nil
}
