package main

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/burrownet/burrow/internal/wsframe"
)

// wsTraffic says what WebSocket connections send: binary messages of noise, or text
// that is JSON and compressed, each message for itself. Those of a connection begin
// with its number, so that an answer meant for another one shows. Immutable once made.
type wsTraffic struct {
	deflate bool
	plain   []byte // a message but for the number
	number  int    // where that stands
}

// maxPayload bounds a message, in bytes: what a header of four bytes can say.
const maxPayload = 1<<16 - 1

// wsDigits is the length of a connection's number.
const wsDigits = 8

// newWSTraffic makes messages of size bytes that begin with prefix.
func newWSTraffic(size int, deflate bool, prefix string) (*wsTraffic, error) {
	t := &wsTraffic{deflate: deflate, number: len(prefix)}
	if deflate {
		prefix += `{"id":"`
		t.number = len(prefix)
		t.plain = quotes(prefix+strings.Repeat("0", wsDigits)+`","quotes":[`, size)
	} else {
		t.plain = make([]byte, max(size, 0))
		noise := rand.New(rand.NewPCG(1, 2))
		for i := range t.plain {
			t.plain[i] = byte(noise.Uint32())
		}
		copy(t.plain, prefix)
	}
	if len(t.plain) != size || size < t.number+wsDigits {
		return nil, fmt.Errorf("messages of %d bytes are too small", size)
	}
	return t, nil
}

// quotes is JSON as a feed of prices sends it, of size bytes in all.
func quotes(head string, size int) []byte {
	const end = `],"pad":"` // and what closes it
	b := []byte(head)
	r := rand.New(rand.NewPCG(3, 4))
	for i := 0; ; i++ {
		one := fmt.Sprintf(`{"symbol":"%c%c%c","bid":%d.%02d,"size":%d,"venue":"%s"}`, 'A'+r.IntN(26), 'A'+r.IntN(26), 'A'+r.IntN(26),
			10+r.IntN(500), r.IntN(100), 100*r.IntN(50), []string{"XETR", "XNAS", "XLON"}[r.IntN(3)])
		if len(b)+len(one)+1+len(end)+2 > size {
			break
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, one...)
	}
	b = append(b, end...)
	for len(b) < size-2 {
		b = append(b, ' ')
	}
	return append(b, `"}`...)
}

// payload is the message of connection n, in plain.
func (t *wsTraffic) payload(n int) []byte {
	b := bytes.Clone(t.plain)
	copy(b[t.number:t.number+wsDigits], fmt.Sprintf("%0*d", wsDigits, n))
	return b
}

// message makes what connection n sends, masked, and what it must get back.
func (t *wsTraffic) message(n int) (frame []byte, want *wsAnswer, err error) {
	payload := t.payload(n)
	h := wsframe.Header{Opcode: wsframe.Binary, Fin: true}
	want = &wsAnswer{}
	if t.deflate {
		h.Opcode, h.RSV1 = wsframe.Text, true
		want.inflated = payload
		if payload, err = deflated(payload); err != nil {
			return nil, nil, err
		}
	}
	h.Length = int64(len(payload))
	want.first = wsframe.AppendHeader(nil, h)[0]
	if !t.deflate {
		own := t.number + wsDigits
		want.head = append(wsframe.AppendHeader(nil, h), payload[:own]...)
		want.tail = t.plain[own:]
	}
	h.Masked = true
	for i := range h.Key {
		h.Key[i] = byte(rand.Uint32()) // RFC 6455 5.3: not the same for all
	}
	frame = append(wsframe.AppendHeader(nil, h), payload...)
	wsframe.Mask(frame[len(frame)-len(payload):], h.Key)
	return frame, want, nil
}

// deflateTail is what RFC 7692 7.2.1 has taken off the end of a message.
const deflateTail = "\x00\x00\xff\xff"

func deflated(p []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(p); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte(deflateTail)), nil
}

// inflatesTo reports whether p is want, compressed.
func inflatesTo(p, want []byte) bool {
	const lastBlock = "\x01\x00\x00\xff\xff" // for who reads it to know the end
	r := flate.NewReader(io.MultiReader(bytes.NewReader(p), strings.NewReader(deflateTail+lastBlock)))
	got, err := io.ReadAll(io.LimitReader(r, int64(len(want))+1))
	return err == nil && bytes.Equal(got, want)
}

// wsAnswer is what a connection gets back for each of its messages: head and tail,
// one after the other. All connections share a tail; a compressed answer is all head,
// learned anew whenever it differs, which a shared compressor may have it do.
type wsAnswer struct {
	first      byte // of the frame
	head, tail []byte
	inflated   []byte // what a compressed answer must be; nil: it is not compressed
}

// take looks for the answer at the start of b and returns its length; 0 when more
// bytes are needed.
func (a *wsAnswer) take(b []byte) (int, error) {
	n := len(a.head) + len(a.tail)
	if 0 < n && n <= len(b) && bytes.Equal(b[:len(a.head)], a.head) && bytes.Equal(b[len(a.head):n], a.tail) {
		return n, nil
	}
	if len(b) > 0 && b[0] != a.first {
		return 0, fmt.Errorf("answer is a frame that begins with %#x, want %#x: %.100q", b[0], a.first, b)
	}
	header, length, err := serverFrame(b)
	if err != nil || header == 0 {
		return 0, err
	}
	if a.inflated == nil && header+length != n {
		return 0, fmt.Errorf("answer of %d bytes, want %d", header+length, n)
	}
	if len(b) < header+length {
		return 0, nil
	}
	if a.inflated == nil || !inflatesTo(b[header:header+length], a.inflated) {
		return 0, fmt.Errorf("answer is not what was sent: %.100q", b)
	}
	a.head = append(a.head[:0], b[:header+length]...)
	return len(a.head), nil
}

// serverFrame returns the length of an unmasked header and that of its payload; 0
// when more bytes are needed (RFC 6455 5.2).
func serverFrame(b []byte) (header, length int, err error) {
	if len(b) < 2 {
		return 0, 0, nil
	}
	switch n := int(b[1]); {
	case n < 126:
		return 2, n, nil
	case n > 126:
		return 0, 0, errors.New("answer is masked, or too long")
	case len(b) < 4:
		return 0, 0, nil
	}
	return 4, int(b[2])<<8 | int(b[3]), nil
}
