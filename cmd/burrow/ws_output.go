package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/burrownet/burrow/websocket"
)

// wsEvent is one line of --json. Which fields there are depends on the event.
type wsEvent struct {
	Time        time.Time `json:"time"`
	Event       string    `json:"event"` // open, message, pong, close, error, retry; of a server also refused
	Peer        string    `json:"peer,omitempty"`
	URL         string    `json:"url,omitempty"`
	Subprotocol string    `json:"subprotocol,omitempty"`
	Compressed  bool      `json:"compressed,omitempty"`
	Type        string    `json:"type,omitempty"` // of a message: text or binary
	Text        *string   `json:"text,omitempty"`
	Base64      []byte    `json:"base64,omitzero"` // the content of a binary message
	Code        int       `json:"code,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	By          string    `json:"by,omitempty"` // who closed: client or server
	Error       string    `json:"error,omitempty"`
	Millis      float64   `json:"ms,omitempty"`
	Messages    int       `json:"messages,omitempty"`
	Bytes       int64     `json:"bytes,omitempty"`
}

// wsOutput writes what happens: messages to standard output and the rest to
// standard error, or all of it as JSON to standard output. Its methods may be
// called concurrently.
type wsOutput struct {
	t        *terminal
	json     bool
	binary   bool // messages as they are
	quiet    bool
	terminal bool // messages are read by a person
	color    bool

	mu sync.Mutex
}

func (v *wsVerb) output(t *terminal) *wsOutput {
	o := &wsOutput{t: t, json: v.JSON, binary: v.Binary, quiet: v.Quiet}
	if t.out == io.Writer(os.Stdout) {
		o.terminal, o.color = isTerminal(os.Stdout), showsColor(os.Stdout)
	}
	return o
}

// event writes an event where that was asked for, else a line for people: "" is
// none.
func (o *wsOutput) event(e *wsEvent, line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.json {
		e.Time = time.Now()
		o.encode(e)
	} else if line != "" && !o.quiet {
		fmt.Fprintln(o.t.err, o.t.style("2", line))
	}
}

// encode writes a line of JSON. The caller has the lock.
func (o *wsOutput) encode(e *wsEvent) error {
	enc := json.NewEncoder(o.t.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(e)
}

// warn tells what matters even to who wants it quiet.
func (o *wsOutput) warn(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintln(o.t.err, o.t.style("33", line))
}

// message writes a message. An error is that of standard output.
func (o *wsOutput) message(t websocket.MessageType, data []byte) error {
	if o.json {
		e := &wsEvent{Event: "message", Type: t.String(), Time: time.Now()}
		if t == websocket.MessageText {
			text := string(data)
			e.Text = &text
		} else {
			e.Base64 = data
			if data == nil {
				e.Base64 = []byte{}
			}
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.encode(e)
	}
	if !o.binary {
		data = append(o.shown(t, data), '\n')
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.t.out.Write(data)
	return err
}

// shown is a message as a line. On a terminal it cannot move the cursor, and stands
// out from what was typed.
func (o *wsOutput) shown(t websocket.MessageType, data []byte) []byte {
	if !o.terminal {
		return data
	}
	mark, text := "< ", ""
	if t == websocket.MessageBinary {
		text = fmt.Sprintf("binary, %s: %s", byteCount(int64(len(data))), hex.EncodeToString(data[:min(len(data), maxHex)]))
		if len(data) > maxHex {
			text += "..."
		}
	} else {
		text = harmless(string(data))
	}
	if o.color {
		mark = "\x1b[36m<\x1b[0m "
	}
	return []byte(mark + text)
}

// maxHex is how much of a binary message is shown on a terminal, in bytes.
const maxHex = 32

// closeText is a close code for people.
func closeText(code websocket.StatusCode, reason string) string {
	s := strconv.Itoa(int(code))
	if name := closeNames[code]; name != "" {
		s += " (" + name + ")"
	}
	if reason != "" {
		s += " " + strconv.Quote(reason)
	}
	return s
}

// closeNames are the codes of RFC 6455 7.4.1 and its registry, in words.
var closeNames = map[websocket.StatusCode]string{
	websocket.StatusNormal:             "normal closure",
	websocket.StatusGoingAway:          "going away",
	websocket.StatusProtocolError:      "protocol error",
	websocket.StatusUnsupportedData:    "unsupported data",
	websocket.StatusNoStatus:           "no code",
	websocket.StatusAbnormal:           "no close frame",
	websocket.StatusInvalidPayload:     "not UTF-8",
	websocket.StatusPolicyViolation:    "policy violation",
	websocket.StatusMessageTooBig:      "message too big",
	websocket.StatusMandatoryExtension: "extension missing",
	websocket.StatusInternalError:      "internal error",
	websocket.StatusServiceRestart:     "service restart",
	websocket.StatusTryAgainLater:      "try again later",
	websocket.StatusBadGateway:         "bad gateway",
}
