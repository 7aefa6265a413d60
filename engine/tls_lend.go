package engine

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"sync"
	"unsafe"
)

// A tls.Conn keeps the buffer it reads records into, 2 KiB or more, and the one
// of its handshake, for as long as it lives. An idle connection needs neither.
// This file, the only one of the engine that looks into another package's
// struct, lends the loop's own buffer to the tls.Conn for the time of a read and
// takes it back when no part of a record is left in it.
//
// Where a future crypto/tls has other fields, rawInput and hand below are nil
// and connections simply keep their buffers.

var rawInputField, handField = bufferField("rawInput"), bufferField("hand")

// bufferField finds a bytes.Buffer in tls.Conn by name.
func bufferField(name string) *reflect.StructField {
	f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
	if !ok || f.Type != reflect.TypeFor[bytes.Buffer]() {
		return nil
	}
	return &f
}

func buffer(c *tls.Conn, f *reflect.StructField) *bytes.Buffer {
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), f.Offset))
}

// rawSize holds the largest TLS record and then some, in bytes.
const rawSize = 32 << 10

// lendable prepares a tls.Conn whose handshake has ended.
func lendable(c *tls.Conn) {
	if handField != nil {
		if h := buffer(c, handField); h.Len() == 0 {
			*h = bytes.Buffer{}
		}
	}
	if rawInputField != nil {
		// What came with the end of the handshake stays, in its own memory.
		r := buffer(c, rawInputField)
		*r = *bytes.NewBuffer(bytes.Clone(r.Bytes()))
	}
}

var raws = sync.Pool{New: func() any { return new([rawSize]byte) }}

// lend gives c a record buffer, with what c has of a record in it. The caller
// owns c's reading side.
func lend(c *tls.Conn) *[rawSize]byte {
	if rawInputField == nil {
		return nil
	}
	r := buffer(c, rawInputField)
	if r.Len() > rawSize/2 {
		return nil
	}
	raw := raws.Get().(*[rawSize]byte)
	n := copy(raw[:], r.Bytes())
	*r = *bytes.NewBuffer(raw[:n:rawSize])
	return raw
}

// takeBack ends the loan: what is left of a record moves to memory of c's own.
// Unless c is dry, plain text that was not read yet lies in the buffer too: then
// c keeps it.
func takeBack(c *tls.Conn, raw *[rawSize]byte, dry bool) {
	if raw == nil || !dry {
		return
	}
	r := buffer(c, rawInputField)
	if r.Len() == 0 {
		*r = bytes.Buffer{}
	} else {
		*r = *bytes.NewBuffer(bytes.Clone(r.Bytes()))
	}
	raws.Put(raw)
}
