package wsframe

import "encoding/binary"

// Mask masks or unmasks b in place (RFC 6455 5.3) and returns the key as it is
// to be used for the byte that follows: so a payload may be masked in pieces.
func Mask(b []byte, key Key) Key {
	k := uint64(binary.LittleEndian.Uint32(key[:]))
	k |= k << 32
	for len(b) >= 32 {
		w := b[:32]
		binary.LittleEndian.PutUint64(w, binary.LittleEndian.Uint64(w)^k)
		binary.LittleEndian.PutUint64(w[8:], binary.LittleEndian.Uint64(w[8:])^k)
		binary.LittleEndian.PutUint64(w[16:], binary.LittleEndian.Uint64(w[16:])^k)
		binary.LittleEndian.PutUint64(w[24:], binary.LittleEndian.Uint64(w[24:])^k)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		b = b[8:]
	}
	if len(b) == 0 {
		return key
	}
	for i := range b {
		b[i] ^= key[i&3]
	}
	return key.rotate(len(b))
}

// rotate is the key from its byte n on.
func (k Key) rotate(n int) Key {
	return Key{k[n&3], k[(n+1)&3], k[(n+2)&3], k[(n+3)&3]}
}
