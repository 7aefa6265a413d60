package memnet

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"
)

// Listener accepts connections that Dial makes. It is a [net.Listener], safe for concurrent use.
type Listener struct {
	opts    *Options
	addr    Addr
	pending chan *Conn
	closed  chan struct{}
	once    sync.Once
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a listener with a name of its own. Options hold for each of its connections; nil means the defaults.
func Listen(o *Options) *Listener {
	return &Listener{
		opts: o, addr: numbered("listener-", serial.Add(1)),
		pending: make(chan *Conn), closed: make(chan struct{}),
	}
}

// Dial connects. It returns after the connection was accepted and, with a delay, a round trip.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	client, server := pipe(l.opts, numbered("client-", serial.Add(1)), l.addr)
	if d := l.opts.orDefault().Delay; d > 0 {
		trip := time.NewTimer(2 * d)
		defer trip.Stop()
		select {
		case <-trip.C:
		case <-ctx.Done():
			return nil, l.fail("dial", ctx.Err())
		case <-l.closed:
			return nil, l.fail("dial", net.ErrClosed)
		}
	}
	select {
	case l.pending <- server:
		return client, nil
	case <-ctx.Done():
		return nil, l.fail("dial", ctx.Err())
	case <-l.closed:
		return nil, l.fail("dial", net.ErrClosed)
	}
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed: // first, so that a closed listener accepts nothing more
		return nil, l.fail("accept", net.ErrClosed)
	default:
	}
	select {
	case c := <-l.pending:
		return c, nil
	case <-l.closed:
		return nil, l.fail("accept", net.ErrClosed)
	}
}

// Close ends Accept and Dial. Connections that were accepted live on.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the name of the listener.
func (l *Listener) Addr() net.Addr { return l.addr }

func (l *Listener) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "mem", Addr: l.addr, Err: err}
}

func numbered(kind string, n uint64) Addr { return Addr(kind + strconv.FormatUint(n, 10)) }
