package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proto is a Protocol made of functions.
type proto struct {
	data    func(c *Conn, b []byte) (int, error)
	timeout func(c *Conn)
	drain   func(c *Conn)
	closed  func(c *Conn, err error)
}

func (p *proto) Data(c *Conn, b []byte) (int, error) { return p.data(c, b) }

func (p *proto) Timeout(c *Conn) {
	if p.timeout != nil {
		p.timeout(c)
	} else {
		c.Close()
	}
}

func (p *proto) Drain(c *Conn) {
	if p.drain != nil {
		p.drain(c)
	} else {
		c.Close()
	}
}

func (p *proto) Closed(c *Conn, err error) {
	if p.closed != nil {
		p.closed(c, err)
	}
}

func echo(c *Conn, b []byte) (int, error) {
	if _, err := c.Write(b); err != nil {
		return 0, err
	}
	if c.EOF() {
		return len(b), io.EOF
	}
	return len(b), nil
}

// on runs a test on every driver of this platform.
func on(t *testing.T, f func(t *testing.T, e *Engine)) {
	for _, d := range []Driver{platformDriver, DriverGoroutine} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			f(t, &Engine{Driver: d})
		})
	}
}

// serve runs an engine for the time of a test and returns how to dial it.
func serve(t *testing.T, e *Engine, accept func(*Conn) Protocol, opts *ServeOptions) func() net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(ctx, ln, accept, opts) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve did not return")
		}
	})
	return func() net.Conn {
		t.Helper()
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		return nc
	}
}

func same(p Protocol) func(*Conn) Protocol { return func(*Conn) Protocol { return p } }

func roundTrip(t *testing.T, nc net.Conn, msg []byte) {
	t.Helper()
	go nc.Write(msg)
	got := make([]byte, len(msg))
	if _, err := io.ReadFull(nc, got); err != nil {
		t.Fatalf("read: %v", err)
	}
	if !bytes.Equal(got, msg) {
		t.Fatal("the echo differs")
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(b)
	return b
}

func TestEcho(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		dial := serve(t, e, same(&proto{data: echo}), nil)
		var wg sync.WaitGroup
		for range 20 {
			nc := dial()
			wg.Go(func() {
				for _, n := range []int{1, 100, 5000, 70000, 1 << 20} {
					roundTrip(t, nc, noise(n))
				}
			})
		}
		wg.Wait()
	})
}

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

func TestUnusedInputIsKept(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		// Lines: what has no line end yet is not used.
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			n := bytes.LastIndexByte(b, '\n') + 1
			c.Write(b[:n])
			return n, nil
		}}), nil)
		nc := dial()
		for _, part := range []string{"one", " and", " a half\ntwo", "\n", "3\n4\n5"} {
			nc.Write([]byte(part))
			time.Sleep(2 * time.Millisecond) // so that they arrive apart; nothing depends on it
		}
		want := "one and a half\ntwo\n3\n4\n"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(nc, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

func TestHalfClose(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		closed := make(chan error, 1)
		var all []byte
		dial := serve(t, e, same(&proto{
			data: func(c *Conn, b []byte) (int, error) {
				all = append(all, b...)
				if c.EOF() {
					c.Write(all) // everything, once the peer has said everything
					return len(b), io.EOF
				}
				return len(b), nil
			},
			closed: func(_ *Conn, err error) { closed <- err },
		}), nil)
		nc := dial()
		msg := noise(300000)
		nc.Write(msg)
		nc.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(nc)
		if err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(msg))
		}
		if err := <-closed; err != nil {
			t.Fatalf("Closed got %v, want nil", err)
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

func TestAbortiveCloseIsAnError(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		closed := make(chan error, 1)
		opened := make(chan bool, 1)
		dial := serve(t, e, same(&proto{
			data:   func(c *Conn, b []byte) (int, error) { opened <- true; return len(b), nil },
			closed: func(_ *Conn, err error) { closed <- err },
		}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		<-opened
		nc.(*net.TCPConn).SetLinger(0)
		nc.Close()
		if err := <-closed; err == nil {
			t.Fatal("Closed got nil after a reset")
		}
	})
}

func TestDeadline(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		var start atomic.Int64
		took := make(chan time.Duration, 1)
		dial := serve(t, e, same(&proto{
			data: func(c *Conn, b []byte) (int, error) {
				start.Store(clock())
				c.SetDeadline(time.Hour)
				c.SetDeadline(60 * time.Millisecond)
				return len(b), nil
			},
			timeout: func(c *Conn) {
				took <- time.Duration(clock() - start.Load())
				c.Close()
			},
		}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		if d := <-took; d < 60*time.Millisecond || d > 3*time.Second {
			t.Fatalf("timed out after %v, want 60 ms", d)
		}
		if _, err := nc.Read(make([]byte, 1)); err == nil {
			t.Fatal("the connection is still open")
		}
	})
}

func TestMoreAndFlush(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		// One call reads a whole megabyte and answers it.
		const size = 1 << 20
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if len(b) == 0 {
				return 0, nil
			}
			var all []byte
			for {
				all = append(all, b...)
				if len(all) >= size {
					break
				}
				var err error
				if b, err = c.More(nil, 5*time.Second); err != nil {
					return 0, err
				}
			}
			for len(all) > 0 {
				n := min(len(all), 30000)
				c.Write(all[:n])
				all = all[n:]
				if err := c.Flush(5 * time.Second); err != nil {
					return 0, err
				}
			}
			return len(b), nil
		}}), nil)
		nc := dial()
		for range 3 {
			roundTrip(t, nc, noise(size))
		}
	})
}

