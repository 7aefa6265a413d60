package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
	"github.com/burrownet/burrow/websocket"
)

// wsPage has one function, that runs a case on a new WebSocket: it sends what it is
// told, and gives back what came and how it ended.
const wsPage = `<!doctype html><meta charset="utf-8"><title>WebSocket</title><body>
<script>
function run(url, {send = [], answers = 0, close, protocols = []}) {
  return new Promise((resolve) => {
    const ws = new WebSocket(url, protocols);
    const got = {messages: [], code: 0, reason: '', clean: false, protocol: '', extensions: ''};
    ws.binaryType = 'arraybuffer';
    ws.onopen = () => {
      got.protocol = ws.protocol;
      got.extensions = ws.extensions.split(';')[0];
      for (const m of send) ws.send(m);
      if (close && answers === 0) ws.close(...close);
    };
    ws.onmessage = (e) => {
      got.messages.push(typeof e.data === 'string' ? e.data : 'binary ' + e.data.byteLength + ' ' + new Uint8Array(e.data).reduce((a, b) => (a * 31 + b) % 65521, 0));
      if (close && got.messages.length === answers) ws.close(...close);
    };
    ws.onclose = (e) => { got.code = e.code; got.reason = e.reason; got.clean = e.wasClean; resolve(got); };
  });
}
function bytes(n) { return Uint8Array.from({length: n}, (_, i) => i % 251); }
</script>
<p id="ready">ready`

// wsGot is what the page saw of a WebSocket.
type wsGot struct {
	Messages   []string `json:"messages"`
	Code       int      `json:"code"`
	Reason     string   `json:"reason"`
	Clean      bool     `json:"clean"`
	Protocol   string   `json:"protocol"`
	Extensions string   `json:"extensions"`
}

// wsSite is the page and its WebSocket, in either style.
type wsSite struct {
	options websocket.AcceptOptions
	ended   chan error
}

func (s *wsSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/ws" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, wsPage)
		return
	}
	c, err := websocket.Accept(w, r, &s.options)
	if err != nil || s.options.Handler != nil {
		return
	}
	defer c.CloseNow()
	for {
		typ, data, err := c.Read(context.Background())
		if err != nil {
			s.ended <- err
			return
		}
		s.message(c, typ, data)
	}
}

// message echoes, but for some texts.
func (s *wsSite) message(c *websocket.Conn, typ websocket.MessageType, data []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch string(data) {
	case "close":
		c.Close(4001, "wärum")
	case "ping":
		if c.Ping(ctx) == nil {
			c.Write(ctx, websocket.MessageText, []byte("pong"))
		}
	default:
		c.Write(ctx, typ, data)
	}
}

