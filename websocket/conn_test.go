package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/burrownet/burrow/internal/memnet"
	"github.com/burrownet/burrow/internal/wsframe"
)

// memPair is two connections in blocking style over memory, whose time a bubble
// of synctest controls.
func memPair(o common, mo *memnet.Options) (client, server *Conn) {
	a, b := memnet.Pipe(mo)
	return newBlocking(a, o.settings(true), nil, deflateParams{}, nil), newBlocking(b, o.settings(false), nil, deflateParams{}, nil)
}

// memPeer is a connection under test and a peer in bytes.
func memPeer(t testing.TB, o common, client bool) (*Conn, *peer) {
	a, b := memnet.Pipe(nil)
	return newBlocking(a, o.settings(client), nil, deflateParams{}, nil), &peer{t: t, nc: b, client: !client}
}

func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestReadGoesOn: a Read whose context ends loses nothing, wherever it stops.
func TestReadGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{}, false)
		var in []byte
		for _, f := range fragments(2, "a message in pieces", 4) {
			in = append(in, p.raw(f.b0, f.payload)...)
		}
		in = append(in, p.raw(fin|1, "next")...)
		go func() {
			for i := range in {
				time.Sleep(10 * time.Millisecond)
				p.nc.Write(in[i : i+1])
			}
		}()
		var got []string
		cancelled := 0
		for len(got) < 2 {
			ctx, cancel := context.WithTimeout(context.Background(), 7*time.Millisecond)
			typ, data, err := c.Read(ctx)
			cancel()
			switch {
			case err == nil:
				got = append(got, typ.String()+" "+string(data))
			case errors.Is(err, context.DeadlineExceeded):
				cancelled++
			default:
				t.Fatal(err)
			}
		}
		if want := "binary a message in pieces/text next"; strings.Join(got, "/") != want || cancelled < len(in) {
			t.Errorf("got %q after %d interruptions, want %q", got, cancelled, want)
		}
		c.CloseNow()
		p.nc.Close()
	})
}

// TestWriteGoesOn: a message whose context ends midway leaves before the next.
func TestWriteGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(&memnet.Options{Buffer: 100})
		c := newBlocking(a, common{}.settings(false), nil, deflateParams{}, nil)
		p := &peer{t: t, nc: b, client: true}
		long := strings.Repeat("x", 1000)
		for i := range 3 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			err := c.Write(ctx, MessageText, fmt.Append(nil, i, long))
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("write %d to who does not read: %v", i, err)
			}
		}
		go func() {
			must(t, "write", c.Write(context.Background(), MessageText, []byte("last")))
			c.CloseNow()
		}()
		p.want("text 0" + long)
		p.want("text last") // 1 and 2 were not begun
		b.Close()
	})
}

// TestWriteEndsTLS: over TLS a context that ends midway ends the connection, and one
// that has ended before does not.
func TestWriteEndsTLS(t *testing.T) {
	t.Parallel()
	p, c := servers()[0].secured().pair(t, &AcceptOptions{})
	p.socket().SetReadBuffer(4 << 10)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Write(ctx, MessageText, []byte("not begun")); !errors.Is(err, context.Canceled) {
		t.Errorf("Write after the end of its context: %v", err)
	}
	must(t, "write", c.Write(context.Background(), MessageText, []byte("first")))
	p.want("text first")
	ctx, cancel = context.WithCancel(context.Background())
	go func() {
		p.nc.Read(make([]byte, 1)) // it has begun
		cancel()
	}()
	err := c.Write(ctx, MessageBinary, make([]byte, 16<<20))
	if !errors.Is(err, context.Canceled) || CloseStatus(err) != StatusAbnormal {
		t.Errorf("Write to who does not read: %v", err)
	}
	if err := c.Write(context.Background(), MessageText, []byte("next")); CloseStatus(err) != StatusAbnormal {
		t.Errorf("Write after that: %v", err)
	}
}

// lateContext ends after it was first looked at.
type lateContext struct {
	context.Context
	looks int
}

func (c *lateContext) Err() error {
	if c.looks++; c.looks == 1 {
		return nil
	}
	return context.Canceled
}

// endingConn ends a context while it writes.
type endingConn struct {
	net.Conn
	end context.CancelFunc // nil: none
}

