package websocket

import (
	"crypto/rand"
	"encoding/binary"
	"sync"

	"github.com/burrownet/burrow/internal/wsframe"
)

// keys are masking keys in stock: a system call for each frame would be dear.
type keys struct {
	b [512]byte
	n int // bytes that are left
}

var keyStock = sync.Pool{New: func() any { return new(keys) }}

// maskKey is a key that the peer's script cannot foretell (RFC 6455 5.3, 10.3).
func maskKey() wsframe.Key {
	k := keyStock.Get().(*keys)
	if k.n < 4 {
		rand.Read(k.b[:]) // never fails
		k.n = len(k.b)
	}
	k.n -= 4
	var key wsframe.Key
	binary.LittleEndian.PutUint32(key[:], binary.LittleEndian.Uint32(k.b[k.n:]))
	clear(k.b[k.n : k.n+4])
	keyStock.Put(k)
	return key
}
