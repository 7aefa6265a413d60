// Package memnet is a network in memory, for tests: connected pairs of [net.Conn] and a [net.Listener] whose
// connections have a delay, a bandwidth and a bounded buffer.
//
// # Usage
//
//	client, server := memnet.Pipe(&memnet.Options{Delay: 20 * time.Millisecond})
//
//	ln := memnet.Listen(nil)
//	go srv.Serve(ctx, ln)
//	conn, err := ln.Dial(ctx)
//
// Inside a testing/synctest bubble the delays pass in virtual time, and a goroutine that waits in Read, Write, Accept
// or Dial is durably blocked.
//
// # Cancellation
//
// Reads and writes end with deadlines and Close, Dial with its context and with the end of the listener.
//
// # Limitations
//
// Bytes are neither lost nor reordered: this is a stream, as TCP is. A pair, and its listener, belong to one bubble.
package memnet
