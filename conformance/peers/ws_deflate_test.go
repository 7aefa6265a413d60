package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/lxzan/gws"

	"github.com/burrownet/burrow/websocket"
)

// Messages of every kind go through permessage-deflate of ours at one end and of another library at the other, and come
// back: whole or in random frames, over connections that deliver what is written in random pieces.

const (
	deflateMessages = 200
	deflateLargest  = 70_000 // bytes: twice the window and more
)

// deflatePeer is a client of some library, connected.
type deflatePeer interface {
	send(ctx context.Context, text bool, parts [][]byte) error
	receive(ctx context.Context) (text bool, data []byte, err error)
	close()
}

// wire dials connections that write in random pieces, and counts what they write.
type wire struct {
	seed uint64
	sent atomic.Int64 // bytes
}

// pieces is such a connection.
type pieces struct {
	net.Conn
	r *rand.Rand
	w *wire
}

func (p *pieces) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		size := min(len(b)-n, 1+p.r.IntN(1<<p.r.IntN(17)))
		var m int
		m, err = p.Conn.Write(b[n : n+size])
		n += m
	}
	p.w.sent.Add(int64(n))
	return n, err
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	return &pieces{nc, rand.New(rand.NewPCG(w.seed, 2)), w}, err
}

// Our client.
type ourDeflate struct{ c *websocket.Conn }

func dialOurDeflate(ctx context.Context, addr string, takeover bool, w *wire) (deflatePeer, error) {
	c, err := websocket.Dial(ctx, "ws://"+addr+"/", &websocket.DialOptions{
		Deflate: &websocket.Deflate{ContextTakeover: takeover, MinBytes: -1}, Dial: w.dial,
	})
	return ourDeflate{c}, err
}

func (p ourDeflate) send(ctx context.Context, text bool, parts [][]byte) error {
	typ := websocket.MessageBinary
	if text {
		typ = websocket.MessageText
	}
	if len(parts) == 1 {
		return p.c.Write(ctx, typ, parts[0])
	}
	w, err := p.c.Writer(ctx, typ)
	if err != nil {
		return err
	}
	return writeParts(w, parts)
}

func (p ourDeflate) receive(ctx context.Context) (bool, []byte, error) {
	typ, data, err := p.c.Read(ctx)
	return typ == websocket.MessageText, data, err
}

func (p ourDeflate) close() { p.c.CloseNow() }

// ourLeaver is ours as one who reads what comes in pieces: the server sends each message
// twice, of the first a Reader leaves some, and a Ping may read further meanwhile (not with
// gws, whose own handler answers pings without their payload: RFC 6455 5.5.3).
type ourLeaver struct {
	ourDeflate
	r    *rand.Rand
	sent chan error // of the messages in progress
	ping bool
}

func dialOurLeaver(ctx context.Context, addr string, takeover bool, w *wire) (deflatePeer, error) {
	p, err := dialOurDeflate(ctx, addr, takeover, w)
	if err != nil {
		return nil, err
	}
	return ourLeaver{p.(ourDeflate), rand.New(rand.NewPCG(w.seed, 2)), make(chan error, 1), true}, nil
}

func dialOurQuietLeaver(ctx context.Context, addr string, takeover bool, w *wire) (deflatePeer, error) {
	p, err := dialOurLeaver(ctx, addr, takeover, w)
	if err != nil {
		return nil, err
	}
	quiet := p.(ourLeaver)
	quiet.ping = false
	return quiet, nil
}

func (p ourLeaver) send(ctx context.Context, text bool, parts [][]byte) error {
	go func() { // the server may have to be read from meanwhile
		p.sent <- errors.Join(p.ourDeflate.send(ctx, text, parts), p.ourDeflate.send(ctx, text, parts))
	}()
	return nil
}

