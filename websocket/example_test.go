package websocket_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/burrownet/burrow/websocket"
)

// A server in blocking style, and a client.
func Example() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // it was answered
		}
		defer c.CloseNow()
		for {
			t, data, err := c.Read(context.Background())
			if err != nil {
				return
			}
			c.Write(context.Background(), t, []byte(strings.ToUpper(string(data))))
		}
	}))
	defer srv.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := websocket.Dial(ctx, srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	c.Write(ctx, websocket.MessageText, []byte("hello"))
	_, data, err := c.Read(ctx)
	fmt.Println(string(data), err)
	fmt.Println(c.Close(websocket.StatusNormal, "done"))
	// Output:
	// HELLO <nil>
	// <nil>
}

// A server in event style: idle connections cost neither goroutine nor buffer.
func ExampleAccept_handler() {
	options := &websocket.AcceptOptions{Handler: &websocket.Funcs{
		OnMessage: func(c *websocket.Conn, t websocket.MessageType, data []byte) {
			c.Write(context.Background(), t, data) // leaves when the callback returns
		},
	}}
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		websocket.Accept(w, r, options)
	})
}

// A page asks for a URL that opens a connection for a minute, and the server knows
// then who it is.
func ExampleURLSigner() {
	type visitor struct{ Name string }
	signer := &websocket.URLSigner[visitor]{Keys: [][]byte{make([]byte, 32)}} // use random bytes
	signed, err := signer.Sign("/chat", visitor{"ann"})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodGet, signed, nil)
	v, err := signer.Verify(r)
	fmt.Println(v.Name, err)
	// Output: ann <nil>
}

// A chat: what one says, all of the room hear.
func ExampleHub() {
	hub := &websocket.Hub{Slow: websocket.Disconnect}
	options := &websocket.AcceptOptions{Handler: &websocket.Funcs{
		OnOpen: func(c *websocket.Conn) { hub.Subscribe(c, "room") },
		OnMessage: func(_ *websocket.Conn, t websocket.MessageType, data []byte) {
			hub.Publish(context.Background(), "room", t, data)
		},
	}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		websocket.Accept(w, r, options)
	}))
	defer srv.Close()

	ctx := context.Background()
	alice, _ := websocket.Dial(ctx, "ws"+srv.URL[len("http"):], nil)
	defer alice.Close(websocket.StatusNormal, "")
	alice.Write(ctx, websocket.MessageText, []byte("hello, room"))
	_, data, _ := alice.Read(ctx)
	fmt.Println(string(data))
	// Output: hello, room
}
