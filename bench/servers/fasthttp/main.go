// Command fasthttp is valyala/fasthttp's server in the comparison, with its
// default settings.
package main

import (
	"crypto/tls"
	"flag"
	"log"
	"net"
	"time"

	"github.com/burrownet/burrow/bench/internal/selfsigned"
	"github.com/valyala/fasthttp"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to listen on")
	useTLS := flag.Bool("tls-self-signed", false, "HTTPS with a certificate made at start")
	flag.Parse()

	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	if *useTLS {
		config, err := selfsigned.Config()
		if err != nil {
			log.Fatal(err)
		}
		ln = tls.NewListener(ln, config)
	}
	srv := &fasthttp.Server{Handler: handle}
	log.Fatal(srv.Serve(ln))
}

func handle(ctx *fasthttp.RequestCtx) {
	if string(ctx.Path()) == "/slow" {
		time.Sleep(50 * time.Millisecond)
	}
	ctx.SetBodyString("Hello, World!")
}
