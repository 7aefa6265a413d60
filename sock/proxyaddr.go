package sock

import (
	"net"
	"net/netip"
)

// proxyAddr gives an address of a header its net.Addr; own is the connection's,
// for a header without addresses.
func proxyAddr(network string, addr netip.AddrPort, path string, own net.Addr) net.Addr {
	switch network {
	case "tcp":
		return net.TCPAddrFromAddrPort(addr)
	case "udp":
		return net.UDPAddrFromAddrPort(addr)
	case "unix", "unixgram":
		return &net.UnixAddr{Net: network, Name: path}
	}
	return own
}
