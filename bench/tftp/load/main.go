//go:build linux

// Command load is the client of the TFTP comparison: one or many fetches of one
// file at once, on one goroutine, that count and acknowledge what comes, and
// compare the checksum of some. It prints what it measured as JSON (report.Result)
// on stdout.
//
// With -pid it also reads processor time and memory of that process and of those
// that it starts, when the first request goes and when the last block has come:
// the last ACK of a single fetch waits for that.
//
// Exit status: 0 measured, 1 failed, 2 wrong usage.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"time"
)

// options is the command line.
type options struct {
	addr    string
	file    string
	size    int64
	sum     string
	blksize int
	window  int
	clients int
	verify  int
	spin    bool
	pid     int
	timeout time.Duration

	server netip.AddrPort
	want   uint32
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:69", "`address` of the server")
	flag.StringVar(&o.file, "file", "", "what to fetch")
	flag.Int64Var(&o.size, "size", 0, "how long it is, in `bytes`")
	flag.StringVar(&o.sum, "sum", "0", "its CRC-32C, in hexadecimal")
	flag.IntVar(&o.blksize, "blksize", 0, "block size to ask for; 0: none")
	flag.IntVar(&o.window, "windowsize", 0, "window size to ask for; 0: none")
	flag.IntVar(&o.clients, "clients", 1, "fetches at once; more than one: each from an address of its own")
	flag.IntVar(&o.verify, "verify", 1, "how many of them compare the checksum; the others the length")
	flag.BoolVar(&o.spin, "spin", false, "do not sleep; for a single client with a core of its own")
	flag.IntVar(&o.pid, "pid", 0, "the server's process")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute, "when to give up")
	flag.Parse()
	sum, err := strconv.ParseUint(o.sum, 16, 32)
	if err == nil {
		o.server, err = netip.ParseAddrPort(o.addr)
	}
	if err != nil || flag.NArg() > 0 || o.clients < 1 || o.clients > maxClients || o.file == "" || o.spin && o.clients > 1 {
		flag.Usage()
		os.Exit(2)
	}
	o.want = uint32(sum)
	debug.SetGCPercent(-1) // it allocates next to nothing once it runs
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o *options) error {
	c, err := newCrowd(o)
	if err != nil {
		return err
	}
	defer c.close()
	result, err := c.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}
