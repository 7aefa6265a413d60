//go:build linux

package main

import "fmt"

// target is a promise about one figure: at most limit times that of another
// server in the same rounds, or, with no other server, at most limit.
type target struct {
	row    string
	server string
	than   string
	m      metric
	limit  float64
	what   string
}

const (
	native       = "burrow-native"
	standard     = "burrow"
	ringNative   = "burrow-ring-native"
	ringStandard = "burrow-ring"
)

// targets of the HTTP server, and of WebSockets.
var targets = append([]target{
	{"http-16", native, "fasthttp", cpu, 0.70, "CPU"},
	{"http-128", native, "fasthttp", cpu, 0.70, "CPU"},
	{"http-1024", native, "fasthttp", cpu, 0.60, "CPU"},
	{"pipe-128", native, "fasthttp", cpu, 0.60, "CPU"},
	{"http-128", standard, "fasthttp", cpu, 0.80, "CPU"},
	{"http-1024", standard, "fasthttp", cpu, 0.80, "CPU"},
	{"http-128", standard, "nethttp", cpu, 0.45, "CPU"},
	{"http-1024", standard, "nethttp", cpu, 0.45, "CPU"},
	{"https-128", native, "fasthttp", cpu, 0.85, "CPU"},
	{"http-16", ringNative, native, cpu, 1, "CPU"},
	{"http-128", ringNative, native, cpu, 0.70, "CPU"},
	{"http-1024", ringNative, native, cpu, 0.70, "CPU"},
	{"http-128", ringNative, "fasthttp", cpu, 0.45, "CPU"},
	{"http-1024", ringNative, "fasthttp", cpu, 0.45, "CPU"},
	{"http-128", ringStandard, "fasthttp", cpu, 0.55, "CPU"},
	{"http-1024", ringStandard, "fasthttp", cpu, 0.55, "CPU"},
	{"http-128", ringStandard, "nethttp", cpu, 0.32, "CPU"},
	{"http-1024", ringStandard, "nethttp", cpu, 0.32, "CPU"},
	{"mem-http", ringNative, "", perConn, 600, "bytes/connection"},
	{"handshake", standard, "nethttp", cpu, 1, "CPU"},
	{"mem-http", native, "", perConn, 450, "bytes/connection"},
	{"mem-https", native, "", perConn, 6 << 10, "bytes/connection"},
	{"slow", native, "", p99Rise, 3, "ms more p99"},
	{"slow", standard, "", p99Rise, 3, "ms more p99"},
}, wsTargets...)

// p99Rise is what slow neighbours add to the fast route's p99, in ms.
func p99Rise(s sample) (float64, bool) {
	alone, ok := aloneP99(s)
	beside, also := p99(s)
	return max(0, beside-alone), ok && also
}

// check renders a line for the target; nothing when it was not measured.
func (t target) check(all runs) []string {
	v, ok := all.median(t.row, t.server, t.m)
	limit := fmt.Sprintf("%.4g %s", t.limit, t.what)
	if t.than != "" {
		v, ok = all.ratio(t.row, t.server, t.than, t.m)
		limit = fmt.Sprintf("%.2f × %s's %s", t.limit, t.than, t.what)
	}
	if !ok {
		return nil
	}
	verdict := "met"
	if v > t.limit {
		verdict = "**missed**"
	}
	figure := fmt.Sprintf("%.2f", v)
	if v >= 100 {
		figure = fmt.Sprintf("%.0f", v)
	}
	return []string{t.row, t.server, "≤ " + limit, figure, verdict}
}
