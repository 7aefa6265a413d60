// Chat is a chat for the browser: rooms, names, the last messages, and who is here.
// It is one page and one WebSocket per visitor, in event style on a Hub:
//
//	go run ./examples/chat -listen 127.0.0.1:8080
//
// Each room is a topic of the Hub (rooms.go), and each connection has a visitor of its
// own, who speaks JSON with the page (visitor.go). Nothing is stored: with the program
// ends what was said.
package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
	"github.com/burrownet/burrow/sock"
	"github.com/burrownet/burrow/websocket"
)

// page is the whole client. NONCE in it is another text each time.
//
//go:embed page.html
var page string

// servePage allows the page's own script and style, and connections to where it is from.
func servePage(w http.ResponseWriter, _ *http.Request) {
	nonce := rand.Text()
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; "+
		"connect-src 'self'; script-src 'nonce-"+nonce+"'; style-src 'nonce-"+nonce+"'")
	io.WriteString(w, strings.ReplaceAll(page, "NONCE", nonce))
}

// handler is the page at / and the WebSocket at /ws, for pages of this host only.
func handler(s *site) (http.Handler, error) {
	sockets := &websocket.Registry{Options: websocket.AcceptOptions{
		MaxMessageBytes: maxMessage,
		Deflate:         &websocket.Deflate{},
	}}
	err := sockets.Add(websocket.Protocol{Path: "/ws", Handler: func(*http.Request) (websocket.Handler, error) {
		return &visitor{site: s, id: rand.Text()}, nil
	}})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.Handle("/ws", sockets)
	return mux, err
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address`: host:port, unix:/path or systemd:")
	driver := flag.String("driver", "auto", "what carries the connections: auto, epoll, uring, kqueue or goroutine")
	history := flag.Int("history", 50, "messages of a room that who enters it gets to see")
	flag.Parse()
	if err := run(*listen, *driver, &site{history: max(*history, 0)}); err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// run serves until Ctrl-C or SIGTERM, then drains: the pages see 1001, and try again.
func run(listen, driver string, s *site) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d, err := engine.ParseDriver(driver)
	if err != nil {
		return err
	}
	h, err := handler(s)
	if err != nil {
		return err
	}
	ln, err := sock.Listen(ctx, listen, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "chat: listening on http://%v/\n", ln.Addr())
	return (&httpd.Server{Engine: &engine.Engine{Driver: d}, Handler: h}).Serve(ctx, ln)
}
