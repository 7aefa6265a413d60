package main

import (
	"bytes"
	"sync"

	"github.com/burrownet/burrow/websocket"
)

// room is the handler of -broadcast: it knows everybody who is connected.
type room struct{ members sync.Map }

// Open implements websocket.Handler.
func (r *room) Open(c *websocket.Conn) { r.members.Store(c, nil) }

// Close implements websocket.Handler.
func (r *room) Close(c *websocket.Conn, _ error) { r.members.Delete(c) }

// Message sends a message to all when it begins with "all ", else to its sender.
func (r *room) Message(from *websocket.Conn, t websocket.MessageType, data []byte) {
	if !bytes.HasPrefix(data, []byte("all ")) {
		echo(from, t, data)
		return
	}
	r.members.Range(func(to, _ any) bool {
		echo(to.(*websocket.Conn), t, data)
		return true
	})
}
