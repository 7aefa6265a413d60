package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/internal/leak"
	"github.com/burrownet/burrow/websocket"
)

func TestMain(m *testing.M) { leak.Main(m) }

// guest is a page, without the page.
type guest struct {
	t *testing.T
	c *websocket.Conn
}

// open serves a chat for the time of a test; the result connects to it.
func open(t *testing.T, s *site) (connect func() guest, url string) {
	t.Helper()
	h, err := handler(s)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return func() guest {
		c, err := websocket.Dial(bounded(t), "ws"+strings.TrimPrefix(srv.URL, "http")+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		return guest{t, c}
	}, srv.URL
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (g guest) ask(r request) {
	g.t.Helper()
	data, _ := json.Marshal(r)
	if err := g.c.Write(bounded(g.t), websocket.MessageText, data); err != nil {
		g.t.Fatal(err)
	}
}

// want reads an event, and compares all but its number and time.
func (g guest) want(want event) event {
	g.t.Helper()
	_, data, err := g.c.Read(bounded(g.t))
	if err != nil {
		g.t.Fatalf("%v, want %+v", err, want)
	}
	var got event
	if err := json.Unmarshal(data, &got); err != nil {
		g.t.Fatal(err)
	}
	if words(got) != words(want) {
		g.t.Errorf("got %s, want %s", words(got), words(want))
	}
	return got
}

func words(e event) string {
	text := fmt.Sprintf("%s %s %q %s %v", e.Type, e.Name, e.Text, e.Room, e.People)
	for _, old := range e.History {
		text += fmt.Sprintf(" [%s: %s]", old.Name, old.Text)
	}
	return text
}

func TestRooms(t *testing.T) {
	t.Parallel()
	connect, _ := open(t, &site{history: 2})
	ann, bob, eve := connect(), connect(), connect()
	ann.ask(request{Type: "join", Room: " Tea Room! ", Name: "Ann"})
	ann.want(event{Type: "welcome", Room: "tea-room", Name: "Ann", People: []string{"Ann"}})
	eve.ask(request{Type: "join", Name: " \n"})
	eve.want(event{Type: "welcome", Room: "lobby", Name: "Guest", People: []string{"Guest"}})
	for _, text := range []string{"one", " two\x00 ", "\t", "<b>three</b>"} {
		ann.ask(request{Type: "say", Text: text})
	}
	ann.want(event{Type: "said", Name: "Ann", Text: "one"})
	ann.want(event{Type: "said", Name: "Ann", Text: "two"})
	before := ann.want(event{Type: "said", Name: "Ann", Text: "<b>three</b>"})
	bob.ask(request{Type: "join", Room: "tea-room", Name: "Ann"})
	got := bob.want(event{Type: "welcome", Room: "tea-room", Name: "Ann 2", People: []string{"Ann", "Ann 2"}, History: []event{
		{Name: "Ann", Text: "two"}, {Name: "Ann", Text: "<b>three</b>"},
	}})
	came := ann.want(event{Type: "came", Name: "Ann 2"})
	if came.N != before.N+1 || got.N != came.N {
		t.Errorf("numbers %d, %d and %d in the welcome: want no gap", before.N, came.N, got.N)
	}
	bob.ask(request{Type: "join", Room: "lobby", Name: "Bob"})
	ann.want(event{Type: "left", Name: "Ann 2"})
	bob.want(event{Type: "welcome", Room: "lobby", Name: "Bob", People: []string{"Bob", "Guest"}})
	eve.want(event{Type: "came", Name: "Bob"})
	bob.c.Close(websocket.StatusGoingAway, "")
	eve.want(event{Type: "left", Name: "Bob"})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	connect, url := open(t, &site{})
	g := connect()
	g.ask(request{Type: "say", Text: "hello?"})
	g.want(event{Type: "error", Text: "Enter a room first."})
	g.ask(request{Type: "sing"})
	g.want(event{Type: "error", Text: "There is no request sing."})
	g.ask(request{Type: "join", Name: strings.Repeat("ä", 100), Room: strings.Repeat("b", 100)})
	long := strings.Repeat("ä", maxName)
	g.want(event{Type: "welcome", Name: long, Room: strings.Repeat("b", maxRoom), People: []string{long}})
	g.ask(request{Type: "say", Text: strings.Repeat("x", maxText+1)})
	g.want(event{Type: "error", Text: "A message has at most 2000 characters."})

	for range burst + maxRefuse + 2 {
		data, _ := json.Marshal(request{Type: "say", Text: "flood"})
		if g.c.Write(bounded(t), websocket.MessageText, data) != nil {
			break
		}
	}
	refused := 0
	for {
		_, data, err := g.c.Read(bounded(t))
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
				t.Errorf("the flood ends with %v, want 1008", err)
			}
			break
		}
		if strings.Contains(string(data), "Not so fast") {
			refused++
		}
	}
	if refused < maxRefuse/2 {
		t.Errorf("%d messages were refused, want about %d", refused, maxRefuse)
	}
	for want, write := range map[websocket.StatusCode]func(c *websocket.Conn) error{
		websocket.StatusUnsupportedData: func(c *websocket.Conn) error { return c.Write(bounded(t), websocket.MessageText, []byte("{")) },
		websocket.StatusMessageTooBig: func(c *websocket.Conn) error {
			return c.Write(bounded(t), websocket.MessageText, make([]byte, maxMessage+1))
		},
	} {
		g := connect()
		write(g.c)
		if _, _, err := g.c.Read(bounded(t)); websocket.CloseStatus(err) != want {
			t.Errorf("the connection ends with %v, want %d", err, want)
		}
	}
	_, err := websocket.Dial(bounded(t), "ws"+strings.TrimPrefix(url, "http")+"/ws", &websocket.DialOptions{Header: http.Header{"Origin": {"https://evil.example"}}})
	if e, ok := errors.AsType[*websocket.ResponseError](err); !ok || e.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another site: %v, want 403", err)
	}
}

