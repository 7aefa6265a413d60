package httpd_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// echoProtocol gives everything back; it ends when the peer does.
type echoProtocol struct{ ended chan error }

func (p echoProtocol) Data(c *engine.Conn, b []byte) (int, error) {
	if _, err := c.Write(b); err != nil {
		return 0, err
	}
	if c.EOF() {
		return len(b), io.EOF
	}
	return len(b), nil
}
func (echoProtocol) Timeout(c *engine.Conn)             { c.Close() }
func (echoProtocol) Drain(c *engine.Conn)               { c.Shutdown() }
func (p echoProtocol) Closed(_ *engine.Conn, err error) { p.ended <- err }

// upgradeHandler has an echoProtocol take the place of HTTP; it waits before that
// for /slow.
func upgradeHandler(t *testing.T, ended chan error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(20 * time.Millisecond)
		}
		c, err := w.(interface {
			Upgrade(p engine.Protocol) (*engine.Conn, error)
		}).Upgrade(echoProtocol{ended})
		if err != nil {
			t.Errorf("Upgrade: %v", err)
			return
		}
		c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
		if _, err := w.Write([]byte("late")); err == nil {
			t.Error("a write to the response of an upgraded connection is no error")
		}
	}
}

func TestUpgrade(t *testing.T) {
	for _, driver := range engine.Drivers() {
		for _, secure := range []*tls.Config{nil, serverTLS()} {
			ended := make(chan error, 1)
			log := new(logRecorder)
			s := stressServe(t, driver, 1, &httpd.Server{TLS: secure, Handler: &httpd.AccessLog{Out: log, Handler: upgradeHandler(t, ended)}})
			for _, path := range []string{"/", "/slow", "/slow"} { // the last one on a goroutine from the start
				nc, err := stressDial(s.addr)
				if err != nil {
					t.Fatal(err)
				}
				if secure != nil {
					nc = tls.Client(nc, clientTLS())
				}
				upgradeTalk(t, nc, path)
				nc.Close()
				select {
				case err := <-ended:
					if err != nil {
						t.Errorf("%v %s: Closed(%v)", driver, path, err)
					}
				case <-time.After(5 * time.Second):
					t.Fatalf("%v %s: the new protocol does not hear of the end", driver, path)
				}
			}
			if got := log.String(); strings.Count(got, " HTTP/1.1 101 0 ") != 3 {
				t.Errorf("%v: the access log says %q, want three of 101", driver, got)
			}
		}
	}
}

// upgradeTalk asks for an upgrade, behind another request and with the first words
// of the new protocol in the same write.
func upgradeTalk(t *testing.T, nc net.Conn, path string) {
	t.Helper()
	io.WriteString(nc, "GET "+path+" HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ")
	want := "HTTP/1.1 101 Switching Protocols\r\n\r\nearly later" + strings.Repeat("x", 100_000)
	go io.WriteString(nc, "later"+strings.Repeat("x", 100_000))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(nc, got); err != nil || string(got) != want {
		t.Errorf("%s: got %d bytes, %v: %.80q", path, n, err, got[:n])
	}
}
