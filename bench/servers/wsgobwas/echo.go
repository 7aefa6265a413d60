//go:build linux

package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// maxMessage bounds a message, in bytes.
const maxMessage = 1 << 20

// scratch is the memory that one frame needs on its way through.
type scratch struct {
	payload []byte
	plain   bytes.Buffer // decompressed
	packed  bytes.Buffer // compressed again
	out     bytes.Buffer // header and payload, for one write
	inflate *wsflate.Reader
	deflate *wsflate.Writer
}

var scratches = sync.Pool{New: func() any {
	return &scratch{
		inflate: wsflate.NewReader(nil, func(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) }),
		deflate: wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
			z, _ := flate.NewWriter(w, flate.BestSpeed) // the level that the other libraries have as their default
			return z
		}),
	}
}}

// echo reads one frame of c from r and sends it back.
func echo(c net.Conn, r *bufio.Reader) error {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return err
	}
	if h.OpCode.IsControl() || !h.Fin || h.Length > maxMessage {
		return errors.New("wsgobwas: only whole messages are echoed")
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	if int64(cap(s.payload)) < h.Length {
		s.payload = make([]byte, h.Length)
	}
	payload := s.payload[:h.Length]
	if _, err := io.ReadFull(r, payload); err != nil {
		return err
	}
	ws.Cipher(payload, h.Mask, 0)
	if h.Rsv1() {
		if payload, err = s.again(payload); err != nil {
			return err
		}
	}
	s.out.Reset()
	if err := ws.WriteHeader(&s.out, ws.Header{Fin: true, Rsv: h.Rsv, OpCode: h.OpCode, Length: int64(len(payload))}); err != nil {
		return err
	}
	s.out.Write(payload)
	_, err = c.Write(s.out.Bytes())
	return err
}

// again decompresses a message and compresses it.
func (s *scratch) again(packed []byte) ([]byte, error) {
	s.plain.Reset()
	s.inflate.Reset(bytes.NewReader(packed))
	if _, err := s.plain.ReadFrom(io.LimitReader(s.inflate, maxMessage)); err != nil {
		return nil, err
	}
	s.packed.Reset()
	s.deflate.Reset(&s.packed)
	if _, err := s.deflate.Write(s.plain.Bytes()); err != nil {
		return nil, err
	}
	if err := s.deflate.Flush(); err != nil {
		return nil, err
	}
	return s.packed.Bytes(), nil
}