func (c *endingConn) Write(b []byte) (int, error) {
	if c.end != nil {
		c.end()
		time.Sleep(moment / 2)
	}
	return c.Conn.Write(b)
}

// TestWriteGoesOnTLS: over TLS a context that ends before anything was encrypted leaves
// the connection as it is, and so does one that ends while the socket takes the rest.
func TestWriteGoesOnTLS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(nil)
		below := &endingConn{Conn: a}
		server, client := tls.Server(below, tlsConfig(t)), tls.Client(b, &tls.Config{InsecureSkipVerify: true})
		go client.Handshake()
		must(t, "handshake", server.Handshake())
		c, p := newBlocking(server, common{}.settings(false), nil, deflateParams{}, nil), &peer{t: t, nc: client, client: true}
		if err := c.Write(&lateContext{Context: context.Background()}, MessageText, []byte("not begun")); !errors.Is(err, context.Canceled) {
			t.Errorf("Write: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		below.end = cancel
		must(t, "write", c.Write(ctx, MessageText, []byte("taken")))
		below.end = nil
		must(t, "write", c.Write(context.Background(), MessageText, []byte("next")))
		p.want("text taken")
		p.want("text next")
		c.CloseNow()
		b.Close()
	})
}

// TestWriteTimeout: who does not read ends its connection, and who reads slowly does not,
// over TLS either.
func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 3 * time.Second
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(&memnet.Options{Buffer: 100})
		c := newBlocking(a, common{writeTimeout: timeout}.settings(false), nil, deflateParams{}, nil)
		must(t, "write", c.Write(context.Background(), MessageText, []byte("fits")))
		time.Sleep(timeout / 2)
		began := time.Now()
		err := c.Write(context.Background(), MessageText, make([]byte, 1000))
		if took := time.Since(began); took < timeout || took > 2*timeout || CloseStatus(err) != StatusAbnormal {
			t.Errorf("%v after %v", err, took)
		}
		if _, _, err := c.Read(context.Background()); CloseStatus(err) != StatusAbnormal {
			t.Errorf("Read after that: %v", err)
		}
		b.Close()
	})
	config := tlsConfig(t)
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.Pipe(&memnet.Options{Buffer: 16 << 10})
			near, far := net.Conn(a), net.Conn(b)
			if secure {
				near, far = tls.Server(a, config), tls.Client(b, &tls.Config{InsecureSkipVerify: true})
				go far.(*tls.Conn).Handshake()
				must(t, "handshake", near.(*tls.Conn).Handshake())
			}
			c := newBlocking(near, common{writeTimeout: timeout}.settings(false), nil, deflateParams{}, nil)
			ended := make(chan bool)
			go func() {
				defer close(ended)
				buf := make([]byte, 16<<10)
				for {
					if _, err := io.ReadFull(far, buf); err != nil {
						return
					}
					time.Sleep(timeout / 6)
				}
			}()
			if err := c.Write(context.Background(), MessageBinary, make([]byte, 1<<20)); err != nil {
				t.Errorf("TLS %v: a Write to a slow reader: %v", secure, err)
			}
			c.CloseNow()
			b.Close()
			<-ended
		})
	}
}

// TestKeepAlive: silence is answered with a ping, and silence after that ends the
// connection.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{pingAfter: 10 * time.Second, pongTimeout: 4 * time.Second}, false)
		began := time.Now()
		read := make(chan error)
		go func() {
			_, _, err := c.Read(context.Background())
			read <- err
		}()
		p.want("ping ")
		if at := time.Since(began); at != 10*time.Second {
			t.Errorf("a ping after %v, want 10 s", at)
		}
		p.send(p.raw(fin|10, ""))
		p.want("ping ")
		if at := time.Since(began); at != 20*time.Second {
			t.Errorf("the second ping after %v, want 20 s", at)
		}
		err := <-read
		if at := time.Since(began); at != 24*time.Second || !errors.Is(err, ErrPongTimeout) || CloseStatus(err) != StatusAbnormal {
			t.Errorf("after %v: %v", at, err)
		}
		p.want("EOF")
	})
}