func TestMoreTimesOut(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		got := make(chan error, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			_, err := c.More(b, 30*time.Millisecond)
			got <- err
			return 0, err
		}}), nil)
		dial().Write([]byte("x"))
		if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("More: %v", err)
		}
	})
}

func TestGo(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		var inCall atomic.Int32
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if len(b) == 0 {
				return 0, nil
			}
			if inCall.Add(1) != 1 {
				t.Error("calls overlap")
			}
			first := b[0]
			c.Go(func() {
				time.Sleep(time.Millisecond)
				c.Write([]byte{first})
				inCall.Add(-1)
			})
			return 1, nil // the rest is offered after it
		}}), nil)
		roundTrip(t, dial(), []byte("ordered"))
	})
}

func TestPostAndAfterFunc(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		conns := make(chan *Conn, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			conns <- c
			return len(b), nil
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		c := <-conns
		ran := make(chan string, 3)
		if err := c.Post(func() { ran <- "posted" }); err != nil {
			t.Fatal(err)
		}
		if got := <-ran; got != "posted" {
			t.Fatal(got)
		}
		stop := c.AfterFunc(time.Hour, func() { ran <- "never" })
		c.AfterFunc(20*time.Millisecond, func() { ran <- "later" })
		if got := <-ran; got != "later" {
			t.Fatal(got)
		}
		if !stop() {
			t.Fatal("stop came too late")
		}
	})
}

func TestWriteFromOutside(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		conns := make(chan *Conn, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			conns <- c
			return len(b), nil
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		c := <-conns
		go func() {
			for i := range 1000 {
				if _, err := c.Write(bytes.Repeat([]byte{byte(i)}, 100)); err != nil {
					t.Error(err)
				}
			}
		}()
		got := make([]byte, 100*1000)
		if _, err := io.ReadFull(nc, got); err != nil {
			t.Fatal(err)
		}
		for i, b := range got {
			if b != byte(i/100) {
				t.Fatalf("byte %d is %d", i, b)
			}
		}
	})
}

func TestBacklogHasABudget(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		e.MaxBacklog = 256 << 10
		conns := make(chan *Conn, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			conns <- c
			return len(b), nil
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		c := <-conns
		sent, piece := 0, make([]byte, 10000)
		for {
			_, err := c.Write(piece)
			if errors.Is(err, ErrBacklog) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if sent += len(piece); sent > 64<<20 {
				t.Fatal("no budget")
			}
		}
		if n := c.Backlog(); n > e.MaxBacklog {
			t.Fatalf("backlog %d over its budget", n)
		}
		c.Shutdown() // what was accepted arrives all the same
		got, err := io.Copy(io.Discard, nc)
		if err != nil || got != int64(sent) {
			t.Fatalf("%d bytes arrived of %d, %v", got, sent, err)
		}
	})
}

func TestSendFile(t *testing.T) {
	content := noise(3 << 20)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
	on(t, func(t *testing.T, e *Engine) {
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if len(b) == 0 {
				return 0, nil
			}
			f, err := os.Open(name)
			if err != nil {
				return 0, err
			}
			defer f.Close()
			c.Write([]byte("<"))
			n, err := c.SendFile(f, 1000, int64(len(content)), 5*time.Second)
			if n != int64(len(content)-1000) || err != nil {
				t.Errorf("SendFile: %d, %v", n, err)
			}
			c.Write([]byte(">"))
			return len(b), io.EOF
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		got, err := io.ReadAll(nc)
		if err != nil || string(got[:1]) != "<" || !bytes.Equal(got[1:len(got)-1], content[1000:]) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}

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

func TestWatch(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		gone := make(chan error, 1)
		in := make(chan bool, 1)
		dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
			if len(b) == 0 || c.EOF() {
				return len(b), io.EOF
			}
			c.Go(func() {
				ch := make(chan error, 1)
				c.Watch(func(err error) { ch <- err })
				in <- true
				gone <- <-ch
			})
			return len(b), nil
		}}), nil)
		nc := dial()
		nc.Write([]byte("x"))
		<-in
		nc.Close()
		select {
		case err := <-gone:
			if err == nil {
				t.Fatal("the watcher got nil")
			}
		case <-time.After(5 * time.Second):
			t.Fatal("nobody told the watcher")
		}
	})
}

