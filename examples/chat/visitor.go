package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/burrownet/burrow/websocket"
)

// What a visitor may send.
const (
	maxMessage = 16 << 10 // bytes
	maxText    = 2000     // characters
	maxName    = 24
	maxRoom    = 32

	burst     = 10 // messages at once
	perSecond = 5  // and then
	maxRefuse = 100
)

// request is what a page asks for, as JSON: "join" with Room and Name, also to change
// either, and "say" with Text.
type request struct {
	Type, Room, Name, Text string
}

// visitor is one connection: a websocket.Handler whose callbacks own the fields.
type visitor struct {
	site *site
	id   string // in the hub
	room *room  // nil: in none yet
	name string // there

	tokens  float64 // messages that are left
	last    time.Time
	refused int // since the last one that was not
}

// Open implements websocket.Handler.
func (v *visitor) Open(c *websocket.Conn) {
	v.tokens, v.last = burst, time.Now()
	if v.site.hub.Join(c, v.id) != nil {
		c.CloseNow() // it has ended already
	}
}

// Close implements websocket.Handler.
func (v *visitor) Close(c *websocket.Conn, _ error) { v.leave(c) }

func (v *visitor) leave(c *websocket.Conn) {
	if v.room != nil {
		v.room.leave(c, v.name)
		v.room = nil
	}
}

// Message implements websocket.Handler.
func (v *visitor) Message(c *websocket.Conn, t websocket.MessageType, data []byte) {
	var r request
	if t != websocket.MessageText || json.Unmarshal(data, &r) != nil {
		c.Close(websocket.StatusUnsupportedData, "a message is JSON")
		return
	}
	if !v.allowed(time.Now()) {
		if v.refused++; v.refused > maxRefuse {
			c.Close(websocket.StatusPolicyViolation, "too many messages")
			return
		}
		v.fail("Not so fast: that message was not sent.")
		return
	}
	v.refused = 0
	switch r.Type {
	case "join":
		v.join(c, tidyRoom(r.Room), tidyName(r.Name))
	case "say":
		v.say(r.Text)
	default:
		v.fail("There is no request " + r.Type + ".")
	}
}

// allowed takes a message off the visitor's allowance.
func (v *visitor) allowed(now time.Time) bool {
	v.tokens = min(burst, v.tokens+perSecond*now.Sub(v.last).Seconds())
	v.last = now
	if v.tokens < 1 {
		return false
	}
	v.tokens--
	return true
}

func (v *visitor) join(c *websocket.Conn, room, name string) {
	v.leave(c)
	r, name, err := v.site.enter(c, v, room, name)
	if err != nil {
		v.fail(err.Error())
		return
	}
	v.room, v.name = r, name
}

func (v *visitor) say(text string) {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, text))
	switch {
	case v.room == nil:
		v.fail("Enter a room first.")
	case utf8.RuneCountInString(text) > maxText:
		v.fail(fmt.Sprintf("A message has at most %d characters.", maxText))
	case text != "":
		v.room.say(v.name, text)
	}
}

// fail tells the visitor alone.
func (v *visitor) fail(text string) { v.site.whisper(v, event{Type: "error", Text: text}) }

// tidyName makes a name that can be shown on one line.
func tidyName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if s = first(strings.Join(strings.Fields(s), " "), maxName); s == "" {
		return "Guest"
	}
	return s
}

// tidyRoom makes a name that can be part of a URL.
func tidyRoom(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' {
			return unicode.ToLower(r)
		}
		return '-'
	}, strings.TrimSpace(s))
	if s = strings.Trim(first(s, maxRoom), "-"); s == "" {
		return "lobby"
	}
	return s
}

// first is the beginning of s, of at most n characters.
func first(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return strings.TrimSpace(s[:i])
		}
	}
	return s
}
