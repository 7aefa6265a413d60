package tftp

// Netascii, RFC 1350 1 and RFC 764: a line ends in CR LF, and a CR that is not
// the end of a line is followed by NUL. Here a line ends in LF. Both directions
// are streams: a pair may be cut by the end of a block.

// asciiEncoder turns text into netascii.
type asciiEncoder struct {
	pending byte // second half of a pair that found no room
	have    bool
}

// encode fills dst from src and returns how much it wrote and used. It stops
// when dst is full or src is used up.
func (e *asciiEncoder) encode(dst, src []byte) (wrote, used int) {
	for wrote < len(dst) {
		if e.have {
			dst[wrote], e.have = e.pending, false
			wrote++
			continue
		}
		if used == len(src) {
			break
		}
		c := src[used]
		used++
		switch c {
		case '\n':
			dst[wrote] = '\r'
			e.pending, e.have = '\n', true
		case '\r':
			dst[wrote] = '\r'
			e.pending, e.have = 0, true
		default:
			dst[wrote] = c
		}
		wrote++
	}
	return wrote, used
}

// asciiDecoder turns netascii into text.
type asciiDecoder struct {
	cr bool // the last byte was a CR whose partner is to come
}

// decode appends what src means to dst. RFC 1123 4.2.3.1 leaves odd pairs
// open: a CR before anything else stays a CR.
func (d *asciiDecoder) decode(dst, src []byte) []byte {
	for _, c := range src {
		if d.cr {
			d.cr = false
			switch c {
			case '\n':
				dst = append(dst, '\n')
				continue
			case 0:
				dst = append(dst, '\r')
				continue
			}
			dst = append(dst, '\r')
		}
		if c == '\r' {
			d.cr = true
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// flush appends what is left at the end of the file.
func (d *asciiDecoder) flush(dst []byte) []byte {
	if d.cr {
		d.cr = false
		dst = append(dst, '\r')
	}
	return dst
}
