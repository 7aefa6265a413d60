package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

// wsInput reads standard input ahead by one message.
type wsInput struct {
	messages chan []byte // closed at the end, of which err says how it came
	err      error
}

// newWSInput begins to read. The goroutine that does so ends with r, and not
// before: nothing interrupts a read from a terminal.
func newWSInput(r io.Reader, binary bool, limit int) *wsInput {
	in := &wsInput{messages: make(chan []byte)}
	go func() {
		defer close(in.messages)
		if binary {
			in.err = in.whole(r, limit)
		} else {
			in.err = in.lines(r, limit)
		}
	}()
	return in
}

// whole is one message, unless there is nothing.
func (in *wsInput) whole(r io.Reader, limit int) error {
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return fmt.Errorf("standard input: %w", err)
	case len(data) > limit:
		return fmt.Errorf("standard input is more than the %d bytes of --max-message", limit)
	case len(data) > 0:
		in.messages <- data
	}
	return nil
}

// lines are messages, without what ends them: LF or CR LF. An empty line is an
// empty message.
func (in *wsInput) lines(r io.Reader, limit int) error {
	br := bufio.NewReaderSize(r, 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(br, limit)
		switch {
		case err != nil && err != io.EOF:
			return fmt.Errorf("line %d of standard input: %w", number, err)
		case err == io.EOF && len(line) == 0:
			return nil
		case !utf8.Valid(line):
			return fmt.Errorf("line %d of standard input is not UTF-8, which a text message is; --binary sends anything", number)
		}
		in.messages <- line
		if err == io.EOF {
			return nil
		}
	}
}

// readLine reads one line of at most limit bytes. It is the caller's. The last one
// comes with io.EOF, and may be empty.
func readLine(br *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		if err == bufio.ErrBufferFull && len(line) <= limit+1 { // 1 for a CR
			continue
		}
		if err == nil {
			line = bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'})
		}
		if len(line) > limit {
			return nil, fmt.Errorf("it is longer than the %d bytes of --max-message", limit)
		}
		return line, err
	}
}