// startSite serves the page, and returns its host and port.
func startSite(t *testing.T, driver engine.Driver, event bool, deflate *websocket.Deflate) (addr string, ended <-chan error) {
	t.Helper()
	s := &wsSite{ended: make(chan error, 16)}
	s.options = websocket.AcceptOptions{Deflate: deflate, Subprotocols: []string{"chat"}, MaxBacklogBytes: 4 << 20}
	if event {
		s.options.Handler = &websocket.Funcs{OnMessage: s.message, OnClose: func(_ *websocket.Conn, err error) { s.ended <- err }}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &httpd.Server{Handler: s, Engine: &engine.Engine{Driver: driver}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	return ln.Addr().String(), s.ended
}

// needs skips a test whose driver this system refuses: the ring, in containers.
func needs(t *testing.T, driver engine.Driver) {
	t.Helper()
	if err := driver.Available(); err != nil {
		t.Skipf("this system refuses the %v driver: %v", driver, err)
	}
}

// wsRun runs a case of the page: options is a JavaScript object.
func (t tab) wsRun(addr, options string) wsGot {
	t.Helper()
	return ask(t, chromedp.Evaluate[wsGot](fmt.Sprintf(`run("ws://%s/ws", %s)`, addr, options), chromedp.EvalAwaitPromise))
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	ctx := openBrowser(t)
	for _, driver := range engine.Drivers() {
		for _, event := range []bool{false, true} {
			for name, deflate := range map[string]*websocket.Deflate{
				"none": nil, "takeover": {ContextTakeover: true, MinBytes: -1}, "no-takeover": {MinBytes: -1},
			} {
				t.Run(fmt.Sprintf("%v,event=%v,%s", driver, event, name), func(t *testing.T) {
					needs(t, driver)
					addr, ended := startSite(t, driver, event, deflate)
					page := tab{t, ctx}
					page.do(chromedp.Navigate("http://" + addr + "/"))
					page.visible("#ready")
					testWSMessages(page, addr, deflate != nil)
					testWSEnds(page, addr, ended)
				})
			}
		}
	}
}

// checksum is what the page computes of n bytes.
func checksum(n int) string {
	sum := 0
	for i := range n {
		sum = (sum*31 + i%251) % 65521
	}
	return fmt.Sprintf("binary %d %d", n, sum)
}

func testWSMessages(t tab, addr string, compressed bool) {
	got := t.wsRun(addr, `{protocols: ['other', 'chat'], answers: 6, close: [1000],
		send: ['', 'grüße', 'x'.repeat(1 << 20), bytes(1 << 20), bytes(0), 'ping']}`)
	want := []string{"", "grüße", strings.Repeat("x", 1<<20), checksum(1 << 20), checksum(0), "pong"}
	slices.Sort(got.Messages) // the answer to the ping may come early: the page sends without waiting
	slices.Sort(want)
	if !slices.Equal(got.Messages, want) {
		t.Errorf("messages: got %.60q, want %.60q", got.Messages, want)
	}
	extension := ""
	if compressed {
		extension = "permessage-deflate"
	}
	if got.Protocol != "chat" || got.Extensions != extension {
		t.Errorf("got sub-protocol %q and extension %q, want chat and %q", got.Protocol, got.Extensions, extension)
	}
}

func testWSEnds(t tab, addr string, ended <-chan error) {
	t.Helper()
	tests := []struct {
		options     string
		code        int
		reason      string
		clean       bool
		server      websocket.StatusCode // what the server saw
		serverWords string
	}{
		{`{close: [4002, 'tschüß']}`, 4002, "", true, 4002, "tschüß"},
		{`{close: []}`, 1005, "", true, websocket.StatusNoStatus, ""},
		{`{send: ['close']}`, 4001, "wärum", true, 4001, "wärum"},
		{`{send: [bytes((1 << 20) + 1)]}`, 1009, "", true, websocket.StatusMessageTooBig, ""},
	}
	<-ended // that of the messages
	for _, tt := range tests {
		got := t.wsRun(addr, tt.options)
		if got.Code != tt.code || got.Clean != tt.clean || got.Reason != tt.reason {
			t.Errorf("%s: the page saw %d %q, clean %t, want %d %q, clean %t", tt.options, got.Code, got.Reason, got.Clean, tt.code, tt.reason, tt.clean)
		}
		select {
		case err := <-ended:
			words := ""
			if e, ok := errors.AsType[*websocket.CloseError](err); ok {
				words = e.Reason
			}
			if got := websocket.CloseStatus(err); got != tt.server || words != tt.serverWords {
				t.Errorf("%s: the server saw %v, want %d %q", tt.options, err, tt.server, tt.serverWords)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the server saw no end", tt.options)
		}
	}
}

// TestWebSocketOrigin: a page of another site is refused, unless it is allowed.
func TestWebSocketOrigin(t *testing.T) {
	t.Parallel()
	ctx := openBrowser(t)
	mine, _ := startSite(t, engine.DriverAuto, false, nil)
	other, _ := startSite(t, engine.DriverAuto, false, nil)
	page := tab{t, ctx}
	page.do(chromedp.Navigate("http://" + other + "/"))
	page.visible("#ready")
	if got := page.wsRun(mine, `{answers: 1, send: ['hello'], close: [1000]}`); got.Code != 1006 || len(got.Messages) > 0 {
		t.Errorf("from another site: the page saw %+v, want 1006 and nothing", got)
	}
	if got := page.wsRun(other, `{answers: 1, send: ['hello'], close: [1000]}`); !slices.Equal(got.Messages, []string{"hello"}) {
		t.Errorf("from the same site: the page saw %+v, want hello", got)
	}
}
