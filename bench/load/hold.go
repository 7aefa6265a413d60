//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/burrownet/burrow/bench/internal/procstat"
	"github.com/burrownet/burrow/bench/internal/report"
)

// What every connection has done before it falls silent.
const (
	holdDialers  = 64            // connections that are being made and used at once
	holdDepth    = 16            // requests in one write
	holdBody     = 128 << 10     // bytes of an upload
	holdRequests = holdDepth + 2 // all of a connection's
)

// user makes a connection, has it carry something, and returns the bare socket.
type user func(ctx context.Context) (nc net.Conn, describes string, err error)

// hold opens connections up to each plateau, lets all of them carry what use has for
// them, requests in number, and fall silent, and reads the server's memory.
func (o *options) hold(ctx context.Context, use user, requests int64) (*report.Result, error) {
	if o.pid == 0 {
		return nil, errors.New("hold: -pid is missing")
	}
	r := &report.Result{}
	var held []net.Conn
	defer func() {
		for _, nc := range held {
			nc.Close()
		}
	}()
	for text := range strings.SplitSeq(o.plateaus, ",") {
		want, err := strconv.Atoi(text)
		if err != nil || want <= len(held) {
			return nil, fmt.Errorf("hold: bad plateau %q", text)
		}
		more, err := open(ctx, use, want-len(held), r)
		held = append(held, more...)
		r.Requests += requests * int64(len(more))
		if err != nil {
			return nil, fmt.Errorf("hold: with %d connections: %w", len(held), err)
		}
		if err := sleep(ctx, o.idle); err != nil {
			return nil, err
		}
		rss, err := procstat.RSS(o.pid)
		if err != nil {
			return nil, err
		}
		r.Memory = append(r.Memory, report.Plateau{Conns: len(held), RSS: rss, Alive: alive(held)})
	}
	return r, nil
}

// open makes n connections and uses each of them; it returns those it made.
func open(ctx context.Context, use user, n int, r *report.Result) ([]net.Conn, error) {
	var (
		mu    sync.Mutex // guards what follows, and r
		conns []net.Conn
		first error
		left  = n
		group sync.WaitGroup
	)
	for range min(n, holdDialers) {
		group.Go(func() {
			for {
				mu.Lock()
				stop := left == 0 || first != nil
				if !stop {
					left--
				}
				mu.Unlock()
				if stop {
					return
				}
				nc, describes, err := use(ctx)
				mu.Lock()
				if err != nil {
					first = errors.Join(first, err)
				} else {
					conns, r.TLS = append(conns, nc), describes
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return conns, first
}

// use connects, has the connection carry a request, an upload and a burst of
// pipelined requests, and returns the bare socket: what crypto/tls holds on this
// side is let go.
func (o *options) use(ctx context.Context) (_ net.Conn, describes string, err error) {
	nc, link, err := o.dial(ctx)
	if err != nil {
		return nil, "", err
	}
	conn := nc
	if link != nil {
		conn, describes = link.tls, describe(link.tls.ConnectionState())
	}
	if err = conn.SetDeadline(time.Now().Add(connectTimeout)); err == nil {
		get := request(o.addr, o.path, o.headers)
		err = errors.Join(ask(conn, get, 1), ask(conn, upload(o.addr, o.path, holdBody), 1), ask(conn, bytes.Repeat(get, holdDepth), holdDepth))
	}
	if err != nil {
		nc.Close()
		return nil, describes, err
	}
	return nc, describes, nil
}

// ask sends what is n requests and waits for their answers.
func ask(conn net.Conn, requests []byte, n int) error {
	if _, err := conn.Write(requests); err != nil {
		return err
	}
	var s shape
	buf := make([]byte, 0, 4<<10)
	for n > 0 {
		if len(buf) == cap(buf) {
			return errors.New("answer is too long")
		}
		got, err := conn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return err
		}
		buf = buf[:len(buf)+got]
		for used := 1; used > 0 && n > 0; {
			if used, err = s.take(buf); err != nil {
				return err
			}
			if used > 0 {
				n--
			}
			buf = append(buf[:0], buf[used:]...)
		}
	}
	return nil
}

// alive counts the connections that the server has not closed.
func alive(conns []net.Conn) (n int) {
	for _, nc := range conns {
		raw, err := nc.(*net.TCPConn).SyscallConn()
		if err != nil {
			continue
		}
		var peek [1]byte
		var silent bool
		// Control, unlike Read, does not mind that nc's deadline has passed.
		err = raw.Control(func(fd uintptr) {
			_, _, err := syscall.Recvfrom(int(fd), peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			silent = err == syscall.EAGAIN
		})
		if err == nil && silent {
			n++
		}
	}
	return n
}
