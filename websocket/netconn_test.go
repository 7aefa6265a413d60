package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

func TestNetConn(t *testing.T) {
	t.Parallel()
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		client, server := memPair(common{}, nil)
		a, b = client.NetConn(context.Background(), MessageBinary), server.NetConn(context.Background(), MessageBinary)
		return a, b, func() {
			client.CloseNow()
			server.CloseNow()
		}, nil
	})
}

func TestNetConnTypes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{}, false)
		n := c.NetConn(context.Background(), MessageBinary)
		p.send(append(p.raw(fin|2, "ab"), p.raw(fin|2, "")...))
		p.send(p.raw(fin|2, "cd"))
		buf := make([]byte, 4)
		if _, err := io.ReadFull(n, buf); string(buf) != "abcd" || err != nil {
			t.Errorf("got %q, %v", buf, err)
		}
		go p.send(append(p.raw(fin|8, "\x03\xe8"), p.raw(fin|9, "")...))
		if _, err := n.Read(buf); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
		n.Close()
		p.nc.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{}, false)
		n := c.NetConn(context.Background(), MessageBinary)
		go func() {
			p.send(p.raw(fin|1, "text"))
			p.want("close 1003 a message of the other type")
			p.send(p.raw(fin|8, "\x03\xeb"))
			p.nc.Close()
		}()
		if _, err := n.Read(make([]byte, 4)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a text: %v", err)
		}
		synctest.Wait()
	})
}

// TestNetConnDeadline: a deadline that passes within a message loses nothing, compressed
// or not.
func TestNetConnDeadline(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 400<<10)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for _, d := range []*Deflate{nil, {MinBytes: -1}, {ContextTakeover: true, MinBytes: -1}} {
		client, server := pair(t, &DialOptions{Deflate: d}, &AcceptOptions{Deflate: d})
		nc := server.NetConn(background(t), MessageBinary)
		w, err := client.Writer(background(t), MessageBinary)
		must(t, "writer", err)
		_, err = w.Write(noise[:300<<10])
		must(t, "write", err)
		nc.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		got := make([]byte, 0, len(noise))
		read := func() (err error) {
			for err == nil && len(got) < len(noise) {
				var n int
				n, err = nc.Read(got[len(got):cap(got)])
				got = got[:len(got)+n]
			}
			return err
		}
		if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%+v: %d bytes, %v, want a deadline", d, len(got), err)
		}
		nc.SetReadDeadline(time.Time{})
		_, err = w.Write(noise[300<<10:])
		must(t, "write", err)
		must(t, "close", w.Close())
		must(t, "read", read())
		if !bytes.Equal(got, noise) {
			t.Errorf("%+v: other bytes arrive", d)
		}
	}
}
