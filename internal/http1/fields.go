package http1

import "bytes"

// Limits bounds what one message may make its reader hold.
type Limits struct {
	// MaxHead is the size of start line and header section together, in bytes, with
	// all line ends, and also of a trailer section. 0 means 64 KiB, negative none
	// (though never more than 1 GiB).
	MaxHead int
	// MaxFields is the number of field lines of one section. 0 means 256, negative
	// no limit.
	MaxFields int
}

// maxMaxHead keeps offsets within 32 bits.
const maxMaxHead = 1 << 30

func (l *Limits) maxHead() int {
	switch {
	case l.MaxHead == 0:
		return 64 << 10
	case l.MaxHead < 0 || l.MaxHead > maxMaxHead:
		return maxMaxHead
	}
	return l.MaxHead
}

func (l *Limits) maxFields() int {
	switch {
	case l.MaxFields == 0:
		return 256
	case l.MaxFields < 0:
		return maxMaxHead
	}
	return l.MaxFields
}

// Fields is a parsed header or trailer section: the field lines in the order they
// came, as offsets into the bytes they were parsed from, which it borrows. The
// zero value has no lines. It is not safe for use while its owner parses again.
type Fields struct {
	b     []byte
	spans []span
}

// span is where the name and the value of a field line are.
type span struct{ nameStart, nameEnd, valueStart, valueEnd uint32 }

// Len is the number of field lines.
func (f *Fields) Len() int { return len(f.spans) }

// Name is the name of line i, as sent. It is borrowed from the parsed bytes.
func (f *Fields) Name(i int) []byte {
	s := &f.spans[i]
	return f.b[s.nameStart:s.nameEnd:s.nameEnd]
}

// Value is the value of line i without the whitespace around it. It is borrowed
// from the parsed bytes.
func (f *Fields) Value(i int) []byte {
	s := &f.spans[i]
	return f.b[s.valueStart:s.valueEnd:s.valueEnd]
}

// Span is where line i is in the bytes that were parsed, for a caller who made one
// string of the head and slices that.
func (f *Fields) Span(i int) (nameStart, nameEnd, valueStart, valueEnd int) {
	s := &f.spans[i]
	return int(s.nameStart), int(s.nameEnd), int(s.valueStart), int(s.valueEnd)
}

// Get is the value of the first line called name, ASCII case ignored; nil when
// there is none (an empty value is not nil).
func (f *Fields) Get(name string) []byte {
	if i := f.Index(name, 0); i >= 0 {
		return f.Value(i)
	}
	return nil
}

// Index is the number of the first line from line i on that is called name, ASCII
// case ignored; -1 when there is none.
func (f *Fields) Index(name string, i int) int {
	for ; i < len(f.spans); i++ {
		s := &f.spans[i]
		if int(s.nameEnd-s.nameStart) == len(name) && sameName(f.b[s.nameStart:s.nameEnd], name) {
			return i
		}
	}
	return -1
}

// sameName compares names of the same length.
func sameName(a []byte, b string) bool {
	for i := range a {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// reset forgets the lines but keeps their memory.
func (f *Fields) reset() { f.b, f.spans = nil, f.spans[:0] }

// parse reads field lines from b[i:] to the empty line that ends them and returns
// the index after it; 0 when b ends before. Lines beyond limit are checked but not
// kept, and reported when the section is complete.
func (f *Fields) parse(b []byte, i, limit int) (int, *Error) {
	spans := f.spans[:0]
	excess := false
	for !crlfAt(b, i) {
		s, next, err := fieldLine(b, i)
		if next == 0 {
			return 0, err
		}
		if len(spans) < limit {
			spans = append(spans, s)
		} else {
			excess = true
		}
		i = next
	}
	if excess {
		return 0, ErrTooManyFields
	}
	f.b, f.spans = b[:i+2], spans
	return i + 2, nil
}

// fieldLine reads the field line at b[i:] and returns the index after it; 0 when
// the line is at fault or, if err is nil, incomplete.
//
//	field-line = field-name ":" OWS field-value OWS CRLF
func fieldLine(b []byte, i int) (s span, next int, err *Error) {
	start := i
	i = scanToken(b, i)
	if i == start || i >= len(b) || b[i] != ':' {
		return span{}, 0, nameFault(b, start, i)
	}
	colon := i
	i++
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	value := i
	i = scanValue(b, i)
	if !crlfAt(b, i) {
		return span{}, 0, lineFault(b, i, ErrFieldValue)
	}
	end := i
	for end > value && (b[end-1] == ' ' || b[end-1] == '\t') {
		end--
	}
	return span{uint32(start), uint32(colon), uint32(value), uint32(end)}, i + 2, nil
}

// nameFault says why there is no field name and colon at b[start:], where i is the
// first byte that is no part of a name; nil while the line is incomplete.
func nameFault(b []byte, start, i int) *Error {
	if i >= len(b) || b[i] != ' ' && b[i] != '\t' {
		return lineFault(b, i, ErrFieldName)
	}
	if i == start {
		// RFC 9112 5.2, and 2.2 for the first line.
		return lineFault(b, i, ErrObsFold)
	}
	j := i
	for j < len(b) && (b[j] == ' ' || b[j] == '\t') {
		j++
	}
	if j < len(b) && b[j] == ':' {
		// RFC 9112 5.1: no whitespace is allowed between name and colon.
		return lineFault(b, i, ErrSpaceBeforeColon)
	}
	return lineFault(b, i, ErrFieldName)
}

// starter is a message whose first line can be read: startLine returns the index
// after the line that begins at b[0]; 0 when it is at fault or, if err is nil,
// incomplete.
type starter interface {
	startLine(b []byte) (next int, err *Error)
}

// headEnds reports whether b, of which the first seen bytes were looked at before
// without finding a fault or the end of the head, holds a complete head. It checks
// the lines that became complete, each once, so that a head which arrives in many
// pieces costs no more than a few looks at each byte.
func headEnds(m starter, b []byte, seen int) (bool, *Error) {
	if !lineEnds(b, seen) {
		return false, nil
	}
	i := bytes.LastIndexByte(b[:seen], '\n') + 1
	if i == 0 || i == 2 && b[0] == '\r' {
		next, err := m.startLine(b)
		if next == 0 {
			return false, err
		}
		i = next
	}
	for !crlfAt(b, i) {
		_, next, err := fieldLine(b, i)
		if next == 0 {
			return false, err
		}
		i = next
	}
	return true, nil
}
