package wsframe

// Reader takes the frames of one direction of a connection apart. Its zero value
// reads what a server sends, without compression; fields are set before the first
// Next. It is a small value that keeps no bytes, made to be a part of what an idle
// connection costs. Not safe for concurrent use.
type Reader struct {
	left int64 // payload of the frame in progress that is still to come
	key  Key
	// Server says that the frames come from a client: they have to be masked, and
	// otherwise must not be (RFC 6455 5.1).
	Server bool
	// Compression says that permessage-deflate was negotiated: RSV1 may be set on
	// the first frame of a message (RFC 7692 6).
	Compression bool

	message    Opcode // of the message in progress; Continuation: none
	compressed bool   // so is the message in progress
	within     bool   // a frame is in progress
	fin        bool   // the frame in progress is the last of its message
}

// Frame is a frame, or the piece of a data frame that has arrived.
type Frame struct {
	// Payload is borrowed from the input, and unmasked.
	Payload []byte
	// Length is the size of the whole frame's payload, in bytes.
	Length int64
	// Opcode is Text, Binary, Close, Ping or Pong: a continuation frame has that of
	// its message.
	Opcode Opcode
	// Compressed says that the message is.
	Compressed bool
	// First says that a message begins; Begin, that a frame does.
	First, Begin bool
	// Last says that the message ends with this piece.
	Last bool
}

// InMessage reports whether a message has begun and not ended.
func (r *Reader) InMessage() bool { return r.message != Continuation }

// Next reads one frame, or a piece of one, from the start of b, and takes n bytes:
// 0 without an error when more are needed. The payload is unmasked in b. An error
// is a *ProtocolError; the Reader is then of no further use.
func (r *Reader) Next(b []byte) (f Frame, n int, err error) {
	if !r.within {
		h, n, fault := parseHeader(b)
		if n == 0 {
			return f, 0, nil
		}
		if fault == nil {
			fault = r.check(&h, b[0])
		}
		if fault != nil {
			return f, 0, fault
		}
		if h.Opcode.Control() {
			return r.control(h, b, n)
		}
		r.begin(&f, &h)
		return f, n + r.piece(&f, b[n:]), nil
	}
	if len(b) == 0 {
		return f, 0, nil
	}
	f.Opcode, f.Compressed = r.message, r.compressed
	return f, r.piece(&f, b), nil
}

// begin enters a data frame.
func (r *Reader) begin(f *Frame, h *Header) {
	if h.Opcode != Continuation {
		r.message, r.compressed = h.Opcode, h.RSV1
		f.First = true
	}
	r.within, r.fin, r.left, r.key = true, h.Fin, h.Length, h.Key
	f.Begin, f.Length, f.Opcode, f.Compressed = true, h.Length, r.message, r.compressed
}

// piece takes the payload that is there.
func (r *Reader) piece(f *Frame, b []byte) int {
	if int64(len(b)) > r.left {
		b = b[:r.left]
	}
	if r.Server {
		r.key = Mask(b, r.key)
	}
	f.Payload = b[:len(b):len(b)]
	r.left -= int64(len(b))
	if r.left == 0 {
		r.within = false
		if r.fin {
			f.Last, r.message = true, Continuation
		}
	}
	return len(b)
}

// control takes a control frame, whole.
func (r *Reader) control(h Header, b []byte, n int) (f Frame, used int, err error) {
	end := n + int(h.Length)
	if len(b) < end {
		return f, 0, nil
	}
	p := b[n:end:end]
	if h.Masked {
		Mask(p, h.Key)
	}
	return Frame{Payload: p, Length: h.Length, Opcode: h.Opcode, First: true, Begin: true, Last: true}, end, nil
}

// Need is how many bytes, from the start of b on, Next has to be given at least to
// take any: what to gather when input ends within a header or a control frame.
func (r *Reader) Need(b []byte) int {
	switch {
	case r.within:
		return 1
	case len(b) < 2:
		return 2
	}
	n := headerSize(b[1])
	if l := int(b[1] &^ bitMask); Opcode(b[0]&0x0f).Control() && l <= MaxControl {
		n += l
	}
	return n
}

// check says which rule a header breaks.
func (r *Reader) check(h *Header, b0 byte) *ProtocolError {
	// RFC 6455 5.2: reserved bits are 0 unless an extension says what they mean.
	if b0&(bitRSV2|bitRSV3) != 0 || h.RSV1 && !r.Compression {
		return errReserved
	}
	// RFC 6455 5.1: clients mask all frames, servers none.
	if h.Masked != r.Server {
		if r.Server {
			return errUnmasked
		}
		return errMasked
	}
	switch h.Opcode {
	case Continuation:
		switch {
		case r.message == Continuation:
			return errContinuation
		case h.RSV1:
			return errRSV1 // RFC 7692 6.1: on the first frame only
		}
	case Text, Binary:
		if r.message != Continuation {
			return errInterleaved
		}
	case Close, Ping, Pong:
		switch {
		case h.RSV1:
			return errRSV1
		case !h.Fin:
			return errFragmented
		case h.Length > MaxControl:
			return errControlSize
		}
	default:
		return errOpcode
	}
	return nil
}
