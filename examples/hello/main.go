// Hello answers "Hello, World!" to every request, and /slow after 50 ms: the
// smallest whole program, and the one that bench measures.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
	"github.com/burrownet/burrow/sock"
)

const greeting = "Hello, World!"

// plain is the handler that any server of Go runs.
func plain(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		time.Sleep(50 * time.Millisecond)
	}
	io.WriteString(w, greeting)
}

// answer is serialised once.
var answer = httpd.NewStatic(http.StatusOK, "text/plain; charset=utf-8", []byte(greeting))

// direct is the same handler on the fast path of httpd.
type direct struct{ http.Handler }

func (direct) ServeDirect(c *httpd.Ctx) {
	if string(c.Path()) == "/slow" {
		time.Sleep(50 * time.Millisecond)
	}
	c.Static(answer)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address`: host:port, unix:/path or systemd:")
	driver := flag.String("driver", "auto", "what carries the connections: auto, epoll, uring, kqueue or goroutine")
	native := flag.Bool("native", false, "answer on the fast path of httpd instead of net/http's interface")
	selfSigned := flag.Bool("tls-self-signed", false, "speak TLS with a certificate made at start")
	flag.Parse()
	if err := run(*listen, *driver, *native, *selfSigned); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

// run serves until Ctrl-C or SIGTERM, then drains.
func run(listen, driver string, native, selfSigned bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d, err := engine.ParseDriver(driver)
	if err != nil {
		return err
	}
	srv := &httpd.Server{Handler: http.HandlerFunc(plain), Engine: &engine.Engine{Driver: d}}
	if native {
		srv.Handler = direct{srv.Handler}
	}
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
	fmt.Fprintln(os.Stderr, "hello: listening on", ln.Addr())
	return srv.Serve(ctx, ln)
}
