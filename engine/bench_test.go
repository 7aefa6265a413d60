package engine

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// BenchmarkEcho has many clients talk at once; a part of the calls goes on in
// goroutines of their own.
func BenchmarkEcho(b *testing.B) {
	for _, d := range platformDrivers() {
		for _, apart := range []int{0, 8} {
			b.Run(fmt.Sprintf("%v/apart=%d", d, apart), func(b *testing.B) {
				needs(b, d)
				benchmarkEcho(b, d, apart)
			})
		}
	}
}

func benchmarkEcho(b *testing.B, d Driver, apart int) {
	const conns = 64
	dial := serve(b, &Engine{Driver: d}, same(&proto{data: func(c *Conn, in []byte) (int, error) {
		if len(in) > 0 && in[0] == 'G' {
			c.Go(func() {
				c.Write(c.Input())
				c.Unread(nil)
			})
			return 0, nil
		}
		return echo(c, in)
	}}), nil)
	var all []net.Conn
	for range conns {
		all = append(all, dial())
	}
	b.ReportAllocs()
	for b.Loop() {
		var wg sync.WaitGroup
		for i, nc := range all {
			wg.Go(func() {
				msg := make([]byte, 100)
				if apart > 0 && i%apart == 0 {
					msg[0] = 'G'
				}
				for range 20 {
					nc.Write(msg)
					if _, err := io.ReadFull(nc, msg); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*conns*20), "ns/message")
}

// BenchmarkUpload has calls read a megabyte with More, which waits for most of it.
func BenchmarkUpload(b *testing.B) {
	const size = 1 << 20
	for _, d := range platformDrivers() {
		b.Run(d.String(), func(b *testing.B) {
			needs(b, d)
			dial := serve(b, &Engine{Driver: d}, same(&proto{data: func(c *Conn, in []byte) (int, error) {
				if c.EOF() {
					return len(in), io.EOF
				}
				for have := len(in); have < size; {
					more, err := c.More(nil, 0)
					if err != nil {
						return 0, err
					}
					have, in = have+len(more), more
				}
				c.Write([]byte("k"))
				return len(in), nil
			}}), nil)
			nc := dial()
			body, answer := make([]byte, size), make([]byte, 1)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				go nc.Write(body)
				if _, err := io.ReadFull(nc, answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
