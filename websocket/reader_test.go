package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/burrownet/burrow/internal/memnet"
)

// TestReaderStreams: a message that is larger than what is held is read as it comes,
// and one that is not read to its end is dropped.
func TestReaderStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{maxMessage: -1}, false)
		const pieces, size = 200, 60 << 10
		go func() {
			piece := strings.Repeat("0123456789", size/10)
			for i := range pieces {
				op := byte(0)
				if i == 0 {
					op = 2
				}
				p.nc.Write(p.raw(op, piece))
			}
			p.nc.Write(append(p.raw(fin, "end"), p.raw(fin|1, "second")...))
			p.nc.Write(append(p.raw(1, "third, "), p.raw(fin, "not read")...))
			p.nc.Write(p.raw(fin|1, "fourth"))
		}()
		typ, r, err := c.Reader(context.Background())
		must(t, "Reader", err)
		var n, most int
		buf := make([]byte, 10<<10)
		for {
			m, err := r.Read(buf)
			n += m
			most = max(most, cap(c.partOrNew().buf))
			if err == io.EOF {
				break
			}
			must(t, "read", err)
		}
		if want := pieces*size/10*10 + 3; n != want || typ != MessageBinary || most > 256<<10 {
			t.Errorf("%v of %d bytes, want %d; %d bytes were held", typ, n, want, most)
		}
		_, data, err := c.Read(context.Background())
		if string(data) != "second" || err != nil {
			t.Errorf("got %q, %v", data, err)
		}
		_, r, err = c.Reader(context.Background())
		must(t, "Reader", err)
		io.ReadFull(r, buf[:3])
		_, data, err = c.Read(context.Background())
		if string(data) != "fourth" || err != nil {
			t.Errorf("got %q, %v", data, err)
		}
		if _, err := r.Read(buf); err == nil || err == io.EOF {
			t.Errorf("reading on in a dropped message: %v", err)
		}
		c.CloseNow()
		p.nc.Close()
	})
}

// partOrNew is for tests: what is held of a message.
func (c *Conn) partOrNew() *partial {
	if c.part != nil {
		return c.part
	}
	return &partial{}
}

// TestPingWithinReader: a Ping between two reads of a message neither loses a part
// of it nor waits for who reads it.
func TestPingWithinReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := memPeer(t, common{}, false)
		p.send(append(p.raw(1, "ab"), p.raw(fin, "cd")...))
		_, r, err := c.Reader(context.Background())
		must(t, "Reader", err)
		buf := make([]byte, 1)
		io.ReadFull(r, buf)
		go func() {
			got := p.read()
			p.send(append(p.raw(fin|1, "next"), p.raw(fin|10, strings.TrimPrefix(got, "ping "))...))
		}()
		must(t, "ping", c.Ping(context.Background()))
		rest, err := io.ReadAll(r)
		if string(buf)+string(rest) != "abcd" || err != nil {
			t.Errorf("got %q, %v", string(buf)+string(rest), err)
		}
		_, data, err := c.Read(context.Background())
		if string(data) != "next" || err != nil {
			t.Errorf("got %q, %v", data, err)
		}
		c.CloseNow()
		p.nc.Close()
	})
}

