package wsframe

import "encoding/binary"

// Opcode says what a frame is (RFC 6455 5.2).
type Opcode uint8

// The opcodes of RFC 6455 11.8. Those from Close on are control frames.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

// Control reports whether o is one of a control frame.
func (o Opcode) Control() bool { return o&8 != 0 }

// MaxControl is what a control frame may carry, in bytes (RFC 6455 5.5).
const MaxControl = 125

// MaxHeader is the size of the longest frame header, in bytes.
const MaxHeader = 14

// Key is a masking key (RFC 6455 5.3).
type Key [4]byte

// Header is the head of a frame (RFC 6455 5.2):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-------+-+-------------+-------------------------------+
//	|F|R|R|R| opcode|M| length (7)  | length (16), when (7) is 126  |
//	|I|S|S|S|  (4)  |A|             | length (64), when (7) is 127  |
//	|N|V|V|V|       |S|             |                               |
//	| |1|2|3|       |K|             |                               |
//	+-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
//	| masking key (32), when MASK is set | payload                  |
//	+------------------------------------+--------------------------+
type Header struct {
	Length int64 // of the payload, in bytes
	Key    Key   // when Masked
	Opcode Opcode
	Fin    bool // the last frame of its message
	RSV1   bool // RFC 7692 6: the message is compressed
	Masked bool
}

const (
	bitFin  = 0x80
	bitRSV1 = 0x40
	bitRSV2 = 0x20
	bitRSV3 = 0x10
	bitMask = 0x80
	len16   = 126
	len64   = 127
)

// AppendHeader appends a frame header in its shortest form. The payload follows
// it; masked by the caller, if the header says so.
func AppendHeader(dst []byte, h Header) []byte {
	b0 := byte(h.Opcode & 0x0f)
	if h.Fin {
		b0 |= bitFin
	}
	if h.RSV1 {
		b0 |= bitRSV1
	}
	b1 := byte(0)
	if h.Masked {
		b1 = bitMask
	}
	switch {
	case h.Length < len16:
		dst = append(dst, b0, b1|byte(h.Length))
	case h.Length <= 0xffff:
		dst = append(dst, b0, b1|len16, byte(h.Length>>8), byte(h.Length))
	default:
		dst = append(dst, b0, b1|len64)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Key[:]...)
	}
	return dst
}

// headerSize is how long a header is whose second byte is b1.
func headerSize(b1 byte) int {
	n := 2
	switch b1 &^ bitMask {
	case len16:
		n += 2
	case len64:
		n += 8
	}
	if b1&bitMask != 0 {
		n += 4
	}
	return n
}

// parseHeader reads a header from the start of b; n is 0 while b does not hold
// all of it.
func parseHeader(b []byte) (h Header, n int, err *ProtocolError) {
	if len(b) < 2 {
		return h, 0, nil
	}
	n = headerSize(b[1])
	if len(b) < n {
		return h, 0, nil
	}
	h.Opcode = Opcode(b[0] & 0x0f)
	h.Fin = b[0]&bitFin != 0
	h.RSV1 = b[0]&bitRSV1 != 0
	h.Masked = b[1]&bitMask != 0
	switch l := b[1] &^ bitMask; l {
	default:
		h.Length = int64(l)
	case len16:
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		if h.Length < len16 {
			return h, n, errLength
		}
	case len64:
		l := binary.BigEndian.Uint64(b[2:])
		// RFC 6455 5.2: the most significant bit MUST be 0.
		if l>>63 != 0 {
			return h, n, errLengthSign
		}
		h.Length = int64(l)
		if h.Length <= 0xffff {
			return h, n, errLength
		}
	}
	if h.Masked {
		h.Key = Key(b[n-4:])
	}
	return h, n, nil
}
