//go:build linux

package main

// stuckKiB is what a connection that never reads may cost, in KiB: 256 for the budget of
// the hub, 256 for echoes that wait below it, and as much again until the next collection.
const stuckKiB = 1 << 10

// wsTargets are those of WebSockets, on epoll and on the ring.
var wsTargets = []target{
	{"ws-100", wsOurs, wsGws, cpu, 0.70, "CPU"},
	{"ws-1000", wsOurs, wsGws, cpu, 0.70, "CPU"},
	{"ws-10000", wsOurs, wsGws, cpu, 0.70, "CPU"},
	{"ws-100-1k", wsOurs, wsGws, cpu, 0.70, "CPU"},
	{"ws-1000-1k", wsOurs, wsGws, cpu, 0.70, "CPU"},
	{"ws-10000-1k", wsOurs, wsGws, cpu, 0.70, "CPU"},
	{"ws-1000", wsRing, wsGws, cpu, 0.45, "CPU"},
	{"ws-10000", wsRing, wsGws, cpu, 0.60, "CPU"},
	{"ws-1000-1k", wsRing, wsGws, cpu, 0.45, "CPU"},
	{"ws-10000-1k", wsRing, wsGws, cpu, 0.60, "CPU"},
	{"ws-mem", wsOurs, "", perConn, 500, "bytes/connection"},
	{"ws-mem-deflate", wsOurs, "", perConn, 500, "bytes/connection"},
	{"ws-mem-tls", wsOurs, "", perConn, 6.5 * (1 << 10), "bytes/connection"},
	{"ws-mem-tls-deflate", wsOurs, "", perConn, 6.5 * (1 << 10), "bytes/connection"},
	{"ws-broadcast", wsOurs, wsGws, cpu, 0.60, "CPU"},
	{"ws-stuck", wsOurs, "", p99Rise, 2, "ms more p99"},
	{"ws-stuck-10000", wsOurs, "", p99Rise, 2, "ms more p99"},
	{"ws-stuck-over", wsOurs, "", p99Rise, 2, "ms more p99"},
	{"ws-stuck", wsOurs, "", rssRise, stuckKiB, "KiB more memory"},
	{"ws-stuck-10000", wsOurs, "", rssRise, stuckKiB, "KiB more memory"},
	{"ws-stuck-over", wsOurs, "", rssRise, stuckKiB, "KiB more memory"},
}

// p99Moved is what the connection that never reads adds to p99, in ms; noise may make
// it negative.
func p99Moved(s sample) (float64, bool) {
	alone, ok := aloneP99(s)
	beside, also := p99(s)
	return beside - alone, ok && also
}

// rssRise is what the connection that never reads adds to the server's memory, in KiB.
func rssRise(s sample) (float64, bool) {
	if s.Alone == nil || s.Result == nil || len(s.Alone.Memory) != 1 || len(s.Result.Memory) != 1 {
		return 0, false
	}
	return float64(s.Result.Memory[0].RSS-s.Alone.Memory[0].RSS) / (1 << 10), true
}

// delivered is the share of the deliveries that came within the window, in percent.
func delivered(s sample) (float64, bool) {
	if s.Result == nil || s.Result.Due == 0 {
		return 0, false
	}
	return 100 * float64(s.Result.Requests) / float64(s.Result.Due), true
}
