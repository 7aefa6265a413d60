package sock_test

import (
	"context"
	"fmt"
	"net"

	"github.com/burrownet/burrow/sock"
)

func ExampleListen() {
	ln, err := sock.Listen(context.Background(), "127.0.0.1:0", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	_, tcp := ln.(*net.TCPListener)
	fmt.Println(ln.Addr().Network(), tcp)

	_, err = sock.Listen(context.Background(), "8080", nil)
	fmt.Println(err)
	// Output:
	// tcp true
	// sock: listen 8080: a port alone is not an address: write 127.0.0.1:8080 for this machine only, or :8080 for every interface
}

func ExampleParseProxyHeader() {
	h, n, err := sock.ParseProxyHeader([]byte("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n"))
	fmt.Println(h.Source, h.Destination, n, err)
	// Output:
	// 192.0.2.1:56324 198.51.100.7:443 45 <nil>
}
