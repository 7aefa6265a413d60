//go:build linux

package main

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
}
