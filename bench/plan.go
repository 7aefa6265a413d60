//go:build linux

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// server is one program that is compared.
type server struct {
	name  string
	dir   string // the module's folder, relative to bench
	pkg   string // the package to build there
	args  []string
	ws    bool           // it speaks WebSocket, and nothing else
	lacks func(row) bool // what it has not got; nil: nothing
}

// can reports whether the server can be measured for a row.
func (s server) can(r row) bool {
	return s.ws == r.kind.ws() && (s.lacks == nil || !s.lacks(r))
}

// bare is what a floor lacks: all but plain traffic in a closed loop.
func bare(r row) bool {
	return r.kind != keepalive && r.kind != wsEcho && r.kind != wsBroadcast || r.tls || r.deflate
}

const (
	hello = "./examples/hello"
	peers = "./servers/"
)

// servers in the order of the tables' columns.
var servers = append([]server{
	{name: "burrow-native", dir: "..", pkg: hello, args: []string{"-driver", "epoll", "-native"}},
	{name: "burrow", dir: "..", pkg: hello, args: []string{"-driver", "epoll"}},
	{name: "burrow-ring-native", dir: "..", pkg: hello, args: []string{"-driver", "uring", "-native"}},
	{name: "burrow-ring", dir: "..", pkg: hello, args: []string{"-driver", "uring"}},
	{name: "burrow-goroutine-native", dir: "..", pkg: hello, args: []string{"-driver", "goroutine", "-native"}},
	{name: "burrow-goroutine", dir: "..", pkg: hello, args: []string{"-driver", "goroutine"}},
	{name: "fasthttp", dir: ".", pkg: peers + "fasthttp"},
	{name: "hertz", dir: ".", pkg: peers + "hertz"},
	{name: "nethttp", dir: ".", pkg: peers + "nethttp"},
	{name: "bareepoll", dir: ".", pkg: peers + "bareepoll", lacks: bare},
	{name: "bareuring", dir: ".", pkg: peers + "bareuring", lacks: bare},
	{name: "bareuring-defer", dir: ".", pkg: peers + "bareuring", args: []string{"-defer"}, lacks: bare},
}, wsServers...)

// kind says how a row is measured.
type kind int

const (
	keepalive kind = iota
	handshake
	byWrk
	besideSlow
	memory
	wsEcho
	wsMemory
	wsBroadcast
	wsStuck
)

// ws reports whether the row's traffic is WebSocket.
func (k kind) ws() bool { return k >= wsEcho }

// holds reports whether the row weighs idle connections.
func (k kind) holds() bool { return k == memory || k == wsMemory }

// unit is what is counted in the row.
func (k kind) unit() string {
	switch k {
	case wsEcho:
		return "message"
	case wsBroadcast, wsStuck:
		return "delivery"
	}
	return "request"
}

// row is one line of the comparison.
type row struct {
	name     string
	title    string
	kind     kind
	conns    int
	pipeline int
	headers  int
	tls      bool
	payload  int           // bytes of a WebSocket message
	deflate  bool          // it is compressed
	every    time.Duration // between two broadcasts at a fixed rate
}

// The traffic of the rows that are not a grid.
const (
	pipelineDepth  = 16
	manyHeaders    = 12
	handshakeConns = 32
	fastConns      = 16
	fastRate       = 2000
	slowConns      = 256
)

// rows in the order of the tables' lines.
func rows() []row {
	var all []row
	for _, headers := range []int{1, manyHeaders} {
		for _, depth := range []int{1, pipelineDepth} {
			for _, conns := range []int{16, 128, 1024} {
				name, title := "http", ""
				if depth > 1 {
					name, title = "pipe", fmt.Sprintf(", %d pipelined", depth)
				}
				name = fmt.Sprintf("%s-%d", name, conns)
				if headers > 1 {
					name, title = fmt.Sprintf("%s-h%d", name, headers), title+fmt.Sprintf(", %d headers", headers)
				}
				title = fmt.Sprintf("%d connections%s", conns, title)
				all = append(all, row{name: name, title: title, kind: keepalive, conns: conns, pipeline: depth, headers: headers})
			}
		}
	}
	all = append(all,
		row{name: "https-128", title: "128 connections, TLS 1.3", kind: keepalive, conns: 128, pipeline: 1, headers: 1, tls: true},
		row{name: "handshake", title: "TLS 1.3 handshake, one request, close", kind: handshake, conns: handshakeConns, pipeline: 1, headers: 1, tls: true},
		row{name: "wrk-128", title: "128 connections, load by wrk", kind: byWrk, conns: 128, pipeline: 1, headers: 1},
		row{name: "slow", title: "fast route beside slow ones", kind: besideSlow, conns: fastConns, pipeline: 1, headers: 1},
		row{name: "mem-http", title: "idle connection", kind: memory, pipeline: 1, headers: manyHeaders},
		row{name: "mem-https", title: "idle TLS 1.3 connection", kind: memory, pipeline: 1, headers: manyHeaders, tls: true},
	)
	return append(all, wsRows()...)
}

// pickRows returns the rows whose name matches expr.
func pickRows(expr string) ([]row, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("bench: -rows: %w (%w)", err, errUsage)
	}
	picked := slices.DeleteFunc(rows(), func(r row) bool { return !re.MatchString(r.name) })
	if len(picked) == 0 {
		return nil, fmt.Errorf("bench: -rows: %q matches none of %s (%w)", expr, rowNames(), errUsage)
	}
	return picked, nil
}

func rowNames() string {
	var names []string
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return strings.Join(names, " ")
}

// pickServers returns the servers of a comma-separated list; all for "".
func pickServers(list string) ([]server, error) {
	if list == "" {
		return servers, nil
	}
	var picked []server
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(servers, func(s server) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("bench: -servers: %q is none of %s (%w)", name, serverNames(servers), errUsage)
		}
		picked = append(picked, servers[i])
	}
	return picked, nil
}

// useful drops the servers that can do none of the rows.
func useful(list []server, rows []row) []server {
	return slices.DeleteFunc(slices.Clone(list), func(s server) bool { return !slices.ContainsFunc(rows, s.can) })
}

func serverNames(list []server) string {
	var names []string
	for _, s := range list {
		names = append(names, s.name)
	}
	return strings.Join(names, ",")
}
