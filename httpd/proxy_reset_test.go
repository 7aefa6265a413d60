package httpd

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/burrownet/burrow/engine"
)

// TestProxyOfResetPeers: nobody gains the trust of a front end by being gone when it
// is asked for.
func TestProxyOfResetPeers(t *testing.T) {
	for _, d := range engine.Drivers() {
		t.Run(d.String(), func(t *testing.T) {
			if err := d.Available(); err != nil {
				t.Skip(err)
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(nc, "PROXY TCP4 192.0.2.6 127.0.0.1 1000 80\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
			nc.(*net.TCPConn).SetLinger(0)
			nc.Close()
			peers := make(chan string, 2)
			srv := &Server{
				Engine:        &engine.Engine{Driver: d, Loops: 1},
				ProxyProtocol: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
				Handler:       http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { peers <- r.RemoteAddr }),
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- srv.Serve(ctx, ln) }()
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Get("http://" + ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			for close(peers); len(peers) > 0; {
				peer, err := netip.ParseAddrPort(<-peers)
				if err != nil || !peer.Addr().IsLoopback() {
					t.Errorf("a stranger's request is handled as one of %v, %v", peer, err)
				}
			}
		})
	}
}