// TestHandover blocks a call on every loop and expects the others to be served.
func TestHandover(t *testing.T) {
	e := &Engine{Driver: platformDriver, Loops: 2}
	release := make(chan bool)
	var blocked sync.WaitGroup
	dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
		if len(b) > 0 && b[0] == 'B' {
			blocked.Done()
			<-release
		}
		return echo(c, b)
	}}), nil)
	var stuck []net.Conn
	for range 8 { // more than loops, whoever gets which
		nc := dial()
		blocked.Add(1)
		nc.Write([]byte("B"))
		stuck = append(stuck, nc)
	}
	blocked.Wait()
	start := time.Now()
	for range 8 {
		roundTrip(t, dial(), []byte("quick"))
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("the others waited %v", d)
	}
	for deadline := time.Now().Add(5 * time.Second); e.Handovers() < 8; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d handovers for 8 blocked calls", e.Handovers())
		}
	}
	close(release)
	for _, nc := range stuck {
		b := make([]byte, 1)
		if _, err := io.ReadFull(nc, b); err != nil || b[0] != 'B' {
			t.Fatalf("the blocked call answered %q, %v", b, err)
		}
		roundTrip(t, nc, []byte("and goes on"))
	}
}

// TestEndlessPatience blocks the only loop: nobody takes it away.
func TestEndlessPatience(t *testing.T) {
	t.Parallel()
	e := &Engine{Driver: platformDriver, Loops: 1, Patience: -1}
	release := make(chan bool)
	dial := serve(t, e, same(&proto{data: func(c *Conn, b []byte) (int, error) {
		if len(b) > 0 && b[0] == 'B' {
			<-release
		}
		return echo(c, b)
	}}), nil)
	stuck, other := dial(), dial()
	roundTrip(t, other, []byte("quick"))
	stuck.Write([]byte("B"))
	other.Write([]byte("x"))
	other.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := other.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("beside a blocked call: %d bytes, %v; want none", n, err)
	}
	close(release)
	other.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(other, make([]byte, 1)); err != nil || e.Handovers() != 0 {
		t.Errorf("afterwards: %v, %d handovers, want none", err, e.Handovers())
	}
}

// TestErrorsNameTheNetwork has writes fail on each kind of socket.
func TestErrorsNameTheNetwork(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		e := &Engine{Driver: platformDriver}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- e.Serve(ctx, ln, same(&proto{data: func(c *Conn, b []byte) (int, error) {
				sysShutdown(int(c.fd), true)
				_, err := c.Write([]byte("x"))
				got <- err
				return 0, err
			}}), nil)
		}()
		nc, err := net.Dial(network, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.Write([]byte("x"))
		op, ok := errors.AsType[*net.OpError](<-got)
		if !ok || op.Net != network || op.Op != "write" {
			t.Errorf("a write to a dead %s socket: %+v", network, op)
		}
		nc.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestDrain(t *testing.T) {
	on(t, func(t *testing.T, e *Engine) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		in, out := make(chan bool, 1), make(chan bool)
		ended := make(chan error, 1)
		go func() {
			ended <- e.Serve(ctx, ln, same(&proto{data: func(c *Conn, b []byte) (int, error) {
				if len(b) > 0 {
					c.Go(func() {
						in <- true
						<-out
						c.Write(b[:1])
					})
				}
				return len(b), nil
			}}), nil)
		}()
		idle, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
		busy, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Close()
		busy.Write([]byte("x"))
		<-in
		cancel()
		idle.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := idle.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the idle connection is still open: %v", err)
		}
		select {
		case err := <-ended:
			t.Fatalf("Serve returned %v with a call in progress", err)
		default:
		}
		close(out)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(busy); err != nil || len(got) != 1 {
			t.Fatalf("the call in progress answered %q, %v", got, err)
		}
	})
}

// TestTrim: after a burst of connections a quiet engine collects once.
func TestTrim(t *testing.T) {
	e := &Engine{Driver: platformDriver, TrimAfter: 20 * time.Millisecond}
	dial := serve(t, e, same(&proto{data: echo}), nil)
	for range trimBurst {
		dial().Close()
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		e.mu.Lock()
		done := e.births.Load() >= trimBurst && e.trimmer == nil
		e.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not trimmed after %d connections", e.births.Load())
		}
	}
}
