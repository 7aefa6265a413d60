//go:build linux

// Command relay stands between TFTP clients and a server and delivers each
// datagram later, in the order in which they came: -delay in either direction, so
// that a round trip takes twice as long more. Each client gets a port of its own
// towards the server, and what the server sends there comes back from the port
// that the client knows; the port that a transfer has on the server is learnt from
// its first answer, so that one port per transfer works as a single one does.
//
//	client:p <--> relay:front | relay:b <--> server:69, then server:q
//
// It runs until it is killed.
package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:6900", "`address` for the clients")
	to := flag.String("to", "127.0.0.1:69", "`address` of the server")
	delay := flag.Duration("delay", time.Millisecond, "how much later each datagram is delivered")
	flag.Parse()
	front, err := netip.ParseAddrPort(*listen)
	server, err2 := netip.ParseAddrPort(*to)
	if err != nil || err2 != nil || flag.NArg() > 0 || *delay < 0 {
		flag.Usage()
		os.Exit(2)
	}
	// Timers of a process are late by 50 us unless it asks for better.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "relay: timer slack:", err)
	}
	r, err := newRelay(front, server, *delay)
	if err == nil {
		err = r.run()
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
