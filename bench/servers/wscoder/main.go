// Command wscoder is coder/websocket's server in the comparison: a goroutine of
// net/http for each connection, with the default settings of both.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/burrownet/burrow/bench/internal/wspeer"
	"github.com/coder/websocket"
)

func main() {
	ln, options, err := wspeer.Start()
	if err != nil {
		log.Fatal(err)
	}
	if options.Broadcast {
		log.Fatal("wscoder: the library has nothing for broadcasts")
	}
	accept := &websocket.AcceptOptions{}
	if options.Compress {
		accept.CompressionMode = websocket.CompressionNoContextTakeover
	}
	log.Fatal(http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { echo(w, r, accept) })))
}

// echo echoes until the connection ends.
func echo(w http.ResponseWriter, r *http.Request, accept *websocket.AcceptOptions) {
	c, err := websocket.Accept(w, r, accept)
	if err != nil {
		return
	}
	defer c.CloseNow()
	ctx := context.Background()
	for {
		t, message, err := c.Read(ctx)
		if err != nil {
			return
		}
		if err := c.Write(ctx, t, message); err != nil {
			return
		}
	}
}
