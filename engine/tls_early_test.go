package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What happens to a connection before its preface and its TLS handshake are over.

// withTLS are options to serve TLS with.
func withTLS(t *testing.T) *ServeOptions {
	return &ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}}
}

func tlsClient(nc net.Conn) *tls.Conn {
	return tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
}

// TestWriteBeforeHandshake has accept, and another goroutine, write at once: that
// leaves encrypted, in order, and within the budget.
func TestWriteBeforeHandshake(t *testing.T) {
	opts := withTLS(t)
	on(t, func(t *testing.T, e *Engine) {
		e.MaxBacklog = 100
		wrote := make(chan bool)
		dial := serve(t, e, func(c *Conn) Protocol {
			c.Write([]byte("one "))
			c.Write2([]byte("two "), []byte("three "))
			c.WriteLater([]byte("four "))
			if err := c.Flush(time.Second); err == nil {
				t.Error("Flush before the handshake says that all has left")
			}
			if n := c.Backlog(); n != 19 {
				t.Errorf("Backlog is %d, want 19", n)
			}
			go func() {
				c.Write([]byte("five"))
				if _, err := c.Write(make([]byte, 100)); !errors.Is(err, ErrBacklog) {
					t.Errorf("a write beyond the budget: %v", err)
				}
				wrote <- true
			}()
			return &proto{data: echo}
		}, opts)
		nc := dial()
		<-wrote
		client := tlsClient(nc)
		got := make([]byte, 23)
		if _, err := io.ReadFull(client, got); err != nil || string(got) != "one two three four five" {
			t.Errorf("%q, %v", got, err)
		}
		roundTrip(t, client, []byte("x"))
	})
}

// TestShutdownBeforeHandshake: last words of accept are read like others.
func TestShutdownBeforeHandshake(t *testing.T) {
	opts := withTLS(t)
	on(t, func(t *testing.T, e *Engine) {
		dial := serve(t, e, func(c *Conn) Protocol {
			c.Write([]byte("go away"))
			c.Shutdown()
			return &proto{data: echo}
		}, opts)
		if got, err := io.ReadAll(tlsClient(dial())); string(got) != "go away" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// TestHandshakeTimeout: no deadline of the protocol's puts it off, nor does a peer
// that begins.
func TestHandshakeTimeout(t *testing.T) {
	opts := withTLS(t)
	opts.HandshakeTimeout = 200 * time.Millisecond
	on(t, func(t *testing.T, e *Engine) {
		var n atomic.Int64
		dial := serve(t, e, func(c *Conn) Protocol {
			if n.Add(1)%2 == 0 {
				c.SetDeadline(time.Hour)
			} else {
				c.SetDeadline(0)
			}
			return &proto{data: echo, timeout: func(*Conn) { t.Error("Timeout before the handshake") }}
		}, opts)
		var wg sync.WaitGroup
		for _, first := range []string{"", "", "\x16\x03\x01", "\x16\x03\x01"} {
			nc := dial()
			wg.Go(func() {
				nc.Write([]byte(first))
				nc.SetDeadline(time.Now().Add(5 * time.Second))
				if _, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a peer that has said %q: %v", first, err)
				}
			})
		}
		wg.Wait()
	})
}

// TestDeadlineFromAccept: the protocol's deadline is in force after the handshake, and
// that of the handshake is not.
func TestDeadlineFromAccept(t *testing.T) {
	secure := withTLS(t)
	secure.HandshakeTimeout = 100 * time.Millisecond
	preface := &ServeOptions{HandshakeTimeout: secure.HandshakeTimeout, Preface: func(*Conn, []byte) (int, error) { return 1, nil }}
	const d = 400 * time.Millisecond
	for name, opts := range map[string]*ServeOptions{"tls": secure, "preface": preface} {
		t.Run(name, func(t *testing.T) {
			on(t, func(t *testing.T, e *Engine) {
				fired := make(chan time.Duration, 2)
				dial := serve(t, e, func(c *Conn) Protocol {
					set := time.Now()
					c.SetDeadline(d)
					return &proto{data: echo, timeout: func(c *Conn) {
						fired <- time.Since(set)
						c.Close()
					}}
				}, opts)
				nc := dial()
				if opts.TLS != nil {
					nc = tlsClient(nc)
				} else {
					nc.Write([]byte("p"))
				}
				roundTrip(t, nc, []byte("x"))
				select {
				case took := <-fired:
					if took < d-20*time.Millisecond {
						t.Errorf("Timeout after %v, want %v", took, d)
					}
				case <-time.After(5 * time.Second):
					t.Error("no Timeout")
				}
			})
		})
	}
}

// TestNoDeadlineAfterPreface: the deadline of the preface ends with it.
func TestNoDeadlineAfterPreface(t *testing.T) {
	opts := &ServeOptions{HandshakeTimeout: 100 * time.Millisecond, Preface: func(*Conn, []byte) (int, error) { return 1, nil }}
	on(t, func(t *testing.T, e *Engine) {
		over := make(chan bool, 2)
		dial := serve(t, e, func(c *Conn) Protocol {
			c.AfterFunc(3*opts.HandshakeTimeout, func() { over <- true })
			return &proto{data: echo, timeout: func(*Conn) { t.Error("Timeout, though no deadline was set") }}
		}, opts)
		nc := dial()
		nc.Write([]byte("p"))
		roundTrip(t, nc, []byte("x"))
		<-over
	})
}

// TestDrainInHandshake: peers that are slow to begin do not hold up a drain.
func TestDrainInHandshake(t *testing.T) {
	opts := withTLS(t)
	opts.HandshakeTimeout, opts.DrainTimeout = time.Hour, -1
	on(t, func(t *testing.T, e *Engine) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		accepted, ended := make(chan bool, 3), make(chan error, 1)
		go func() {
			ended <- e.Serve(ctx, ln, func(*Conn) Protocol {
				accepted <- true
				return &proto{data: echo, drain: func(*Conn) { t.Error("Drain before the handshake") }}
			}, opts)
		}()
		for _, first := range []string{"", "\x16\x03\x01"} {
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.Write([]byte(first))
			<-accepted
		}
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("Serve waits for handshakes")
		}
	})
}

