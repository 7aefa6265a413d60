//go:build linux

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// server is one program that is compared.
type server struct {
	name string
	dir  string // the module's folder, relative to bench
	pkg  string // the package to build there
	args []string
	bare bool // no server: it can do plain keep-alive rows only
}

// can reports whether the server can be measured for a row.
func (s server) can(r row) bool { return !s.bare || r.kind == keepalive && !r.tls }

const (
	hello = "./examples/hello"
	peers = "./servers/"
)

// servers in the order of the tables' columns.
var servers = []server{
	{"burrow-native", "..", hello, []string{"-driver", "epoll", "-native"}, false},
	{"burrow", "..", hello, []string{"-driver", "epoll"}, false},
	{"burrow-goroutine-native", "..", hello, []string{"-driver", "goroutine", "-native"}, false},
	{"burrow-goroutine", "..", hello, []string{"-driver", "goroutine"}, false},
	{"fasthttp", ".", peers + "fasthttp", nil, false},
	{"hertz", ".", peers + "hertz", nil, false},
	{"nethttp", ".", peers + "nethttp", nil, false},
	{"bareepoll", ".", peers + "bareepoll", nil, true},
	{"bareuring", ".", peers + "bareuring", nil, true},
	{"bareuring-defer", ".", peers + "bareuring", []string{"-defer"}, true},
}

// kind says how a row is measured.
type kind int

const (
	keepalive kind = iota
	handshake
	byWrk
	besideSlow
	memory
)

// row is one line of the comparison.
type row struct {
	name     string
	title    string
	kind     kind
	conns    int
	pipeline int
	headers  int
	tls      bool
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
				all = append(all, row{name, title, keepalive, conns, depth, headers, false})
			}
		}
	}
	return append(all,
		row{"https-128", "128 connections, TLS 1.3", keepalive, 128, 1, 1, true},
		row{"handshake", "TLS 1.3 handshake, one request, close", handshake, handshakeConns, 1, 1, true},
		row{"wrk-128", "128 connections, load by wrk", byWrk, 128, 1, 1, false},
		row{"slow", "fast route beside slow ones", besideSlow, fastConns, 1, 1, false},
		row{"mem-http", "idle connection", memory, 0, 1, manyHeaders, false},
		row{"mem-https", "idle TLS 1.3 connection", memory, 0, 1, manyHeaders, true},
	)
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

func serverNames(list []server) string {
	var names []string
	for _, s := range list {
		names = append(names, s.name)
	}
	return strings.Join(names, ",")
}