func (p ourLeaver) receive(ctx context.Context) (bool, []byte, error) {
	_, r, err := p.c.Reader(ctx)
	if err != nil {
		return false, nil, err
	}
	if _, err := io.CopyN(io.Discard, r, int64(p.r.IntN(2000))); err != nil && err != io.EOF {
		return false, nil, err
	}
	if p.ping && p.r.IntN(2) == 0 {
		if err := p.c.Ping(ctx); err != nil {
			return false, nil, err
		}
	}
	text, data, err := p.ourDeflate.receive(ctx)
	return text, data, errors.Join(err, <-p.sent)
}

// The client of coder/websocket.
type coderDeflate struct{ c *coder.Conn }

func coderMode(takeover bool) coder.CompressionMode {
	if takeover {
		return coder.CompressionContextTakeover
	}
	return coder.CompressionNoContextTakeover
}

func dialCoder(ctx context.Context, addr string, takeover bool, w *wire) (deflatePeer, error) {
	c, _, err := coder.Dial(ctx, "ws://"+addr+"/", &coder.DialOptions{
		CompressionMode: coderMode(takeover), CompressionThreshold: 1,
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: w.dial}},
	})
	if err == nil {
		c.SetReadLimit(-1)
	}
	return coderDeflate{c}, err
}

func (p coderDeflate) send(ctx context.Context, text bool, parts [][]byte) error {
	typ := coder.MessageBinary
	if text {
		typ = coder.MessageText
	}
	w, err := p.c.Writer(ctx, typ)
	if err != nil {
		return err
	}
	return writeParts(w, parts)
}

func (p coderDeflate) receive(ctx context.Context) (bool, []byte, error) {
	typ, data, err := p.c.Read(ctx)
	return typ == coder.MessageText, data, err
}

func (p coderDeflate) close() { p.c.CloseNow() }

// The client of gws, which sends messages whole.
type gwsDeflate struct {
	gws.BuiltinEventHandler
	c    *gws.Conn
	got  chan *gws.Message
	ends chan error
}

func gwsMode(takeover bool) gws.PermessageDeflate {
	return gws.PermessageDeflate{Enabled: true, ServerContextTakeover: takeover, ClientContextTakeover: takeover, Threshold: 1}
}

func dialGws(ctx context.Context, addr string, takeover bool, w *wire) (deflatePeer, error) {
	nc, err := w.dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	p := &gwsDeflate{got: make(chan *gws.Message, 16), ends: make(chan error, 1)}
	p.c, _, err = gws.NewClientFromConn(p, &gws.ClientOption{Addr: "ws://" + addr + "/", PermessageDeflate: gwsMode(takeover)}, nc)
	if err == nil {
		go p.c.ReadLoop()
	}
	return p, err
}

func (p *gwsDeflate) OnMessage(_ *gws.Conn, m *gws.Message) { p.got <- m }
func (p *gwsDeflate) OnClose(_ *gws.Conn, err error)        { p.ends <- err }

func (p *gwsDeflate) send(_ context.Context, text bool, parts [][]byte) error {
	op := gws.OpcodeBinary
	if text {
		op = gws.OpcodeText
	}
	return p.c.WriteMessage(op, bytes.Join(parts, nil))
}

func (p *gwsDeflate) receive(ctx context.Context) (bool, []byte, error) {
	select {
	case m := <-p.got:
		return m.Opcode == gws.OpcodeText, m.Bytes(), nil
	case err := <-p.ends:
		return false, nil, err
	case <-ctx.Done():
		return false, nil, ctx.Err()
	}
}

func (p *gwsDeflate) close() { p.c.NetConn().Close() }

// The servers, which echo.
func coderEcho(takeover bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: coderMode(takeover), CompressionThreshold: 1})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for {
			typ, data, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), typ, data) != nil {
				return
			}
		}
	}
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.WriteMessage(m.Opcode, m.Bytes())
}

func gwsServer(takeover bool) http.HandlerFunc {
	up := gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{PermessageDeflate: gwsMode(takeover)})
	return func(w http.ResponseWriter, r *http.Request) {
		if c, err := up.Upgrade(w, r); err == nil {
			c.ReadLoop()
		}
	}
}