// TestAccessorsOfOthers asks from other goroutines while calls come and go.
func TestAccessorsOfOthers(t *testing.T) {
	preface := &ServeOptions{Preface: func(*Conn, []byte) (int, error) { return 0, nil }}
	on(t, func(t *testing.T, e *Engine) {
		var wg sync.WaitGroup
		stop := make(chan bool)
		dial := serve(t, e, func(c *Conn) Protocol {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					c.LocalAddr()
					c.Backlog()
					if c.TLS() != nil {
						t.Error("TLS state of another connection")
					}
					time.Sleep(20 * time.Microsecond)
				}
			})
			return &proto{data: func(c *Conn, b []byte) (int, error) {
				c.Watch(func(error) {})
				defer c.Watch(nil)
				return echo(c, b)
			}}
		}, preface)
		for _, nc := range []net.Conn{dial(), dial()} {
			for range 200 {
				roundTrip(t, nc, []byte("x"))
			}
		}
		close(stop)
		wg.Wait()
	})
}

// TestRefusedEarly: why a connection ended before it began is what Closed gets, and
// what who debugs finds in the log.
func TestRefusedEarly(t *testing.T) {
	noPreface := errors.New("no preface")
	for what, opts := range map[string]*ServeOptions{
		"TLS handshake": withTLS(t),
		"preface":       {Preface: func(*Conn, []byte) (int, error) { return 0, noPreface }},
	} {
		t.Run(what, func(t *testing.T) {
			on(t, func(t *testing.T, e *Engine) {
				var log bytes.Buffer
				e.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				closed := make(chan error, 1)
				dial := serve(t, e, same(&proto{closed: func(_ *Conn, err error) { closed <- err }}), opts)
				nc := dial()
				nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
				nc.(*net.TCPConn).CloseWrite()
				err := <-closed
				if _, ok := errors.AsType[tls.RecordHeaderError](err); !ok && err != noPreface {
					t.Errorf("Closed gets %v", err)
				}
				if want := "engine: " + what + " failed"; !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "peer="+nc.LocalAddr().String()) {
					t.Errorf("the log has not %q, and whose: %s", want, log.String())
				}
			})
		})
	}
}
