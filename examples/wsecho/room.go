package main

import (
	"bytes"
	"context"

	"github.com/burrownet/burrow/websocket"
)

// everybody is the topic of -broadcast.
const everybody = "everybody"

// room is the handler of -broadcast. A connection leaves the hub when it ends.
type room struct{ hub websocket.Hub }

// Open implements websocket.Handler.
func (r *room) Open(c *websocket.Conn) {
	if r.hub.Subscribe(c, everybody) != nil {
		c.CloseNow() // it has ended already
	}
}

// Close implements websocket.Handler.
func (r *room) Close(*websocket.Conn, error) {}

// Message sends a message to all when it begins with "all ", else to its sender.
func (r *room) Message(from *websocket.Conn, t websocket.MessageType, data []byte) {
	if !bytes.HasPrefix(data, []byte("all ")) {
		echo(from, t, data)
		return
	}
	r.hub.Publish(context.Background(), everybody, t, data) // the hub is alone: without a Broker nothing fails
}
