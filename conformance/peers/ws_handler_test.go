package peers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
	"github.com/burrownet/burrow/websocket"
)

// wsLimit is the largest message that a server of these tests takes, in bytes.
const wsLimit = 2 << 20

// Every server of these tests, ours and those of the peers, echoes, but for the texts
//
//	close CODE REASON   closes with them
//	ping me             sends a ping, and the text pong when it was answered
//	fragments           (peers only) sends a text in several frames
//
// takes the sub-protocol chat, and reports how each connection has ended.

// wsModes are what the peers are told about permessage-deflate, and what ours does
// then.
var wsModes = []struct {
	name    string
	deflate *websocket.Deflate
}{
	{"none", nil},
	{"takeover", &websocket.Deflate{ContextTakeover: true, MinBytes: -1}},
	{"no-takeover", &websocket.Deflate{MinBytes: -1}},
}

// wsServer serves WebSockets, and reports the ends of connections to closed.
type wsServer struct {
	options websocket.AcceptOptions
	closed  chan string
}

// ServeHTTP accepts in blocking style, or in event style where options.Handler is
// there.
func (s *wsServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &s.options)
	if err != nil || s.options.Handler != nil {
		return
	}
	defer c.CloseNow()
	for {
		typ, data, err := c.Read(context.Background())
		if err != nil {
			s.close(c, err)
			return
		}
		s.message(c, typ, data)
	}
}

func (s *wsServer) message(c *websocket.Conn, typ websocket.MessageType, data []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var code websocket.StatusCode
	var reason string
	if typ == websocket.MessageText && len(data) < 200 {
		fmt.Sscanf(string(data), "close %d %s", &code, &reason)
	}
	switch {
	case code != 0:
		c.Close(code, reason)
	case string(data) == "ping me":
		if c.Ping(ctx) == nil {
			c.Write(ctx, websocket.MessageText, []byte("pong"))
		}
	default:
		c.Write(ctx, typ, data)
	}
}

func (s *wsServer) close(_ *websocket.Conn, err error) { s.closed <- wsEnd(err) }

// wsEnd is how a connection has ended, as the peers write it.
func wsEnd(err error) string {
	reason := ""
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		reason = e.Reason
	}
	return strings.TrimSpace(fmt.Sprintf("closed %d %s", websocket.CloseStatus(err), reason))
}

// startWS starts a server on a driver and returns its address.
func startWS(t *testing.T, driver engine.Driver, event bool, deflate *websocket.Deflate) (addr string, closed <-chan string) {
	t.Helper()
	s := &wsServer{closed: make(chan string, 16)}
	s.options = websocket.AcceptOptions{Subprotocols: []string{"chat"}, MaxMessageBytes: wsLimit, MaxBacklogBytes: 2 * wsLimit, Deflate: deflate}
	if event {
		s.options.Handler = &websocket.Funcs{OnMessage: s.message, OnClose: s.close}
	}
	srv := &httpd.Server{Handler: s, Engine: &engine.Engine{Driver: driver, MaxBacklog: 4 * wsLimit}}
	ln := listen(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	return ln.Addr().String(), s.closed
}

// needs skips a test whose driver this system refuses: the ring, in containers.
func needs(t *testing.T, driver engine.Driver) {
	t.Helper()
	if err := driver.Available(); err != nil {
		t.Skipf("this system refuses the %v driver: %v", driver, err)
	}
}

// eachWS runs a test against our server on every driver, in both styles and with
// every compression.
func eachWS(t *testing.T, test func(t *testing.T, addr, mode string, closed <-chan string)) {
	t.Helper()
	for _, driver := range engine.Drivers() {
		for _, event := range []bool{false, true} {
			for _, mode := range wsModes {
				t.Run(fmt.Sprintf("%v,event=%v,%s", driver, event, mode.name), func(t *testing.T) {
					t.Parallel()
					needs(t, driver)
					addr, closed := startWS(t, driver, event, mode.deflate)
					test(t, addr, mode.name, closed)
				})
			}
		}
	}
}
