package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
