package engine

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

func TestEchoTLS(t *testing.T) {
	cert := selfSigned(t)
	on(t, func(t *testing.T, e *Engine) {
		dial := serve(t, e, same(&proto{data: echo}), &ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
		var wg sync.WaitGroup
		for range 10 {
			nc := tls.Client(dial(), &tls.Config{InsecureSkipVerify: true})
			wg.Go(func() {
				for _, n := range []int{1, 100, 5000, 70000, 1 << 20} {
					roundTrip(t, nc, noise(n))
				}
				nc.CloseWrite()
				if n, err := nc.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("after CloseWrite: %d, %v", n, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestNotTLS(t *testing.T) {
	cert := selfSigned(t)
	on(t, func(t *testing.T, e *Engine) {
		dial := serve(t, e, same(&proto{data: echo}), &ServeOptions{
			TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, NotTLS: []byte("speak TLS"),
		})
		nc := dial()
		nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		got, err := io.ReadAll(nc)
		if string(got) != "speak TLS" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

// lump sends what is written while it holds in one piece.
type lump struct {
	net.Conn
	held []byte
	hold bool
}

func (l *lump) Write(b []byte) (int, error) {
	if l.hold {
		l.held = append(l.held, b...)
		return len(b), nil
	}
	return l.Conn.Write(b)
}

// TestEndBehindText has the end of a TLS stream arrive together with text of which
// the protocol uses a part: it is offered the rest again, with the end.
func TestEndBehindText(t *testing.T) {
	cert := selfSigned(t)
	on(t, func(t *testing.T, e *Engine) {
		rest := make(chan string, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if c.EOF() {
				rest <- string(b)
				return len(b), io.EOF
			}
			return min(len(b), 4-len(b)%4), nil
		}}), &ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
		under := &lump{Conn: dial()}
		client := tls.Client(under, &tls.Config{InsecureSkipVerify: true})
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		under.hold = true
		client.Write([]byte("1234rest"))
		client.CloseWrite()
		under.Conn.SetWriteDeadline(time.Time{}) // CloseWrite has let it pass
		if _, err := under.Conn.Write(under.held); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-rest:
			if got != "rest" {
				t.Errorf("at the end the protocol is offered %q, want what it had not used", got)
			}
		case <-time.After(5 * time.Second):
			t.Error("the protocol does not hear of the end")
		}
	})
}

// TestEndInPieces has the alert that ends a TLS stream arrive in two parts, the first
// together with text. A deadline passes in between: the stream goes on after it.
func TestEndInPieces(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		got, ended := make(chan string, 10), make(chan bool, 1)
		dial := serve(t, e, func(c *Conn) Protocol {
			again := func(c *Conn) { c.SetDeadline(50 * time.Millisecond) }
			again(c)
			return &proto{timeout: again, data: func(c *Conn, b []byte) (int, error) {
				if c.EOF() {
					ended <- true
					return len(b), io.EOF
				}
				c.SetDeadline(0)
				got <- string(b)
				return len(b), nil
			}}
		}, withTLS(t))
		under := &lump{Conn: dial()}
		// Of later versions crypto/tls does not see that a record holds an alert.
		client := tls.Client(under, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		under.hold = true
		client.Write([]byte("text"))
		client.CloseWrite()
		under.Conn.SetDeadline(time.Now().Add(10 * time.Second)) // CloseWrite has changed it
		cut := len(under.held) - 10
		under.Conn.Write(under.held[:cut])
		if text := <-got; text != "text" {
			t.Errorf("the protocol is offered %q", text)
		}
		under.Conn.Write(under.held[cut:])
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Error("the protocol does not hear of the end")
		}
	})
}
