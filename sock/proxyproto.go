package sock

import (
	"bytes"
	"net/netip"
	"strconv"
)

// The PROXY protocol (HAProxy, "The PROXY protocol, versions 1 & 2") puts one
// header in front of a connection, in which a proxy says for whom it speaks:
//
//	client ---> proxy ---> server
//	                  |
//	                  +-- header | bytes of the client ...
//
// Version 1 is a line of text, version 2 a binary block.
const (
	// MaxProxyHeaderBytes limits a version 2 header, in bytes with everything
	// in it. The protocol allows 65,551, but the addresses need 232 at most and
	// the rest is what a proxy cares to add; a client certificate fits.
	MaxProxyHeaderBytes = 4096

	// PROXY protocol 2.1: the longest line, its CRLF included.
	maxProxyV1Bytes = 107

	proxyV1Prefix = "PROXY "
)

// ProxyHeader is a PROXY protocol header of either version. The zero value is
// not a header: Version must be set.
type ProxyHeader struct {
	// Version is 1 or 2.
	Version int

	// Local says that the proxy speaks for itself, as for a health check
	// (version 2, command LOCAL).
	Local bool

	// Network is what the client spoke to the proxy: "tcp", "udp", "unix" or
	// "unixgram". It is empty when the header gives no addresses (Local, UNKNOWN
	// in version 1, UNSPEC in version 2): then the connection's own addresses
	// are the right ones.
	Network string

	// Source is the client's address and Destination the one that it connected
	// to, as they were sent: an IPv4 address mapped into IPv6 stays one. Both
	// are valid for "tcp" and "udp" and the zero AddrPort otherwise.
	Source, Destination netip.AddrPort

	// SourcePath and DestinationPath are the addresses for "unix" and
	// "unixgram"; empty for an unnamed socket, "@name" for an abstract one and
	// "./@name" for a file of the name "@name".
	SourcePath, DestinationPath string

	// TLVs is what a version 2 header adds to the addresses. Nil without
	// addresses.
	TLVs ProxyTLVs
}

// ParseProxyHeader reads the PROXY protocol header, of either version, that b
// begins with, and returns how many bytes it takes. n == 0 and a nil error: b
// is the beginning of a header, more bytes are needed (never more than
// MaxProxyHeaderBytes in all). Any error means that the connection must be
// closed: a *ProtocolError for bytes that are no valid header, and
// ErrProxyHeaderTooLarge.
//
// h.TLVs is borrowed from b. The checksum of a version 2 header is verified
// when there is one.
func ParseProxyHeader(b []byte) (h ProxyHeader, n int, err error) {
	if len(b) == 0 {
		return ProxyHeader{}, 0, nil
	}
	switch b[0] {
	case proxyV1Prefix[0]:
		return parseProxyV1(b)
	case proxyV2Signature[0]:
		return parseProxyV2(b)
	}
	// PROXY protocol 2.2: whatever else is not covered, the connection must be
	// dropped.
	return ProxyHeader{}, 0, errNoProxyHeader
}

var errNoProxyHeader = &ProtocolError{"PROXY protocol 2", "the peer did not begin with a PROXY protocol header"}

func proxyV1Error(reason string) (ProxyHeader, int, error) {
	return ProxyHeader{}, 0, &ProtocolError{"PROXY protocol 2.1", reason}
}

// parseProxyV1 reads
//
//	PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n
//	PROXY UNKNOWN anything\r\n
func parseProxyV1(b []byte) (ProxyHeader, int, error) {
	if k := min(len(b), len(proxyV1Prefix)); string(b[:k]) != proxyV1Prefix[:k] {
		return ProxyHeader{}, 0, errNoProxyHeader
	}
	end := bytes.IndexByte(b[:min(len(b), maxProxyV1Bytes)], '\n')
	if end < 0 {
		// PROXY protocol 2.1: no CRLF in the first 107 bytes is invalid.
		if len(b) >= maxProxyV1Bytes {
			return proxyV1Error("no CRLF in the first 107 bytes")
		}
		return ProxyHeader{}, 0, nil
	}
	// PROXY protocol 2.1: a single CR or LF must not be tolerated.
	line := b[len(proxyV1Prefix):end]
	if cr := bytes.IndexByte(line, '\r'); cr < 0 || cr != len(line)-1 {
		return proxyV1Error("the line does not end in one CRLF")
	}
	line = line[:len(line)-1]
	n := end + 1

	family, rest, spaced := bytes.Cut(line, []byte{' '})
	switch string(family) {
	case "UNKNOWN":
		// PROXY protocol 2.1: anything after it must be ignored.
		return ProxyHeader{Version: 1}, n, nil
	case "TCP4", "TCP6":
	default:
		return proxyV1Error("the family is not TCP4, TCP6 or UNKNOWN")
	}
	fields := bytes.Split(rest, []byte{' '})
	if !spaced || len(fields) != 4 {
		return proxyV1Error("not two addresses and two ports, one space between them")
	}
	h := ProxyHeader{Version: 1, Network: "tcp"}
	is4 := string(family) == "TCP4"
	var ok1, ok2 bool
	h.Source, ok1 = parseProxyV1Addr(fields[0], fields[2], is4)
	h.Destination, ok2 = parseProxyV1Addr(fields[1], fields[3], is4)
	if !ok1 || !ok2 {
		return proxyV1Error("an address or port is malformed or not of the family")
	}
	return h, n, nil
}

func parseProxyV1Addr(addr, port []byte, is4 bool) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(string(addr)) // refuses leading zeroes
	if err != nil || ip.Zone() != "" || ip.Is4() != is4 {
		return netip.AddrPort{}, false
	}
	// PROXY protocol 2.1: a decimal integer, leading zeroes are not permitted.
	p, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip, uint16(p)), true
}