// TestWriters: messages of many goroutines, some of them in pieces, arrive whole.
func TestWriters(t *testing.T) {
	t.Parallel()
	for _, d := range []*Deflate{nil, {MinBytes: -1}, {ContextTakeover: true, MinBytes: -1}} {
		t.Run(fmt.Sprintf("%+v", d), func(t *testing.T) {
			t.Parallel()
			client, server := pair(t, &DialOptions{Deflate: d}, &AcceptOptions{Deflate: d})
			ctx := background(t)
			var wg sync.WaitGroup
			const writers, each = 6, 15
			for i := range writers {
				wg.Go(func() {
					for j := range each {
						body := bytes.Repeat([]byte{byte('a' + i)}, 1000*j+1)
						var err error
						if i%2 == 0 {
							err = client.Write(ctx, MessageBinary, body)
						} else {
							var w io.WriteCloser
							w, err = client.Writer(ctx, MessageBinary)
							if err == nil {
								_, err = w.Write(body[:len(body)/2])
								client.Ping(ctx)
								w.Write(body[len(body)/2:])
								err = errors.Join(err, w.Close())
							}
						}
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			seen := map[byte]int{}
			for range writers * each {
				_, data, err := server.Read(ctx)
				must(t, "read", err)
				if len(data) != 1000*seen[data[0]]+1 || bytes.Count(data, data[:1]) != len(data) {
					t.Fatalf("message %d of %c has %d bytes", seen[data[0]], data[0], len(data))
				}
				seen[data[0]]++
			}
			go server.CloseRead(ctx)
			wg.Wait()
		})
	}
}

// left are the ways in which a Reader is left before its end: how much is read first,
// whether a Ping then reads further, and whether the rest is read after that.
var left = []struct {
	name       string
	read       int
	ping, rest bool
}{
	{"unread", 0, false, false},
	{"in part", 100, false, false},
	{"but for io.EOF", leftBytes, false, false},
	{"a ping, unread", 0, true, false},
	{"a ping, in part", 100, true, false},
	{"a ping, then the rest", 100, true, true},
}

const leftBytes = 60_000

// TestReaderLeft: what a Reader leaves is dropped, and the messages behind it are read,
// also where they refer to it.
func TestReaderLeft(t *testing.T) {
	t.Parallel()
	message := json1(rand.New(rand.NewPCG(1, 2)), leftBytes)
	for _, d := range []*Deflate{nil, {MinBytes: -1}, {ContextTakeover: true, MinBytes: -1}} {
		small, other := pair(t, &DialOptions{Deflate: d}, &AcceptOptions{Deflate: d})
		for range 3 { // one that a decompressor holds as a whole
			must(t, "write", small.Write(background(t), MessageText, []byte(message[:3000])))
			_, r, err := other.Reader(background(t))
			must(t, "reader", err)
			_, err = io.ReadFull(r, make([]byte, 100))
			must(t, "read", err)
		}
		for _, of := range []string{"client", "server"} {
			t.Run(fmt.Sprintf("%s %+v", of, d), func(t *testing.T) {
				t.Parallel()
				writer, reader := pair(t, &DialOptions{Deflate: d}, &AcceptOptions{Deflate: d})
				if of == "client" {
					writer, reader = reader, writer
				}
				ctx := background(t)
				go writer.Read(ctx) // answers pings
				for _, tc := range left {
					sent := make(chan error, 1)
					go func() {
						var err error
						for range 3 {
							err = errors.Join(err, writer.Write(ctx, MessageText, []byte(message)))
						}
						sent <- err
					}()
					_, r, err := reader.Reader(ctx)
					must(t, tc.name, err)
					got := make([]byte, tc.read)
					_, err = io.ReadFull(r, got)
					must(t, tc.name, err)
					if tc.ping {
						must(t, tc.name, reader.Ping(ctx))
					}
					if tc.rest {
						rest, err := io.ReadAll(r)
						if got = append(got, rest...); err != nil || string(got) != message {
							t.Errorf("%s: the rest: %d bytes, %v", tc.name, len(got), err)
						}
					}
					for range 2 {
						if _, data, err := reader.Read(ctx); err != nil || string(data) != message {
							t.Fatalf("%s: the next message: %d bytes, %v", tc.name, len(data), err)
						}
					}
					if _, err := r.Read(make([]byte, 1)); tc.read == 100 && !tc.ping && err != errNextMessage {
						t.Errorf("%s: the Reader then says %v", tc.name, err)
					}
					must(t, tc.name, await(t, "the writes", sent))
				}
			})
		}
	}
}

// TestReaderLeftInTime: a Read whose context ends while it drops the rest of a Reader
// goes on later.
func TestReaderLeftInTime(t *testing.T) {
	t.Parallel()
	for _, d := range []*Deflate{nil, {MinBytes: -1}, {ContextTakeover: true, MinBytes: -1}} {
		client, server := pair(t, &DialOptions{Deflate: d}, &AcceptOptions{Deflate: d})
		ctx := background(t)
		message := json1(rand.New(rand.NewPCG(1, 2)), leftBytes)
		noise := make([]byte, 4*leftBytes)
		rand.NewChaCha8([32]byte{}).Read(noise)
		w, err := client.Writer(ctx, MessageBinary)
		must(t, "writer", err)
		w.Write(noise)
		_, r, err := server.Reader(ctx)
		must(t, "reader", err)
		r.Read(make([]byte, 10))
		for range 3 {
			short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
			if _, _, err := server.Read(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%+v: Read: %v", d, err)
			}
			cancel()
			w.Write(noise)
		}
		must(t, "the rest", w.Close())
		must(t, "write", client.Write(ctx, MessageText, []byte(message)))
		if _, data, err := server.Read(ctx); err != nil || string(data) != message {
			t.Errorf("%+v: the next message: %d bytes, %v", d, len(data), err)
		}
	}
}

// TestReaderLeftMemory: a large message that others refer to is not kept to be dropped.
func TestReaderLeftMemory(t *testing.T) {
	t.Parallel()
	for _, inTime := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.Pipe(nil)
			set, pm := common{maxMessage: -1, deflate: &Deflate{ContextTakeover: true, MinBytes: -1}}, deflateParams{on: true}
			client, server := newBlocking(a, set.settings(true), nil, pm, nil), newBlocking(b, set.settings(false), nil, pm, nil)
			noise := make([]byte, 1<<20)
			rand.NewChaCha8([32]byte{}).Read(noise)
			w, err := client.Writer(t.Context(), MessageBinary)
			must(t, "writer", err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			next := make(chan string)
			go func() {
				server.Reader(t.Context())
				_, data, err := server.Read(ctx)
				next <- fmt.Sprint(string(data), err)
			}()
			for range 8 {
				w.Write(noise)
			}
			synctest.Wait()
			if held := cap(server.partOrNew().buf); held > 3<<20 {
				t.Errorf("%d bytes are held", held)
			}
			want := "next<nil>"
			if inTime {
				must(t, "close", w.Close())
				must(t, "write", client.Write(t.Context(), MessageText, []byte("next")))
			} else {
				cancel()
				want = wrap("read", context.Canceled).Error()
			}
			if got := <-next; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if ended := server.has(stEnded); ended == inTime {
				t.Errorf("the connection has ended: %v", ended)
			}
			client.CloseNow()
			server.CloseNow()
		})
	}
}

// TestCloseLeavesReader: Close drops what a Reader has left, and finds no fault in it.
func TestCloseLeavesReader(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 200<<10)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for _, d := range []*Deflate{nil, {MinBytes: -1}, {ContextTakeover: true, MinBytes: -1}} {
		client, server := pair(t, &DialOptions{Deflate: d}, &AcceptOptions{Deflate: d})
		ctx := background(t)
		ended := make(chan error, 1)
		go func() {
			for range 3 {
				client.Write(ctx, MessageBinary, noise)
			}
			_, _, err := client.Read(ctx)
			ended <- err
		}()
		_, r, err := server.Reader(ctx)
		must(t, "reader", err)
		_, err = io.ReadFull(r, make([]byte, 100))
		must(t, "read", err)
		must(t, fmt.Sprintf("%+v: close", d), server.Close(4000, ""))
		if err := await(t, "the peer", ended); CloseStatus(err) != 4000 {
			t.Errorf("%+v: the peer reads %v", d, err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%+v: the Reader says %v", d, err)
		}
	}
}
