package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// shape is what every answer of a run looks like, learned from the first one:
// so that the next ones cost a comparison instead of a parse. The zero value
// has learned nothing.
type shape struct {
	head int // bytes up to and with the empty line
	body []byte
}

var (
	okLine  = []byte("HTTP/1.1 200 ")
	headEnd = []byte("\r\n\r\n")
)

// maxHead is how much of an answer without an empty line is waited for.
const maxHead = 16 << 10

// take looks for one answer at the start of b and returns its length; 0 when
// more bytes are needed.
func (s *shape) take(b []byte) (int, error) {
	if s.head == 0 {
		if err := s.learn(b); err != nil || s.head == 0 {
			return 0, err
		}
	}
	n := s.head + len(s.body)
	if len(b) < n {
		return 0, nil
	}
	if !bytes.HasPrefix(b, okLine) || !bytes.Equal(b[s.head-4:s.head], headEnd) || !bytes.Equal(b[s.head:n], s.body) {
		return 0, fmt.Errorf("answer differs from the first one: %.200q", b)
	}
	return n, nil
}

// learn remembers the shape of the answer in b; it stays unknown while b is
// not whole.
func (s *shape) learn(b []byte) error {
	end := bytes.Index(b, headEnd)
	if end < 0 {
		if len(b) > maxHead {
			return errors.New("answer without an end of its header")
		}
		return nil
	}
	if !bytes.HasPrefix(b, okLine) {
		return fmt.Errorf("status is not 200: %.100q", b)
	}
	length, err := contentLength(b[:end])
	if err != nil {
		return err
	}
	head := end + len(headEnd)
	if len(b) < head+length {
		return nil
	}
	s.head, s.body = head, bytes.Clone(b[head:head+length])
	return nil
}

func contentLength(head []byte) (int, error) {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && bytes.EqualFold(name, []byte("Content-Length")) {
			n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil || n < 0 {
				return 0, fmt.Errorf("bad Content-Length %q", value)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("answer has no Content-Length: %.200q", head)
}
