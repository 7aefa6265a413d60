package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/burrownet/burrow/websocket"
)

// event is what a page is told, as JSON.
type event struct {
	// Type is "welcome" for who has entered, with Name, Room, People and History;
	// "said", "came" and "left" for all in a room; "error" for who did something wrong.
	Type string `json:"type"`
	// N numbers what all in a room are told, without gaps. It begins with the time, so
	// that it grows when the program starts anew as well.
	N       int64    `json:"n,omitempty"`
	At      int64    `json:"at,omitempty"` // milliseconds since 1970
	Name    string   `json:"name,omitempty"`
	Text    string   `json:"text,omitempty"`
	Room    string   `json:"room,omitempty"`
	People  []string `json:"people,omitempty"`
	History []event  `json:"history,omitempty"`
}

// What is remembered, at most.
const (
	maxRooms  = 1000
	maxPeople = 1000 // in one room

	maxHistory = 32 << 10 // bytes of text in one room; with what JSON makes of it a welcome stays below MaxBacklogBytes
)

var (
	errRooms  = errors.New("there are too many rooms: take one that exists")
	errPeople = errors.New("this room is full")
)

// site is all rooms, and the hub that their visitors are in.
type site struct {
	history int // messages that a room remembers
	hub     websocket.Hub

	mu    sync.Mutex // guards rooms; taken before that of a room
	rooms map[string]*room
}

// room is a topic of the hub. It stays when the last one leaves, and goes when there
// is no room for another room.
type room struct {
	s    *site
	name string

	mu      sync.Mutex // guards the rest; held while all are told something: so N is in order
	n       int64
	people  map[string]*visitor
	history []event
	size    int       // of the text in history, in bytes
	left    time.Time // when somebody left last
}

// enter brings a visitor into a room, which it makes when there is none, and tells
// everybody. The name gets a number when it is taken.
func (s *site) enter(c *websocket.Conn, v *visitor, name, who string) (*room, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	if r == nil {
		if len(s.rooms) >= maxRooms && !s.evict() {
			return nil, "", errRooms
		}
		if s.rooms == nil {
			s.rooms = map[string]*room{}
		}
		r = &room{s: s, name: name, n: time.Now().UnixMicro(), people: map[string]*visitor{}}
		s.rooms[name] = r
	}
	who, err := r.add(c, v, who)
	return r, who, err
}

// evict forgets the room that was empty for longest. s.mu is held.
func (s *site) evict() bool {
	var oldest *room
	for _, r := range s.rooms {
		r.mu.Lock()
		if len(r.people) == 0 && (oldest == nil || r.left.Before(oldest.left)) {
			oldest = r
		}
		r.mu.Unlock()
	}
	if oldest == nil {
		return false
	}
	delete(s.rooms, oldest.name)
	return true
}

// add is enter for a room that exists.
func (r *room) add(c *websocket.Conn, v *visitor, who string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.people) >= maxPeople {
		return "", errPeople
	}
	free := who
	for i := 2; r.people[free] != nil; i++ {
		free = fmt.Sprint(who, " ", i)
	}
	r.tell(event{Type: "came", Name: free})
	if err := r.s.hub.Subscribe(c, r.name); err != nil {
		r.tell(event{Type: "left", Name: free})
		return "", err
	}
	r.people[free] = v
	welcome(c, event{
		Type: "welcome", N: r.n, Room: r.name, Name: free,
		People: slices.Sorted(maps.Keys(r.people)), History: r.history,
	})
	return free, nil
}

// leave takes a visitor out of the room.
func (r *room) leave(c *websocket.Conn, who string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.s.hub.Unsubscribe(c, r.name)
	delete(r.people, who)
	r.left = time.Now()
	r.tell(event{Type: "left", Name: who})
}

// say tells everybody, and those who come later.
func (r *room) say(who, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.tell(event{Type: "said", Name: who, Text: text})
	r.history = append(r.history, e)
	r.size += len(text)
	for len(r.history) > r.s.history || r.size > maxHistory {
		r.size -= len(r.history[0].Text)
		r.history = slices.Delete(r.history, 0, 1)
	}
}

// tell numbers an event and sends it to all in the room. r.mu is held.
func (r *room) tell(e event) event {
	r.n++
	e.N, e.At = r.n, time.Now().UnixMilli()
	data, err := json.Marshal(e)
	if err == nil {
		// The hub is alone, and waits for nobody: there is no error.
		r.s.hub.Publish(context.Background(), r.name, websocket.MessageText, data)
	}
	return e
}

// welcome sends what makes up for all that a page has missed, past the hub, which may
// drop what it sends. What is in the hub's queue is older, and the page knows that by N.
func welcome(c *websocket.Conn, e event) {
	data, err := json.Marshal(e)
	if err == nil {
		err = c.Write(context.Background(), websocket.MessageText, data)
	}
	if err != nil {
		go c.Close(websocket.StatusTryAgainLater, "too slow") // the page comes back
	}
}

// whisper sends an event to one visitor, after what the visitor was sent before.
func (s *site) whisper(v *visitor, e event) {
	if data, err := json.Marshal(e); err == nil {
		s.hub.PublishTo(context.Background(), []string{v.id}, websocket.MessageText, data)
	}
}
