package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// announce tells what is served, where to open it, and how to let others in.
func announce(t *terminal, dir string, listeners []net.Listener, secure bool, fingerprint string) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Serving %s\n", t.style("1", printable(dir)))
	open := false
	var port uint16
	for _, ln := range listeners {
		for _, place := range places(ln.Addr(), secure) {
			fmt.Fprintf(&b, "  %s\n", t.style("36", place))
		}
		if addr, ok := tcpAddr(ln.Addr()); ok {
			port = addr.Port()
			open = open || !addr.Addr().IsLoopback()
		}
	}
	if fingerprint != "" {
		fmt.Fprintf(&b, "The certificate was made for this run, so browsers warn. Go on if it shows this SHA-256 fingerprint:\n  %s\n", fingerprint)
	}
	if port != 0 && !open {
		fmt.Fprintf(&b, "Only this machine can open it. To let the network in: --listen :%d\n", port)
	}
	b.WriteString("Ctrl-C stops.\n")
	fmt.Fprint(t.err, b.String())
}

// printable keeps the bytes of a name from moving the cursor.
func printable(name string) string {
	quoted := strconv.Quote(name)
	if inner := quoted[1 : len(quoted)-1]; inner != name {
		return quoted
	}
	return name
}

func tcpAddr(addr net.Addr) (netip.AddrPort, bool) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	a := tcp.AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), true
}

// places are the URLs under which a listener can be opened.
func places(addr net.Addr, secure bool) []string {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	tcp, ok := tcpAddr(addr)
	switch {
	case !ok && addr.Network() == "unix":
		return []string{"curl --unix-socket " + printable(addr.String()) + " " + scheme + "localhost/"}
	case !ok:
		return []string{addr.String()}
	case !tcp.Addr().IsUnspecified():
		return []string{scheme + tcp.String() + "/"}
	}
	urls := []string{scheme + "localhost:" + strconv.Itoa(int(tcp.Port())) + "/"}
	for _, ip := range networkAddrs() {
		urls = append(urls, scheme+netip.AddrPortFrom(ip, tcp.Port()).String()+"/")
	}
	return urls
}

// maxPlaces is how many of this machine's addresses are shown.
const maxPlaces = 4

// networkAddrs are the addresses others may know this machine by: IPv4 ones, as
// those are what people type, or else IPv6 ones.
func networkAddrs() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var v4, v6 []netip.Addr
	for _, addr := range addrs {
		prefix, err := netip.ParsePrefix(addr.String())
		if err != nil || !prefix.Addr().IsGlobalUnicast() {
			continue
		}
		if ip := prefix.Addr(); ip.Is4() {
			v4 = append(v4, ip)
		} else {
			v6 = append(v6, ip)
		}
	}
	if len(v4) == 0 {
		v4 = v6
	}
	return v4[:min(len(v4), maxPlaces)]
}