// TestEvict: with too many rooms the one goes that was empty for longest.
func TestEvict(t *testing.T) {
	t.Parallel()
	s := &site{rooms: map[string]*room{}}
	now := time.Now()
	for i := range 3 {
		s.rooms[fmt.Sprint(i)] = &room{s: s, name: fmt.Sprint(i), left: now.Add(-time.Duration(i) * time.Hour)}
	}
	s.rooms["2"].people = map[string]*visitor{"Ann": {}}
	for _, gone := range []string{"1", "0"} {
		if !s.evict() || s.rooms[gone] != nil {
			t.Errorf("room %s is still there", gone)
		}
	}
	if s.evict() || len(s.rooms) != 1 {
		t.Error("a room with people in it is gone")
	}
}

// TestWelcomeArrives: a page that has missed something gets its welcome, however much
// is said before it reads.
func TestWelcomeArrives(t *testing.T) {
	s := &site{history: 5}
	s.hub.BudgetBytes = 8 << 10
	connect, _ := open(t, s)
	g := connect()
	g.ask(request{Type: "join", Room: "lobby", Name: "Slow"})
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("timeout: %s", what)
			}
		}
	}
	var r *room
	until("the room", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		r = s.rooms["lobby"]
		return r != nil
	})
	flood := func() {
		sent, same := uint64(0), 0
		until("nothing is sent any more", func() bool {
			for range 50 {
				r.say("crowd", strings.Repeat("<", 1900))
			}
			if now := s.hub.Stats().Sent; now != sent {
				sent, same = now, 0
			}
			same++
			return same > 50
		})
	}
	number := func() int64 {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.n
	}
	flood()
	before := number()
	g.ask(request{Type: "join", Room: "lobby", Name: "Slow"})
	until("the page has left and come", func() bool { return number() == before+2 })
	flood()
	for welcomes := 0; welcomes < 2; {
		_, data, err := g.c.Read(bounded(t))
		if err != nil {
			t.Fatalf("%v after %d welcomes, want 2", err, welcomes)
		}
		if strings.HasPrefix(string(data), `{"type":"welcome"`) {
			welcomes++
		}
	}
}

// TestHistoryBytes: what a room remembers is bounded in bytes as well.
func TestHistoryBytes(t *testing.T) {
	s := &site{history: 1000}
	r := &room{s: s, name: "lobby"}
	for range 100 {
		r.say("Ann", strings.Repeat("x", 1000))
	}
	if n := len(r.history); n != maxHistory/1000 || r.size != n*1000 {
		t.Errorf("%d messages, %d bytes", n, r.size)
	}
}
