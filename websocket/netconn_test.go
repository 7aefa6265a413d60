package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

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
