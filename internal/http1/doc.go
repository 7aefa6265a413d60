// Package http1 reads and writes HTTP/1.0 and HTTP/1.1 messages (RFC 9112, with
// the semantics of RFC 9110 that decide framing) for servers and clients alike.
// It is pure: it knows no socket, goroutine or clock, and what it hands out
// borrows the bytes it was given.
//
// # Usage
//
// Parse a head, then let a Body take the content; what is left is the next
// message of the connection:
//
//	n, err := req.Parse(b, seen)     // n == 0: read more, then Parse(longer b, len(b))
//	body := req.Body()
//	data, m, err := body.Next(b[n:]) // until io.EOF
//
// A Request or Response is meant to be reused: one per event loop is enough,
// because everything that must outlast a call (how much of an unfinished head
// was seen) is the caller's, and a Body is a small value of its own. Parsing and
// writing do not allocate once the field table has grown to its working size;
// the exception is a trailer section, which the Body copies.
//
// # Splits do not matter
//
// However the bytes of a message are cut by the network, the outcome is the same.
// Therefore a fault of a line is reported when the line is complete, faults that
// concern the head as a whole (a missing Host, contradicting lengths) when the
// head is, and the work is linear in the bytes received even when they come one
// at a time. The only fault reported before its line is complete is a TLS
// handshake, whose first byte gives it away.
//
// # Strictness
//
// Leniency in framing is what request smuggling lives on, so a message that two
// readers could take for different ones is refused: every line ends in CRLF, a
// header section has no obs-fold, no whitespace before a colon, no control bytes;
// Transfer-Encoding excludes Content-Length and may only be "chunked"; a Host is
// present exactly once and valid. Each broken rule is an Error of its own, with
// the status a server should answer before it closes the connection.
//
// # Limitations
//
// Transfer codings other than chunked are refused, not decoded. HTTP/0.9 is not
// spoken. Chunk extensions are checked for harmful bytes and bounded, but not
// reported.
package http1