func ourEcho(takeover bool) http.HandlerFunc {
	o := &websocket.AcceptOptions{Deflate: &websocket.Deflate{ContextTakeover: takeover, MinBytes: -1}}
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			typ, data, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), typ, data) != nil {
				return
			}
		}
	}
}

func TestWSDeflateAgainst(t *testing.T) {
	t.Parallel()
	type dial func(ctx context.Context, addr string, takeover bool, w *wire) (deflatePeer, error)
	for _, pair := range []struct {
		name   string
		server func(takeover bool) http.HandlerFunc
		dial   dial
	}{
		{"coder to ours", ourEcho, dialCoder},
		{"gws to ours", ourEcho, dialGws},
		{"ours to coder", coderEcho, dialOurDeflate},
		{"ours to gws", gwsServer, dialOurDeflate},
		{"ours to coder, left", coderEcho, dialOurLeaver},
		{"ours to gws, left", gwsServer, dialOurQuietLeaver},
	} {
		for _, takeover := range []bool{false, true} {
			for seed := range uint64(3) {
				t.Run(fmt.Sprintf("%s,takeover=%v,%d", pair.name, takeover, seed), func(t *testing.T) {
					t.Parallel()
					srv := httptest.NewServer(pair.server(takeover))
					defer srv.Close()
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					w := &wire{seed: seed}
					p, err := pair.dial(ctx, srv.Listener.Addr().String(), takeover, w)
					if err != nil {
						t.Fatal(err)
					}
					defer p.close()
					total := exchangeDeflate(ctx, t, p, rand.New(rand.NewPCG(seed, 1)))
					if _, twice := p.(ourLeaver); twice {
						total *= 2
					}
					if sent := w.sent.Load(); sent > total/2 {
						t.Errorf("%d bytes of messages were %d on the wire: they were not compressed", total, sent)
					}
				})
			}
		}
	}
}

// exchangeDeflate sends messages and wants each back; it returns how many bytes they were.
func exchangeDeflate(ctx context.Context, t *testing.T, p deflatePeer, r *rand.Rand) (total int64) {
	t.Helper()
	for i := range deflateMessages {
		text := r.IntN(2) == 0
		data := deflateMessage(r, text)
		parts := splitAnyhow(r, data)
		if err := p.send(ctx, text, parts); err != nil {
			t.Fatalf("message %d of %d bytes: send: %v", i, len(data), err)
		}
		gotText, got, err := p.receive(ctx)
		if err != nil {
			t.Fatalf("message %d of %d bytes: receive: %v", i, len(data), err)
		}
		if gotText != text || !bytes.Equal(got, data) {
			t.Fatalf("message %d: %d bytes (text: %v) came back as %d other ones (text: %v)", i, len(data), text, len(got), gotText)
		}
		total += int64(len(data))
	}
	return total
}

// splitAnyhow is data in one piece, or in up to seven.
func splitAnyhow(r *rand.Rand, data []byte) (parts [][]byte) {
	for cuts := r.IntN(2) * r.IntN(7); cuts > 0; cuts-- {
		n := r.IntN(len(data) + 1)
		parts, data = append(parts, data[:n]), data[n:]
	}
	return append(parts, data)
}

// deflateMessage is a message of some size and kind: nothing, the same again and again, text, or noise.
func deflateMessage(r *rand.Rand, text bool) []byte {
	b := make([]byte, r.IntN(1+r.IntN(deflateLargest)))
	switch kind := r.IntN(3); {
	case kind == 0:
		for i := range b {
			b[i] = 'a' + byte(i/1000%26)
		}
	case kind == 1 || text:
		words := []string{`{"id":`, `"burrow"`, ",", "true", "0123456789", "\u00e4\u00f6\u00fc", "}\n"}
		n := 0
		for n < len(b) {
			w := words[r.IntN(len(words))]
			if n+len(w) > len(b) {
				w = "............"[:min(12, len(b)-n)]
			}
			n += copy(b[n:], w)
		}
	default:
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	}
	return b
}

func writeParts(w io.WriteCloser, parts [][]byte) error {
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Close()
}
