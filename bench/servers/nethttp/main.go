// Command nethttp is the standard library's server in the comparison.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/burrownet/burrow/bench/internal/selfsigned"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to listen on")
	useTLS := flag.Bool("tls-self-signed", false, "HTTPS with a certificate made at start")
	flag.Parse()

	srv := &http.Server{Addr: *listen, Handler: http.HandlerFunc(hello)}
	if !*useTLS {
		log.Fatal(srv.ListenAndServe())
	}
	config, err := selfsigned.Config()
	if err != nil {
		log.Fatal(err)
	}
	srv.TLSConfig = config
	log.Fatal(srv.ListenAndServeTLS("", ""))
}

func hello(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		time.Sleep(50 * time.Millisecond)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8") // spares the sniffing; the others name it too
	_, _ = io.WriteString(w, "Hello, World!")
}
