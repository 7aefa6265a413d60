package redisbroker

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/burrownet/burrow/internal/leak"
	"github.com/burrownet/burrow/websocket"
	"github.com/burrownet/burrow/websocket/internal/brokertest"
	"github.com/redis/go-redis/v9"
)

func TestMain(m *testing.M) { leak.Main(m) }

// freePort is one that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// redisServer starts a real one on a port, and returns how to kill it.
func redisServer(t *testing.T, port string) (kill func()) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed: make peers")
		}
		t.Skip("redis-server is not installed")
	}
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dead := false
	kill = func() {
		if !dead {
			dead = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(kill)
	brokertest.Until(t, "redis-server listens", func() bool {
		nc, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	return kill
}

// TestRedis: two hubs over a server that is killed, and started again.
func TestRedis(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	kill := redisServer(t, port)
	broker := func() *Broker {
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
		t.Cleanup(func() { client.Close() })
		return &Broker{Client: client, Logger: slog.New(slog.DiscardHandler)}
	}
	brokertest.Cluster(t, broker(), broker(), kill, func() { redisServer(t, port) })
}

// TestQueue: what cannot be published waits, up to a limit.
func TestQueue(t *testing.T) {
	t.Parallel()
	b := &Broker{QueueBytes: 250}
	e := &websocket.Envelope{Publication: websocket.Publication{Topic: "t", Type: websocket.MessageText, Data: make([]byte, 75)}}
	for i, want := range []error{nil, nil, websocket.ErrBacklog} {
		if err := b.Publish(context.Background(), e); err != want {
			t.Errorf("publish %d: %v, want %v", i, err, want)
		}
	}
}

// TestStuck: a server that accepts and says nothing holds nobody up.
func TestStuck(t *testing.T) {
	t.Parallel()
	ln := brokertest.Stuck(t, "")
	client := redis.NewClient(&redis.Options{Addr: ln, ContextTimeoutEnabled: true})
	defer client.Close()
	h := &websocket.Hub{Broker: &Broker{Client: client, Logger: slog.New(slog.DiscardHandler)}}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	brokertest.NeverWaits(t, h)
	began := time.Now()
	if err := h.Run(ctx); err != nil || time.Since(began) > 3*time.Second {
		t.Errorf("run: %v after %v", err, time.Since(began))
	}
}

// TestServerAway: Run ends with its context though there is no server.
func TestServerAway(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + freePort(t), MaxRetries: -1})
	defer client.Close()
	h := &websocket.Hub{Broker: &Broker{Client: client, Logger: slog.New(slog.DiscardHandler)}}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	h.Publish(ctx, "t", websocket.MessageText, nil)
	if err := h.Run(ctx); err != nil {
		t.Errorf("run: %v", err)
	}
}
