package http1

import "bytes"

// trailer is the trailer section of a chunked body, in memory of its own: unlike a
// head it does not have to arrive in one piece of the reader's buffer.
type trailer struct {
	fields Fields
	buf    []byte
	line   int // where the unfinished line starts in buf
	count  int // of lines, the dropped ones included
}

// Trailer is the trailer section of a chunked body that is complete; nil when there
// is none. It belongs to the Body, not to the bytes that were read. Fields that
// must not be in a trailer section, because they frame, route, authenticate or
// interpret the message, are not in it: they are dropped (RFC 9110 6.5.1).
func (d *Body) Trailer() *Fields {
	if d.state != bodyDone || d.trailer == nil || d.trailer.fields.Len() == 0 {
		return nil
	}
	return &d.trailer.fields
}

// trailerBytes takes bytes of the trailer section up to the end of a line, and says
// how many.
func (d *Body) trailerBytes(b []byte) int {
	if d.state == trailerLine && b[0] == '\r' {
		d.state = trailerLF
		return 1
	}
	if d.trailer == nil {
		d.trailer = new(trailer)
	}
	t := d.trailer
	n := bytes.IndexByte(b, '\n') + 1
	ends := n > 0
	if !ends {
		n = len(b)
	}
	if room := d.limits.maxHead() - len(t.buf); n > room {
		d.fail(ErrTrailerTooLarge)
		return room
	}
	t.buf = append(t.buf, b[:n]...)
	d.state = trailerText
	if ends {
		d.endTrailerLine()
	}
	return n
}

// endTrailerLine parses the line that has become complete.
func (d *Body) endTrailerLine() {
	t := d.trailer
	s, next, err := fieldLine(t.buf, t.line)
	if err != nil {
		d.fail(err)
		return
	}
	if t.count++; t.count > d.limits.maxFields() {
		d.fail(ErrTooManyTrailers)
		return
	}
	if !forbiddenTrailer(t.buf[s.nameStart:s.nameEnd]) {
		t.fields.spans = append(t.fields.spans, s)
	}
	t.fields.b = t.buf
	t.line = next
	d.state = trailerLine
}

// forbiddenTrailer reports whether a field of that name must not be in a trailer
// section (RFC 9110 6.5.1). Content-Digest, ETag and the like may be there.
func forbiddenTrailer(name []byte) bool {
	k := lookupName(name)
	return k >= 0 && names[k].flags&notInTrailer != 0
}
