// Wsecho sends every WebSocket message back: the smallest whole program in event
// style, and the one that bench measures.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
	"github.com/burrownet/burrow/sock"
	"github.com/burrownet/burrow/websocket"
)

// echo is the handler. A peer that does not take its own words has to go.
func echo(c *websocket.Conn, t websocket.MessageType, data []byte) {
	if c.Write(context.Background(), t, data) != nil {
		c.CloseNow()
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address`: host:port, unix:/path or systemd:")
	driver := flag.String("driver", "auto", "what carries the connections: auto, epoll, uring, kqueue or goroutine")
	compress := flag.Bool("compress", false, "permessage-deflate, where the client offers it")
	broadcast := flag.Bool("broadcast", false, `send a message that begins with "all " to every connection`)
	selfSigned := flag.Bool("tls-self-signed", false, "speak wss with a certificate made at start")
	flag.Parse()
	o := &websocket.AcceptOptions{Handler: &websocket.Funcs{OnMessage: echo}}
	if *broadcast {
		o.Handler = &room{}
	}
	if *compress {
		o.Deflate = &websocket.Deflate{}
	}
	if err := run(*listen, *driver, *selfSigned, o); err != nil {
		fmt.Fprintln(os.Stderr, "wsecho:", err)
		os.Exit(1)
	}
}

// run serves until Ctrl-C or SIGTERM, then drains.
func run(listen, driver string, selfSigned bool, o *websocket.AcceptOptions) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d, err := engine.ParseDriver(driver)
	if err != nil {
		return err
	}
	srv := &httpd.Server{Engine: &engine.Engine{Driver: d}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		websocket.Accept(w, r, o) // an error was answered
	})}
	if selfSigned {
		cert, err := sock.SelfSigned(nil)
		if err != nil {
			return err
		}
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	ln, err := sock.Listen(ctx, listen, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "wsecho: listening on", ln.Addr())
	return srv.Serve(ctx, ln)
}
