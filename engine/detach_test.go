package engine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

func TestDetach(t *testing.T) {
	cert := selfSigned(t)
	for _, secure := range []bool{false, true} {
		on(t, func(t *testing.T, e *Engine) {
			got := make(chan net.Conn, 1)
			opts := &ServeOptions{}
			if secure {
				opts.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			}
			dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
				nc, unread, err := c.Detach(b[2:])
				if err != nil || string(unread) != "cd" {
					t.Errorf("Detach: unread %q, %v", unread, err)
				}
				got <- nc
				return 0, nil
			}}), opts)
			client := dial()
			if secure {
				client = tls.Client(client, &tls.Config{InsecureSkipVerify: true})
			}
			client.Write([]byte("abcd"))
			nc := <-got
			defer nc.Close()
			go io.Copy(nc, nc)
			roundTrip(t, client, noise(100000))
		})
	}
}

func TestAttach(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		dial := serve(t, e, same(&proto{data: echo}), nil)
		client := &Engine{Driver: e.Driver}
		got := make(chan string, 1)
		var all []byte
		c, err := client.Attach(dial(), &proto{data: func(c *Conn, b []byte) (int, error) {
			if all = append(all, b...); len(all) == 5 {
				got <- string(all)
			}
			return len(b), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("hello"))
		if s := <-got; s != "hello" {
			t.Fatal(s)
		}
		c.Close()
	})
}

// TestSetProtocol changes the protocol in the middle of the input, from the loop and
// from a goroutine.
func TestSetProtocol(t *testing.T) {
	cert := selfSigned(t)
	for _, secure := range []bool{false, true} {
		for _, elsewhere := range []bool{false, true} {
			on(t, func(t *testing.T, e *Engine) {
				opts := &ServeOptions{}
				if secure {
					opts.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
				}
				ended := make(chan error, 2)
				second := &proto{data: echo, closed: func(_ *Conn, err error) { ended <- err }}
				dial := serve(t, e, same(&proto{
					data: func(c *Conn, b []byte) (int, error) {
						if len(b) < 2 {
							return 0, nil
						}
						if elsewhere {
							c.Go(func() {
								c.SetProtocol(second)
								c.Unread(c.Input()[2:])
							})
							return 0, nil
						}
						c.SetProtocol(second)
						return 2, nil
					},
					closed: func(*Conn, error) { t.Error("the former protocol hears of the end") },
				}), opts)
				client := dial()
				if secure {
					client = tls.Client(client, &tls.Config{InsecureSkipVerify: true})
				}
				client.Write([]byte("abcd"))
				got := make([]byte, 2)
				if _, err := io.ReadFull(client, got); err != nil || string(got) != "cd" {
					t.Fatalf("%q, %v; want what the former protocol has left", got, err)
				}
				roundTrip(t, client, noise(10000))
				client.Close()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestWriteBeforeEnrolment writes more than the socket takes as soon as Attach has
// returned.
func TestWriteBeforeEnrolment(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		for range 20 {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			peer, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			ln.Close()
			c, err := e.Attach(nc, &proto{data: echo})
			if err != nil {
				t.Fatal(err)
			}
			msg := noise(3 << 20)
			if _, err := c.Write(msg); err != nil {
				t.Fatalf("the first write: %v", err)
			}
			peer.SetDeadline(time.Now().Add(10 * time.Second))
			got := make([]byte, len(msg))
			if n, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, msg) {
				t.Fatalf("%d of %d bytes arrived, %v", n, len(msg), err)
			}
			c.Close()
			peer.Close()
		}
	})
}

// TestDetachAndUsed: what Data returns after Detach does not matter, and after a Detach
// that has failed it counts the input, as always.
func TestDetachAndUsed(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		got, res := make(chan net.Conn, 1), make(chan error, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			switch {
			case len(b) == 0:
				return 0, io.EOF
			case string(b) == "close":
				c.Close()
				_, _, err := c.Detach(nil)
				res <- err
				return len(b), err
			}
			nc, _, err := c.Detach(nil)
			if err != nil {
				t.Error(err)
			}
			got <- nc
			return len(b), io.EOF
		}}), nil)
		client := dial()
		client.Write([]byte("abcd"))
		nc := <-got
		go io.Copy(nc, nc)
		roundTrip(t, client, noise(1000))
		nc.Close()
		dial().Write([]byte("close"))
		if err := <-res; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Detach of a closed connection: %v", err)
		}
	})
}

// TestDetachBesideAWriter has another goroutine write while Detach takes the connection
// away: what Write has accepted arrives, whole.
func TestDetachBesideAWriter(t *testing.T) {
	onPlainAndTLS(t, func(t *testing.T, e *Engine, opts *ServeOptions, client func(net.Conn) net.Conn) {
		const size = 1 << 20
		for range 20 {
			accepted := make(chan int64, 1)
			dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
				if len(b) == 0 {
					return 0, io.EOF
				}
				c.Go(func() {
					begun, sum := make(chan bool, 1), make(chan int64, 1)
					go func() {
						n := int64(0)
						for {
							_, err := c.Write(make([]byte, size))
							select {
							case begun <- true:
							default:
							}
							if errors.Is(err, net.ErrClosed) {
								break
							}
							if err == nil {
								n += size
							}
							for limit := time.Now().Add(time.Second); c.Backlog() > 0 && time.Now().Before(limit); {
								runtime.Gosched()
							}
						}
						sum <- n
					}()
					<-begun
					nc, _, err := c.Detach(nil)
					if err != nil {
						t.Error(err)
						return
					}
					accepted <- <-sum
					nc.Write([]byte{2})
					nc.Close()
				})
				return len(b), nil
			}}), opts)
			nc := client(dial())
			nc.Write([]byte("x"))
			arrived, err := io.Copy(io.Discard, nc)
			if n := <-accepted; arrived != n+1 || err != nil {
				t.Errorf("%d bytes arrived, %v; want %d and 1", arrived, err, n)
			}
			nc.Close()
		}
	})
}
