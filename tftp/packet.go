package tftp

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The packets, RFC 1350 5 and RFC 2347. Numbers are big-endian, strings end in
// a zero byte:
//
//	RRQ, WRQ   | 1, 2 | name 0 | mode 0 | option 0 | value 0 | ...
//	DATA       | 3    | block  | 0 to blksize bytes
//	ACK        | 4    | block
//	ERROR      | 5    | code   | message 0
//	OACK       | 6    | option 0 | value 0 | ...
//
// A transfer is a request to port 69, then a conversation between two ports
// that each side picks for it (transfer identifiers, TID):
//
//	client:p  RRQ ------------> server:69      client:p  WRQ -----------> server:69
//	client:p  <------------ OACK server:q      client:p  <---------- OACK server:q
//	client:p  ACK 0 ---------> server:q        client:p  DATA 1 --------> server:q
//	client:p  <---------- DATA 1 server:q      client:p  <--------- ACK 1 server:q
//	client:p  ACK 1 ---------> server:q        ...
type opcode uint16

const (
	opRRQ opcode = iota + 1
	opWRQ
	opDATA
	opACK
	opERROR
	opOACK
)

// String is the name that the standard gives.
func (o opcode) String() string {
	names := [...]string{"RRQ", "WRQ", "DATA", "ACK", "ERROR", "OACK"}
	if o >= 1 && int(o) <= len(names) {
		return names[o-1]
	}
	return fmt.Sprintf("opcode %d", uint16(o))
}

const (
	headerSize = 4 // of a DATA packet, and all of an ACK

	// maxRequest is how long a request or OACK may be, in bytes. RFC 2347 says
	// 512; long paths exceed that in practice.
	maxRequest = 2048
	// maxOptions is how many options a request may carry.
	maxOptions = 32
	// maxMessage is how much of an error's message is kept, in bytes.
	maxMessage = 512
)

// packet is one packet, parsed. Which fields mean something depends on op.
type packet struct {
	op      opcode
	block   uint16    // DATA, ACK
	data    []byte    // DATA: borrowed from the input
	code    ErrorCode // ERROR
	message string    // ERROR
	name    string    // RRQ, WRQ
	mode    string    // RRQ, WRQ: in lower case
	options options   // RRQ, WRQ, OACK
}

// parse reads one datagram. DATA and ACK do not allocate.
func (p *packet) parse(b []byte) error {
	*p = packet{}
	if len(b) < 2 {
		return &ProtocolError{"RFC 1350 5", "packet without an opcode"}
	}
	p.op = opcode(binary.BigEndian.Uint16(b))
	body := b[2:]
	switch p.op {
	case opDATA, opACK:
		if len(body) < 2 {
			return &ProtocolError{"RFC 1350 5", "packet without a block number"}
		}
		p.block = binary.BigEndian.Uint16(body)
		if p.op == opDATA {
			p.data = body[2:]
		}
		return nil
	case opERROR:
		return p.parseError(body)
	case opRRQ, opWRQ:
		return p.parseRequest(body)
	case opOACK:
		return p.parseOptions(body)
	}
	return &ProtocolError{"RFC 1350 5", "unknown opcode"}
}

// parseError reads an ERROR. Some senders leave out the final zero byte.
func (p *packet) parseError(b []byte) error {
	if len(b) < 2 {
		return &ProtocolError{"RFC 1350 5", "ERROR without a code"}
	}
	p.code = ErrorCode(binary.BigEndian.Uint16(b))
	message, _, _ := bytes.Cut(b[2:], []byte{0})
	p.message = string(message[:min(len(message), maxMessage)])
	return nil
}

func (p *packet) parseRequest(b []byte) error {
	if len(b) > maxRequest {
		return &ProtocolError{"RFC 2347", "request too long"}
	}
	name, rest, ok := cutString(b)
	if !ok || name == "" {
		return &ProtocolError{"RFC 1350 5", "request without a file name"}
	}
	mode, rest, ok := cutString(rest)
	if !ok || mode == "" {
		return &ProtocolError{"RFC 1350 5", "request without a mode"}
	}
	p.name, p.mode = name, lower(mode) // RFC 1350 5: in any case of letters
	return p.parseOptions(rest)
}

func (p *packet) parseOptions(b []byte) error {
	if len(b) > maxRequest {
		return &ProtocolError{"RFC 2347", "option list too long"}
	}
	// Firmware pads requests with zero bytes; an option has a name.
	for len(b) > 0 && b[0] != 0 {
		name, rest, ok := cutString(b)
		value, rest, ok2 := cutString(rest)
		if !ok || !ok2 {
			return &ProtocolError{"RFC 2347", "option without a value"}
		}
		if len(p.options) == maxOptions {
			return &ProtocolError{"RFC 2347", "too many options"}
		}
		name = lower(name)
		// RFC 2347: an option may be specified once.
		if _, twice := p.options.get(name); twice {
			return &ProtocolError{"RFC 2347", "option given twice"}
		}
		p.options = append(p.options, option{name, value})
		b = rest
	}
	if len(bytes.Trim(b, "\x00")) > 0 {
		return &ProtocolError{"RFC 2347", "option without a name"}
	}
	return nil
}

// cutString takes a string and its zero byte off the front of b.
func cutString(b []byte) (s string, rest []byte, ok bool) {
	before, after, ok := bytes.Cut(b, []byte{0})
	if !ok {
		return "", nil, false
	}
	return string(before), after, true
}

// lower is strings.ToLower for ASCII letters only.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if 'A' <= b[j] && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// append adds the packet as it stands on the wire. Strings end at their first
// zero byte.
func (p *packet) append(b []byte) []byte {
	switch p.op {
	case opDATA:
		return append(appendHeader(b, opDATA, p.block), p.data...)
	case opACK:
		return appendHeader(b, opACK, p.block)
	case opERROR:
		return appendString(appendHeader(b, opERROR, uint16(p.code)), p.message)
	case opRRQ, opWRQ:
		b = binary.BigEndian.AppendUint16(b, uint16(p.op))
		b = appendString(appendString(b, p.name), p.mode)
	default:
		b = binary.BigEndian.AppendUint16(b, uint16(p.op))
	}
	for _, o := range p.options {
		b = appendString(appendString(b, o.name), o.value)
	}
	return b
}

// appendHeader adds an opcode and the number that follows it.
func appendHeader(b []byte, op opcode, number uint16) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(op)<<16|uint32(number))
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] == 0 {
			s = s[:i]
			break
		}
	}
	return append(append(b, s...), 0)
}

// appendErrorPacket adds an ERROR.
func appendErrorPacket(b []byte, e *Error) []byte {
	p := packet{op: opERROR, code: e.Code, message: e.Message[:min(len(e.Message), maxMessage)]}
	return p.append(b)
}
