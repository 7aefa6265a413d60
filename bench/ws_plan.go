//go:build linux

package main

import (
	"fmt"
	"time"
)

const (
	wsecho    = "./examples/wsecho"
	wsOurs    = "burrow-ws"
	wsRing    = "burrow-ws-uring"
	wsGws     = "gws"
	wsGorilla = "gorilla"
)

// wsServers in the order of the tables' columns.
var wsServers = []server{
	{name: wsOurs, dir: "..", pkg: wsecho, args: []string{"-driver", "epoll"}, ws: true},
	{name: wsRing, dir: "..", pkg: wsecho, args: []string{"-driver", "uring"}, ws: true},
	{name: wsOurs + "-goroutine", dir: "..", pkg: wsecho, args: []string{"-driver", "goroutine"}, ws: true},
	{name: wsGws, dir: ".", pkg: peers + "wsgws", ws: true},
	{name: wsGorilla, dir: ".", pkg: peers + "wsgorilla", ws: true},
	{name: "coder", dir: ".", pkg: peers + "wscoder", ws: true, lacks: broadcasts},
	{name: "gobwas", dir: ".", pkg: peers + "wsgobwas", ws: true, lacks: broadcasts},
	{name: "gobwas-epoll", dir: ".", pkg: peers + "wsgobwas", args: []string{"-epoll"}, ws: true, lacks: func(r row) bool { return broadcasts(r) || r.tls }},
	{name: "ws-bareepoll", dir: ".", pkg: peers + "wsbareepoll", ws: true, lacks: bare},
}

// broadcasts is what libraries lack that have nothing for it.
func broadcasts(r row) bool { return r.kind == wsBroadcast || r.kind == wsStuck }

// The messages of the WebSocket rows, in bytes, and who gets a broadcast.
const (
	wsShort     = 64
	wsLong      = 1 << 10
	wsListeners = 10_000
)

// wsRows in the order of the tables' lines.
func wsRows() []row {
	var all []row
	for _, size := range []struct {
		payload     int
		name, title string
	}{{wsShort, "", "64 B"}, {wsLong, "-1k", "1 KiB"}} {
		for _, conns := range []int{100, 1_000, 10_000} {
			all = append(all, wsRow(fmt.Sprintf("ws-%d%s", conns, size.name), fmt.Sprintf("%d connections, %s", conns, size.title), wsEcho, conns, size.payload))
		}
	}
	json := wsRow("ws-1000-json", "1000 connections, 1 KiB of JSON, compressed", wsEcho, 1_000, wsLong)
	json.deflate = true
	all = append(all, json)
	for _, secure := range []bool{false, true} {
		for _, deflate := range []bool{false, true} {
			r := wsRow("ws-mem", "idle", wsMemory, 0, wsLong)
			if r.tls = secure; secure {
				r.name, r.title = r.name+"-tls", r.title+", TLS 1.3"
			}
			if r.deflate = deflate; deflate {
				r.name, r.title = r.name+"-deflate", r.title+", compressed"
			}
			all = append(all, r)
		}
	}
	all = append(all, wsRow("ws-broadcast", fmt.Sprintf("1 KiB to %d connections", wsListeners), wsBroadcast, wsListeners, wsLong))
	return append(all, wsStuckRows()...)
}

// wsStuckRows have a rate that a core can keep up with, with as many connections as
// there are, and as often as there is a message; and one that no core can.
func wsStuckRows() []row {
	var all []row
	for _, s := range []struct {
		name, title string
		conns       int
		every       time.Duration
	}{
		{"ws-stuck", "500 connections each 10 ms", 500, 10 * time.Millisecond},
		{"ws-stuck-10000", "10000 connections each 250 ms", wsListeners, 250 * time.Millisecond},
		{"ws-stuck-over", "10000 connections each 10 ms, more than a core can send", wsListeners, 10 * time.Millisecond},
	} {
		r := wsRow(s.name, s.title, wsStuck, s.conns, wsLong)
		r.every = s.every
		all = append(all, r)
	}
	return all
}

func wsRow(name, title string, k kind, conns, payload int) row {
	return row{name: name, title: title, kind: k, conns: conns, pipeline: 1, headers: 1, payload: payload}
}
