// Command wsgorilla is gorilla/websocket's server in the comparison: a goroutine
// of net/http for each connection, with the default settings of both.
package main

import (
	"log"
	"net/http"
	"sync"

	"github.com/burrownet/burrow/bench/internal/wspeer"
	"github.com/gorilla/websocket"
)

// member is a connection that others may write to as well.
type member struct {
	*websocket.Conn
	writing sync.Mutex // one writer at a time, as its documentation asks for
}

type server struct {
	upgrader websocket.Upgrader
	options  wspeer.Options
	room     wspeer.Room[*member]
}

func main() {
	ln, options, err := wspeer.Start()
	if err != nil {
		log.Fatal(err)
	}
	s := &server{options: options, upgrader: websocket.Upgrader{EnableCompression: options.Compress}}
	log.Fatal(http.Serve(ln, s))
}

// ServeHTTP echoes until the connection ends.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	if s.options.Broadcast {
		s.talk(c)
		return
	}
	for {
		t, message, err := c.ReadMessage()
		if err != nil {
			return
		}
		if err := c.WriteMessage(t, message); err != nil {
			return
		}
	}
}

// talk sends what is for all to all.
func (s *server) talk(c *websocket.Conn) {
	m := &member{Conn: c}
	s.room.Add(m)
	defer s.room.Remove(m)
	for {
		t, message, err := c.ReadMessage()
		if err != nil {
			return
		}
		prepared, err := websocket.NewPreparedMessage(t, message)
		if err != nil {
			return
		}
		if wspeer.ToAll(message) {
			s.room.Each(func(m *member) { m.send(prepared) })
		} else {
			m.send(prepared)
		}
	}
}

// send leaves an error to who reads.
func (m *member) send(message *websocket.PreparedMessage) {
	m.writing.Lock()
	defer m.writing.Unlock()
	if m.WritePreparedMessage(message) != nil {
		m.Close()
	}
}