// TestPing: pings are answered while somebody reads, while nobody does, and by a
// pong that came for a later one.
func TestPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := memPair(common{}, &memnet.Options{Delay: time.Second})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { // the server reads
			for {
				if _, _, err := server.Read(ctx); err != nil {
					return
				}
			}
		})
		for range 3 {
			wg.Go(func() {
				began := time.Now()
				err := client.Ping(ctx)
				if took := time.Since(began); err != nil || took != 2*time.Second {
					t.Errorf("Ping: %v after %v, want 2 s", err, took)
				}
			})
		}
		wg.Go(func() {
			short, cancel := context.WithTimeout(ctx, time.Second/2)
			defer cancel()
			if err := client.Ping(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a Ping without time: %v", err)
			}
		})
		time.Sleep(5 * time.Second)
		// Now the client reads too.
		wg.Go(func() {
			if _, data, err := client.Read(ctx); err != nil || string(data) != "hello" {
				t.Errorf("Read: %q, %v", data, err)
			}
		})
		synctest.Wait()
		must(t, "ping", client.Ping(ctx))
		must(t, "write", server.Write(ctx, MessageText, []byte("hello")))
		time.Sleep(5 * time.Second)
		cancel()
		wg.Wait()
		client.CloseNow()
		server.CloseNow()
	})
}

// TestPingKeepsMessages: what arrives while a Ping waits is there for Read, in
// order; and there is a limit to it.
func TestPingKeepsMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{}, true)
		p.send(append(append(p.raw(fin|1, "one"), p.raw(fin|2, "two")...), p.raw(1, "thr")...))
		go func() {
			if got := p.read(); !strings.HasPrefix(got, "ping ") {
				t.Errorf("got %q", got)
			} else {
				p.send(p.raw(fin|10, strings.TrimPrefix(got, "ping ")))
				p.send(p.raw(fin, "ee"))
			}
		}()
		must(t, "ping", c.Ping(context.Background()))
		for _, want := range []string{"one", "two", "three"} {
			_, data, err := c.Read(context.Background())
			if err != nil || string(data) != want {
				t.Errorf("got %q, %v; want %q", data, err, want)
			}
		}
		c.CloseNow()
		p.nc.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{}, true)
		go func() {
			for {
				if _, err := p.nc.Write(p.raw(fin|2, strings.Repeat("x", 64<<10))); err != nil {
					return
				}
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Ping(ctx); err != ErrUnread {
			t.Errorf("Ping: %v, want %v", err, ErrUnread)
		}
		if x := c.extra(); x.bytes > 3*defaultMaxMessage {
			t.Errorf("%d bytes are kept", x.bytes)
		}
		c.CloseNow()
	})
}

// TestMaskKeys: keys differ, and are not used twice from the stock.
func TestMaskKeys(t *testing.T) {
	t.Parallel()
	seen := map[wsframe.Key]bool{}
	for range 1000 {
		seen[maskKey()] = true
	}
	if len(seen) < 990 {
		t.Errorf("%d different keys of 1000", len(seen))
	}
}

// TestKeepAliveOfShortReads: a silent peer is asked, and given up, also by Reads whose
// contexts end earlier, and not by those that come late.
func TestKeepAliveOfShortReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{}, false)
		began := time.Now()
		read := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(context.Background(), d)
			defer cancel()
			_, _, err := c.Read(ctx)
			return err
		}
		answered := make(chan bool)
		go func() {
			defer close(answered)
			p.want("ping ")
			if took := time.Since(began); took != defaultPingAfter {
				t.Errorf("a ping after %v", took)
			}
			p.send(p.raw(fin|10, ""))
			p.want("ping ")
		}()
		for time.Since(began) < 2*defaultPingAfter+5*time.Second {
			if err := read(25 * time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
		}
		<-answered
		time.Sleep(time.Hour)
		p.send(p.raw(fin|1, "still here"))
		must(t, "a late Read", read(time.Second))
		go p.want("ping ")
		began = time.Now()
		for {
			err := read(7 * time.Second)
			if errors.Is(err, context.DeadlineExceeded) {
				continue
			}
			if took := time.Since(began); !errors.Is(err, ErrPongTimeout) || took != defaultPingAfter+defaultPongTimeout {
				t.Errorf("after %v: %v", took, err)
			}
			break
		}
		p.nc.Close()
	})
}
