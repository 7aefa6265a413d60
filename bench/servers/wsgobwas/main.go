//go:build linux

// Command wsgobwas is gobwas/ws's server in the comparison: its upgrade without
// net/http, its frames as the low-level example of its documentation reads them, but
// buffered. A goroutine reads each connection; with -epoll a loop reads those that
// have something, into buffers that it owns.
package main

import (
	"bufio"
	"flag"
	"log"
	"net"

	"github.com/burrownet/burrow/bench/internal/wspeer"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

func main() {
	epoll := flag.Bool("epoll", false, "no goroutine for each connection; not with -tls-self-signed")
	ln, options, err := wspeer.Start()
	if err != nil {
		log.Fatal(err)
	}
	if options.Broadcast {
		log.Fatal("wsgobwas: the library has nothing for broadcasts")
	}
	serve := func(c net.Conn) {
		defer c.Close()
		for r := bufio.NewReader(c); echo(c, r) == nil; {
		}
	}
	if *epoll {
		p, err := newPoller()
		if err != nil {
			log.Fatal(err)
		}
		go func() { log.Fatal(p.run()) }()
		serve = p.add
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			if upgrade(c, options.Compress) != nil {
				c.Close()
				return
			}
			serve(c)
		}()
	}
}

func upgrade(c net.Conn, compress bool) error {
	var u ws.Upgrader
	if compress {
		u.Negotiate = (&wsflate.Extension{Parameters: wsflate.DefaultParameters}).Negotiate
	}
	_, err := u.Upgrade(c)
	return err
}
