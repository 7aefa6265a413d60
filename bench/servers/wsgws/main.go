// Command wsgws is lxzan/gws's server in the comparison: its own server, which
// reads each connection on a goroutine, with default settings.
package main

import (
	"log"
	"net"

	"github.com/burrownet/burrow/bench/internal/wspeer"
	"github.com/lxzan/gws"
)

// handler echoes, or sends what is for all to all.
type handler struct {
	gws.BuiltinEventHandler
	broadcast bool
	room      wspeer.Room[*gws.Conn]
}

func main() {
	ln, options, err := wspeer.Start()
	if err != nil {
		log.Fatal(err)
	}
	srv := gws.NewServer(&handler{broadcast: options.Broadcast}, &gws.ServerOption{
		PermessageDeflate: gws.PermessageDeflate{Enabled: options.Compress},
	})
	srv.OnError = hangUp
	log.Fatal(srv.RunListener(ln))
}

// hangUp ends a connection that was not upgraded.
func hangUp(c net.Conn, _ error) {
	if c != nil {
		c.Close()
	}
}

func (h *handler) OnOpen(c *gws.Conn) {
	if h.broadcast {
		h.room.Add(c)
	}
}

func (h *handler) OnClose(c *gws.Conn, _ error) { h.room.Remove(c) }

func (h *handler) OnPing(c *gws.Conn, payload []byte) {
	_ = c.WritePong(payload) // an error ends the connection
}

func (h *handler) OnMessage(c *gws.Conn, message *gws.Message) {
	defer message.Close()
	if !h.broadcast || !wspeer.ToAll(message.Bytes()) {
		_ = c.WriteMessage(message.Opcode, message.Bytes())
		return
	}
	// It sends from goroutines of its own, when message is no longer ours.
	all := gws.NewBroadcaster(message.Opcode, append([]byte(nil), message.Bytes()...))
	defer all.Close()
	h.room.Each(func(c *gws.Conn) { _ = all.Broadcast(c) })
}
