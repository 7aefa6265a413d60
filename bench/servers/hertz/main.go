// Command hertz is cloudwego/hertz's server in the comparison: netpoll for
// plain HTTP, its standard transport for HTTPS (netpoll has no TLS).
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/burrownet/burrow/bench/internal/selfsigned"
	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/common/config"
	"github.com/cloudwego/hertz/pkg/common/hlog"
	"github.com/cloudwego/hertz/pkg/network/standard"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to listen on")
	useTLS := flag.Bool("tls-self-signed", false, "HTTPS with a certificate made at start")
	flag.Parse()

	hlog.SetLevel(hlog.LevelError)
	options := []config.Option{server.WithHostPorts(*listen)}
	if *useTLS {
		tlsConfig, err := selfsigned.Config()
		if err != nil {
			log.Fatal(err)
		}
		options = append(options, server.WithTLS(tlsConfig), server.WithTransport(standard.NewTransporter))
	}
	srv := server.New(options...)
	srv.Any("/slow", func(c context.Context, ctx *app.RequestContext) {
		time.Sleep(50 * time.Millisecond)
		hello(c, ctx)
	})
	srv.Any("/", hello)
	srv.Any("/*path", hello)
	srv.Spin()
}

func hello(_ context.Context, ctx *app.RequestContext) {
	ctx.String(http.StatusOK, "Hello, World!")
}
