package memnet_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/burrownet/burrow/internal/memnet"
)

func TestConn(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*memnet.Options{
		"default": nil,
		"small":   {Buffer: 64},
		"delay":   {Delay: time.Millisecond},
		"slow":    {Bandwidth: 10 << 20, Delay: 100 * time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				a, b := memnet.Pipe(o)
				return a, b, func() { a.Close(); b.Close() }, nil
			})
		})
	}
}

// must fails the test on an error.
func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(&memnet.Options{Delay: time.Second})
		began := time.Now()
		for _, s := range []string{"one", "two"} {
			_, err := a.Write([]byte(s))
			must(t, "write", err)
			time.Sleep(300 * time.Millisecond)
		}
		must(t, "close", a.Close())
		buf := make([]byte, 10)
		for i, want := range []string{"one", "two"} {
			n, err := b.Read(buf)
			must(t, "read", err)
			at := time.Second + time.Duration(i)*300*time.Millisecond
			if got := time.Since(began); string(buf[:n]) != want || got != at {
				t.Errorf("read %q after %v, want %q after %v", buf[:n], got, want, at)
			}
		}
		if _, err := b.Read(buf); err != io.EOF {
			t.Errorf("read: %v, want EOF", err)
		}
		if got, want := time.Since(began), 1600*time.Millisecond; got != want {
			t.Errorf("EOF after %v, want %v", got, want)
		}
		must(t, "close", b.Close())
	})
}

func TestBandwidth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(&memnet.Options{Bandwidth: 1000, Delay: 500 * time.Millisecond, Buffer: 100})
		data := make([]byte, 5000)
		rand.Read(data)
		began := time.Now()
		go func() {
			a.Write(data)
			a.Close()
		}()
		got, err := io.ReadAll(b)
		must(t, "read", err)
		if !bytes.Equal(got, data) {
			t.Errorf("read %d bytes, want the %d that were written", len(got), len(data))
		}
		if took := time.Since(began); took < 5500*time.Millisecond {
			t.Errorf("5000 bytes at 1000 a second and 500 ms away took %v", took)
		}
		b.Close()
	})
}

func TestBuffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(&memnet.Options{Buffer: 100})
		written := 0
		go func() {
			n, err := a.Write(make([]byte, 250))
			if err != nil {
				t.Errorf("write: %v", err)
			}
			written = n
		}()
		synctest.Wait()
		if written != 0 {
			t.Errorf("Write of 250 bytes returned with a buffer of 100")
		}
		n, err := io.ReadFull(b, make([]byte, 149))
		must(t, "read", err)
		synctest.Wait()
		if written != 0 {
			t.Errorf("Write of 250 bytes returned after %d were read", n)
		}
		_, err = b.Read(make([]byte, 1))
		must(t, "read", err)
		synctest.Wait()
		if written != 250 {
			t.Errorf("Write returned %d, want 250", written)
		}
		a.Close()
		b.Close()
	})
}

func TestDeadlinesInVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(&memnet.Options{Buffer: 10})
		defer a.Close()
		defer b.Close()
		began := time.Now()
		a.SetDeadline(began.Add(time.Hour))
		if n, err := a.Write(make([]byte, 11)); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %d, %v; want 10 and a timeout", n, err)
		}
		if got := time.Since(began); got != time.Hour {
			t.Errorf("timeout after %v, want 1 h", got)
		}
		var ne net.Error
		if _, err := a.Read(make([]byte, 1)); !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("read: %v, want a timeout", err)
		}
		a.SetReadDeadline(time.Time{})
		b.Write([]byte("x"))
		_, err := a.Read(make([]byte, 1))
		must(t, "read after the deadline was lifted", err)
	})
}

func TestCloseWrite(t *testing.T) {
	t.Parallel()
	a, b := memnet.Pipe(nil)
	defer a.Close()
	defer b.Close()
	io.WriteString(a, "question")
	must(t, "close write", a.CloseWrite())
	got, err := io.ReadAll(b)
	if string(got) != "question" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v, want net.ErrClosed", err)
	}
	io.WriteString(b, "answer")
	b.Close()
	got, err = io.ReadAll(a)
	if string(got) != "answer" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestClosedPeer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(&memnet.Options{Delay: time.Second})
		defer a.Close()
		b.Close()
		_, err := a.Write([]byte("x"))
		must(t, "write before the close can be known", err)
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write: %v, want EPIPE", err)
		}
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	a, b := memnet.Pipe(nil)
	defer b.Close()
	io.WriteString(a, "lost")
	a.Reset()
	for range 2 {
		if n, err := b.Read(make([]byte, 8)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %d, %v; want ECONNRESET", n, err)
		}
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write: %v, want EPIPE", err)
	}
}

func TestListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := memnet.Listen(&memnet.Options{Delay: 10 * time.Millisecond})
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.RemoteAddr)
		})}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()
		tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return ln.Dial(ctx) }}
		began := time.Now()
		resp, err := (&http.Client{Transport: tr}).Get("http://mem.test/")
		must(t, "get", err)
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !bytes.HasPrefix(b, []byte("client-")) || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		if got, want := time.Since(began), 40*time.Millisecond; got != want { // two round trips
			t.Errorf("took %v, want %v", got, want)
		}
		tr.CloseIdleConnections()
		must(t, "close", srv.Close())
		<-served
	})
}

func TestListenerCloses(t *testing.T) {
	t.Parallel()
	ln := memnet.Listen(nil)
	accepted := make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		accepted <- err
	}()
	must(t, "close", ln.Close())
	must(t, "close again", ln.Close())
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v, want net.ErrClosed", err)
	}
	if _, err := ln.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial: %v, want net.ErrClosed", err)
	}
}

func TestDialCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, o := range []*memnet.Options{nil, {Delay: time.Hour}} {
			ln := memnet.Listen(o)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if _, err := ln.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("dial: %v, want context.DeadlineExceeded", err)
			}
			cancel()
		}
	})
}
