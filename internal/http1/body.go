package http1

import (
	"io"
	"math"
)

// Body finds the content of one message body in the bytes of a connection. It is a
// small value; the zero value is a body that is not there. It is used by one
// goroutine at a time.
//
// A chunked body (RFC 9112 7.1) moves through these states, one framing byte at a
// time, so that nothing has to be kept of a cut line but a few numbers:
//
//	size --";"--> extension --CR--> sizeLF --LF--> data --> dataCR --> dataLF --> size
//	                                   |size 0
//	                                   +--> trailer lines --> trailerLF --> done
type Body struct {
	state   bodyState
	digits  uint8  // of the chunk size read so far
	line    uint16 // bytes of the chunk-size line so far
	excess  int32  // bytes of framing not yet made good by data
	left    int64  // of the chunk or the body
	limits  Limits
	trailer *trailer // nil until there is a trailer field
	fault   *Error
}

type bodyState uint8

const (
	bodyDone bodyState = iota
	bodyLength
	bodyUntilClose
	chunkSize
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerLine // at the start of a line
	trailerText // inside one
	trailerLF   // after the CR of the last, empty one
	bodyFault
)

const (
	// maxChunkLine is the longest chunk-size line with its extensions, in bytes
	// without its CRLF.
	maxChunkLine = 4000
	// maxExcess is how many bytes of framing may come for which no data does. A line
	// has chunkFraming bytes free, and a byte of data pays for a byte of framing.
	maxExcess    = 16 << 10
	chunkFraming = 8
)

// LengthBody is a body of n bytes; none if n is 0 or negative.
func LengthBody(n int64) Body {
	if n <= 0 {
		return Body{}
	}
	return Body{state: bodyLength, left: n}
}

// ChunkedBody is a chunked body, whose trailer section may be as big as l says. A
// chunk-size line may have 4000 bytes.
func ChunkedBody(l Limits) Body { return Body{state: chunkSize, limits: l} }

// UntilCloseBody is a body that ends with the connection; only responses have it.
func UntilCloseBody() Body { return Body{state: bodyUntilClose} }

// Next looks at the start of b: data is content, borrowed from b, and n is how many
// bytes of b were used in all, those of data included; b[n:] is for the next call.
// data can be empty while n > 0 (nothing but framing), and is when err is not nil.
// n == 0 without an error: b is empty, more bytes are needed. io.EOF: the body is
// complete and n bytes were used for its end; b[n:] belongs to the next message.
// Any other error is an *Error, and the connection is of no further use.
func (d *Body) Next(b []byte) (data []byte, n int, err error) {
	switch d.state {
	case bodyDone:
		return nil, 0, io.EOF
	case bodyLength:
		data = d.take(b)
		if d.left == 0 {
			d.state = bodyDone
		}
		return data, len(data), nil
	case bodyUntilClose:
		return b, len(b), nil
	}
	for n < len(b) && d.state != chunkData && d.state != bodyDone && d.fault == nil {
		if d.state == trailerLine || d.state == trailerText {
			n += d.trailerBytes(b[n:])
		} else {
			d.framingByte(b[n])
			n++
		}
	}
	switch {
	case d.fault != nil:
		return nil, n, d.fault
	case d.state == bodyDone:
		return nil, n, io.EOF
	case d.state == chunkData:
		data = d.take(b[n:])
		if d.left == 0 {
			d.state = chunkDataCR
		}
	}
	return data, n + len(data), nil
}

// take cuts from b what belongs to the body or chunk.
func (d *Body) take(b []byte) []byte {
	if int64(len(b)) > d.left {
		b = b[:d.left:d.left]
	}
	d.left -= int64(len(b))
	return b
}

func (d *Body) fail(err *Error) { d.state, d.fault = bodyFault, err }

// framingByte takes one byte of the framing between two pieces of data.
func (d *Body) framingByte(c byte) {
	switch d.state {
	case chunkSize:
		d.sizeByte(c)
	case chunkExtension:
		d.extensionByte(c)
	case chunkSizeLF:
		if c != '\n' {
			d.fail(ErrBareCR)
			return
		}
		d.startChunk()
	case chunkDataCR:
		if c != '\r' {
			d.fail(ErrChunkFraming)
			return
		}
		d.state = chunkDataLF
	case chunkDataLF:
		if c != '\n' {
			d.fail(ErrChunkFraming)
			return
		}
		d.state = chunkSize
	case trailerLF:
		if c != '\n' {
			d.fail(ErrBareCR)
			return
		}
		d.state = bodyDone
	}
}

// sizeByte takes one byte of a chunk-size: 1*HEXDIG, of which we take up to 16.
func (d *Body) sizeByte(c byte) {
	switch {
	case class[c]&classHex != 0:
		if d.digits == 16 || d.left > math.MaxInt64>>4 {
			d.fail(ErrChunkSize) // RFC 9112 7.1: must not overflow
			return
		}
		d.digits++
		d.line++
		d.left = d.left<<4 | hexValue(c)
	case d.digits == 0:
		d.fail(ErrChunkSize)
	case c == ';':
		d.line++
		d.state = chunkExtension
	case c == '\r':
		d.state = chunkSizeLF
	case c == '\n':
		d.fail(ErrBareLF)
	default:
		d.fail(ErrChunkSize) // even whitespace, which RFC 9112 7.1.1 calls bad
	}
}

func hexValue(c byte) int64 {
	if digit(c) {
		return int64(c - '0')
	}
	return int64(lower(c)-'a') + 10
}

// extensionByte takes one byte of the chunk extensions, which are skipped
// (RFC 9112 7.1.1). No CR or LF can be part of them, quoted or not.
func (d *Body) extensionByte(c byte) {
	switch {
	case c == '\r':
		d.state = chunkSizeLF
	case c == '\n':
		d.fail(ErrBareLF)
	case class[c]&classText == 0 && c != '\t':
		d.fail(ErrChunkExtension)
	case d.line == maxChunkLine:
		d.fail(ErrChunkExtension)
	default:
		d.line++
	}
}

// startChunk begins the chunk whose size line is complete; the one of size 0 is
// the last.
func (d *Body) startChunk() {
	// A sender of tiny chunks with long extensions makes us work for nothing.
	excess := int64(d.excess) + int64(d.line) - chunkFraming - min(d.left, maxExcess+maxChunkLine)
	d.excess = int32(max(excess, 0))
	d.digits, d.line = 0, 0
	switch {
	case d.excess > maxExcess:
		d.fail(ErrChunkExtension)
	case d.left == 0:
		d.state = trailerLine
	default:
		d.state = chunkData
	}
}

// Done reports whether the body is complete.
func (d *Body) Done() bool { return d.state == bodyDone }

// Close says that the input has ended: nil if the body is complete by that or was
// before, else io.ErrUnexpectedEOF (RFC 9112 8).
func (d *Body) Close() error {
	if d.state == bodyUntilClose {
		d.state = bodyDone
	}
	if d.state != bodyDone {
		return io.ErrUnexpectedEOF
	}
	return nil
}
