package websocket

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// TestWriteNeverWaits: within a callback and elsewhere, though the peer does not read.
// What was refused was not sent, and the rest arrives as it was, also where each
// message refers to those before it.
func TestWriteNeverWaits(t *testing.T) {
	t.Parallel()
	const message = 100 << 10
	drivers(t, func(t *testing.T, s server) {
		var sent [][]byte
		other, full, reading := make(chan time.Duration, 1), make(chan bool), make(chan bool)
		slowest := time.Duration(0)
		write := func(c *Conn, data []byte) error {
			began := time.Now()
			err := c.Write(context.Background(), MessageBinary, data)
			slowest = max(slowest, time.Since(began))
			if err == nil {
				sent = append(sent, data)
			}
			return err
		}
		addr := s.start(t, &AcceptOptions{
			WriteTimeout: 300 * time.Millisecond, Deflate: &Deflate{ContextTakeover: true, MinBytes: -1},
			Handler: &Funcs{OnMessage: func(c *Conn, _ MessageType, _ []byte) {
				rnd := rand.NewChaCha8([32]byte{})
				for range 1000 {
					data := make([]byte, message)
					rnd.Read(data)
					err := write(c, data)
					if err == nil {
						continue
					}
					if err != ErrBacklog {
						t.Errorf("message %d: %v", len(sent), err)
					}
					break
				}
				go func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
					defer cancel()
					began := time.Now()
					c.Write(ctx, MessageText, bytes.Repeat([]byte("elsewhere"), message))
					other <- time.Since(began)
				}()
				time.Sleep(400 * time.Millisecond) // more than the WriteTimeout
				close(full)
				<-reading
				again := append([]byte("again"), sent[len(sent)-1][message-10_000:]...)
				for end := time.Now().Add(patience); write(c, again) != nil && time.Now().Before(end); {
					time.Sleep(time.Millisecond)
				}
				c.Close(StatusNormal, "")
			}},
		})
		c := dialServer(t, addr, &DialOptions{Deflate: &Deflate{ContextTakeover: true}})
		defer c.CloseNow()
		must(t, "write", c.Write(background(t), MessageText, []byte("go")))
		await(t, "the backlog", full)
		if took := await(t, "the other Write", other); took > time.Second {
			t.Errorf("a Write from elsewhere took %v", took)
		}
		close(reading)
		var got [][]byte
		for {
			typ, data, err := c.Read(background(t))
			if typ == MessageText {
				continue // that from elsewhere
			}
			if err != nil {
				if CloseStatus(err) != StatusNormal {
					t.Errorf("read: %v", err)
				}
				break
			}
			got = append(got, data)
		}
		for i := range min(len(got), len(sent)) {
			if !bytes.Equal(got[i], sent[i]) {
				t.Errorf("message %d is another one", i)
			}
		}
		if len(got) != len(sent) {
			t.Errorf("%d messages arrive, %d were sent", len(got), len(sent))
		}
		if slowest > time.Second {
			t.Errorf("a Write took %v", slowest)
		}
	})
}

// TestCallbackWrites: what a callback writes leaves though it does not return, however
// often, and more than MaxBacklogBytes if the peer reads.
func TestCallbackWrites(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		heard := make(chan bool)
		addr := s.start(t, &AcceptOptions{Handler: &Funcs{OnMessage: func(c *Conn, _ MessageType, _ []byte) {
			for range 3 {
				c.Write(context.Background(), MessageText, []byte("now"))
				<-heard
			}
			if s.driver.String() == "goroutine" {
				for range 4 {
					must(t, "write", c.Write(context.Background(), MessageBinary, make([]byte, 400<<10)))
				}
			}
			c.Close(StatusNormal, "")
		}}})
		p := dialPeer(t, addr, "/")
		p.send(p.raw(fin|1, "go"))
		for range 3 {
			p.want("text now")
			heard <- true
		}
		for p.read() != "close 1000" {
			if t.Failed() {
				return
			}
		}
	})
}

// TestEngineBacklog: where the engine allows less than MaxBacklogBytes, a message is
// refused, and the connection goes on.
func TestEngineBacklog(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, s server) {
		p, c := s.pair(t, &AcceptOptions{MaxBacklogBytes: 1 << 30})
		message := make([]byte, 500<<10)
		sent := 0
		for ; sent < 1000; sent++ {
			if err := c.Write(context.Background(), MessageBinary, message); err != nil {
				if !errors.Is(err, ErrBacklog) {
					t.Errorf("message %d: %v", sent, err)
				}
				break
			}
		}
		for range sent {
			if got := p.read(); len(got) != len("binary ")+len(message) {
				t.Fatalf("got %.20q, want a message", got)
			}
		}
		must(t, "write", c.Write(context.Background(), MessageText, []byte("again")))
		p.want("text again")
		p.send(p.raw(fin|8, ""))
		p.want("close 1005")
	})
}

// TestMessageTypes: what is neither text nor binary is not sent.
func TestMessageTypes(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		p, c := s.pair(t, &AcceptOptions{})
		for _, typ := range []MessageType{0, 3, 8, 9, 10, 0x81} {
			if err := c.Write(background(t), typ, []byte("x")); !errors.Is(err, errMessageType) {
				t.Errorf("Write of type %d: %v", typ, err)
			}
			if _, err := c.Writer(background(t), typ); !errors.Is(err, errMessageType) {
				t.Errorf("Writer of type %d: %v", typ, err)
			}
		}
		must(t, "write", c.Write(background(t), MessageBinary, nil))
		p.want("binary ")
		p.send(p.raw(fin|8, ""))
		p.want("close 1005")
	})
}

// TestWriterAbandoned: a Writer that is not closed holds nobody up longer than its
// context lasts.
func TestWriterAbandoned(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, s server) {
		p, c := s.pair(t, &AcceptOptions{})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		w, err := c.Writer(ctx, MessageText)
		must(t, "writer", err)
		w.Write([]byte("begun"))
		if err := c.Write(background(t), MessageText, []byte("next")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		if err := w.Close(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close of the Writer: %v", err)
		}
		if got := p.read(); got != "EOF" && got != "reset" {
			t.Errorf("got %q", got)
		}
		// One that is closed in time leaves nothing behind.
		p, c = s.pair(t, &AcceptOptions{})
		ctx, cancel = context.WithCancel(context.Background())
		w, err = c.Writer(ctx, MessageText)
		must(t, "writer", err)
		w.Write([]byte("whole"))
		must(t, "close", w.Close())
		cancel()
		p.want("text whole")
		must(t, "write", c.Write(background(t), MessageText, []byte("next")))
		p.want("text next")
		p.nc.Close()
	})
}
