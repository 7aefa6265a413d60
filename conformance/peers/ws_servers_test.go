package peers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/websocket"
)

// startWSPeer starts a server of testdata, which says on which port, and then how
// connections have ended.
func startWSPeer(t *testing.T, script, mode string) (addr string, closed <-chan string) {
	t.Helper()
	cmd := wsPeer(t, script, mode)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	start(t, cmd)
	w.Close()
	lines := make(chan string, 16)
	go func() {
		defer r.Close()
		defer close(lines)
		for talk := bufio.NewScanner(r); talk.Scan(); {
			lines <- talk.Text()
		}
	}()
	select {
	case line := <-lines:
		port, ok := strings.CutPrefix(line, "port ")
		if !ok {
			t.Fatalf("%s said %q, not its port", script, line)
		}
		return "127.0.0.1:" + port, lines
	case <-time.After(20 * time.Second):
		t.Fatalf("%s told no port", script)
	}
	return "", nil
}

// wsClient is our client: in blocking style, or in event style with a queue of what
// its callbacks got.
type wsClient struct {
	*websocket.Conn
	queue chan wsMessage // nil: blocking style
}

type wsMessage struct {
	typ  websocket.MessageType
	data []byte
	err  error
}

// dialWS connects.
func dialWS(t *testing.T, addr string, event bool, deflate *websocket.Deflate) *wsClient {
	t.Helper()
	c := &wsClient{}
	o := &websocket.DialOptions{Subprotocols: []string{"other", "chat"}, Deflate: deflate, MaxMessageBytes: wsLimit, MaxBacklogBytes: 2 * wsLimit}
	if event {
		c.queue = make(chan wsMessage, 16)
		o.Handler = &websocket.Funcs{
			OnMessage: func(_ *websocket.Conn, typ websocket.MessageType, data []byte) {
				c.queue <- wsMessage{typ, bytes.Clone(data), nil}
			},
			OnClose: func(_ *websocket.Conn, err error) { c.queue <- wsMessage{err: err} },
		}
	}
	conn, err := websocket.Dial(t.Context(), "ws://"+addr+"/", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	c.Conn = conn
	return c
}

// send sends one message.
func (c *wsClient) send(t *testing.T, typ websocket.MessageType, data []byte) {
	t.Helper()
	if err := c.Write(t.Context(), typ, data); err != nil {
		t.Fatal(err)
	}
}

// next is the next message, or the end.
func (c *wsClient) next(t *testing.T) wsMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if c.queue == nil {
		typ, data, err := c.Read(ctx)
		return wsMessage{typ, data, err}
	}
	select {
	case m := <-c.queue:
		return m
	case <-ctx.Done():
		return wsMessage{err: ctx.Err()}
	}
}

// wantNext checks the next message.
func (c *wsClient) wantNext(t *testing.T, typ websocket.MessageType, want []byte) {
	t.Helper()
	if got := c.next(t); got.err != nil || got.typ != typ || !bytes.Equal(got.data, want) {
		t.Fatalf("got %v %.80q of %d bytes, error %v, want %v %.80q of %d", got.typ, got.data, len(got.data), got.err, typ, want, len(want))
	}
}

// echo is that messages of all sizes come back.
func (c *wsClient) echo(t *testing.T) {
	t.Helper()
	for round := range 3 {
		for _, n := range []int{0, 1, 125, 126, 65535, 65536, len(content)} {
			data := rotated(content, 1000*round)[:n]
			for _, typ := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
				c.send(t, typ, data)
				c.wantNext(t, typ, data)
			}
		}
	}
}

// rotated is b, begun at n.
func rotated(b []byte, n int) []byte { return append(bytes.Clone(b[n:]), b[:n]...) }

// wsTalk is what our client does with a server, all but the ends.
func wsTalk(t *testing.T, c *wsClient, compressed bool) {
	t.Helper()
	wantText(t, "sub-protocol", c.Subprotocol(), "chat")
	if got := c.Compressed(); got != compressed {
		t.Errorf("compressed: got %t, want %t", got, compressed)
	}
	c.echo(t)
	c.send(t, websocket.MessageText, []byte("ping me"))
	c.wantNext(t, websocket.MessageText, []byte("pong"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	w, err := c.Writer(ctx, websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(content[:100_000], 33_333) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c.wantNext(t, websocket.MessageText, content[:100_000])
}

// wsEnds has each side close, and checks what both saw.
func wsEnds(t *testing.T, dial func() *wsClient, closed <-chan string) {
	t.Helper()
	c := dial()
	c.send(t, websocket.MessageText, []byte("close 4001 why"))
	wantText(t, "closed by the server", wsEnd(c.next(t).err), "closed 4001 why")
	wantClosed(t, closed, "closed 4001") // our answer to a close frame has no reason

	c = dial()
	if err := c.Close(4002, "bye"); err != nil {
		t.Errorf("close: %v", err)
	}
	wantClosed(t, closed, "closed 4002 bye")

	c = dial()
	c.Write(t.Context(), websocket.MessageBinary, make([]byte, wsLimit+1)) // the server may close meanwhile
	if got := wsEnd(c.next(t).err); !strings.HasPrefix(got, "closed 1009") {
		t.Errorf("a message that is too big: got %q, want 1009", got)
	}
	<-closed

	c = dial()
	c.CloseNow()
	wantClosed(t, closed, "closed 1006")
}

// TestWSServers has our client talk to npm's ws and Python's websockets.
func TestWSServers(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"ws_server.cjs", "ws_server.py"} {
		for _, mode := range wsModes {
			for _, event := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s,%s,event=%v", script, mode.name, event), func(t *testing.T) {
					t.Parallel()
					addr, closed := startWSPeer(t, script, mode.name)
					dial := func() *wsClient { return dialWS(t, addr, event, mode.deflate) }
					c := dial()
					wsTalk(t, c, mode.deflate != nil)
					c.send(t, websocket.MessageText, []byte("fragments"))
					c.wantNext(t, websocket.MessageText, []byte("frägments"))
					c.Close(websocket.StatusNormal, "")
					wantClosed(t, closed, "closed 1000")
					wsEnds(t, dial, closed)
				})
			}
		}
	}
}
