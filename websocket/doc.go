// Package websocket implements the WebSocket protocol (RFC 6455) with
// permessage-deflate (RFC 7692), for servers and clients.
//
// # Usage
//
// A server upgrades a request, on httpd, net/http or any server that can hijack:
//
//	func handle(w http.ResponseWriter, r *http.Request) {
//		c, err := websocket.Accept(w, r, nil)
//		if err != nil {
//			return // it was answered
//		}
//		defer c.CloseNow()
//		for {
//			t, data, err := c.Read(r.Context())
//			...
//			err = c.Write(r.Context(), t, data)
//		}
//	}
//
// With AcceptOptions.Handler its callbacks get the messages instead: on an event
// loop an idle connection then has no goroutine and no buffer. A client is opened
// with Dial. A [Hub] sends messages to many connections at once. [Registry] finds
// sub-protocols by path and name, [URLSigner] makes URLs for browsers, which cannot
// send credentials.
//
// # Cancellation
//
// The context of a call ends that call, and nothing else: a Read goes on later
// where it stopped, and a message that was begun leaves before the next. A Writer
// and a compressed message read in pieces are the exceptions; they say so.
//
// # Safety
//
// By default pages of other sites may not connect (AcceptOptions.Origins), messages
// are limited to 1 MiB, also after decompression, a peer that is silent for a minute
// is asked whether it is there, and one that does not read is given up. Text is
// checked to be UTF-8, every rule of the protocol is enforced, and a peer that breaks
// one is told with the status code that the standard asks for.
//
// # HTTP/2
//
// Accept also takes the extended CONNECT of RFC 8441. golang.org/x/net/http2 and
// net/http offer it to clients only in a process that was started with
// GODEBUG=http2xconnect=1 in its environment; without it browsers open WebSockets
// over HTTP/1.1. Dial speaks HTTP/1.1 only.
//
// # Limitations
//
// Permessage-deflate is the only extension.
package websocket
