package natsbroker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/burrownet/burrow/internal/leak"
	"github.com/burrownet/burrow/websocket"
	"github.com/burrownet/burrow/websocket/internal/brokertest"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func TestMain(m *testing.M) { leak.Main(m) }

// natsServer starts one within this process; port -1 is a free one.
func natsServer(t *testing.T, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(brokertest.Patience) {
		t.Fatal("the server does not start")
	}
	return s
}

func connect(t *testing.T, url string, o ...nats.Option) *nats.Conn {
	t.Helper()
	o = append(o, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.NoEcho())
	nc, err := nats.Connect(url, o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		brokertest.Until(t, "the connection closes", nc.IsClosed)
	})
	return nc
}

// TestNATS: two hubs over a server that is ended, and started again.
func TestNATS(t *testing.T) {
	t.Parallel()
	s := natsServer(t, -1)
	url, port := s.ClientURL(), s.Addr().(*net.TCPAddr).Port
	a, b := &Broker{Conn: connect(t, url)}, &Broker{Conn: connect(t, url)}
	brokertest.Cluster(t, a, b, func() { s.Shutdown(); s.WaitForShutdown() }, func() { natsServer(t, port) })
}

// TestQueue: what cannot be published waits, up to a limit.
func TestQueue(t *testing.T) {
	t.Parallel()
	b := &Broker{PublishBytes: 250}
	e := &websocket.Envelope{Publication: websocket.Publication{Topic: "t", Type: websocket.MessageText, Data: make([]byte, 75)}}
	for i, want := range []error{nil, nil, websocket.ErrBacklog} {
		if err := b.Publish(context.Background(), e); err != want {
			t.Errorf("publish %d: %v, want %v", i, err, want)
		}
	}
}

// TestStuck: a server that does not read holds nobody up.
func TestStuck(t *testing.T) {
	t.Parallel()
	addr := brokertest.Stuck(t, "INFO {\"server_id\":\"x\",\"version\":\"2.10.0\",\"max_payload\":8388608,\"proto\":1}\r\nPONG\r\n")
	nc := connect(t, "nats://"+addr, nats.FlusherTimeout(500*time.Millisecond))
	h := &websocket.Hub{Broker: &Broker{Conn: nc, Logger: slog.New(slog.DiscardHandler)}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	brokertest.NeverWaits(t, h)
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(brokertest.Patience):
		t.Error("Run does not end")
	}
}

// TestClosed: Run ends when the connection was closed for good.
func TestClosed(t *testing.T) {
	t.Parallel()
	nc := connect(t, natsServer(t, -1).ClientURL())
	h := &websocket.Hub{Broker: &Broker{Conn: nc}}
	ended := make(chan error, 1)
	go func() { ended <- h.Run(context.Background()) }()
	brokertest.Until(t, "the hub subscribes", func() bool { return nc.NumSubscriptions() == 1 })
	nc.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
			t.Errorf("run: %v, want that the connection is closed", err)
		}
	case <-time.After(brokertest.Patience):
		t.Error("the hub does not notice that the connection is closed")
	}
}
