package sock

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
)

// A version 2 header, PROXY protocol 2.2:
//
//	0        12         13         14       16            16+length
//	+--------+----------+----------+--------+-------------+
//	|signat. |ver|comm. |fam|proto | length | addr | TLVs |
//	+--------+----------+----------+--------+-------------+
const (
	proxyV2Signature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Fixed     = 16

	proxyCommandLocal = 0x20 // version 2 in the upper half
	proxyCommandProxy = 0x21

	proxyFamilyUnspec = 0x0
	proxyFamilyInet   = 0x1
	proxyFamilyInet6  = 0x2
	proxyFamilyUnix   = 0x3

	proxyTransportUnspec = 0x0
	proxyTransportStream = 0x1
	proxyTransportDgram  = 0x2

	proxyUnixPath = 108 // bytes of one address of proxyFamilyUnix
)

// proxyAddrLen is the length of the address block by family.
var proxyAddrLen = [...]int{
	proxyFamilyInet:  2 * (4 + 2),
	proxyFamilyInet6: 2 * (16 + 2),
	proxyFamilyUnix:  2 * proxyUnixPath,
}

func proxyV2Error(reason string) (ProxyHeader, int, error) {
	return ProxyHeader{}, 0, &ProtocolError{"PROXY protocol 2.2", reason}
}

func parseProxyV2(b []byte) (ProxyHeader, int, error) {
	if k := min(len(b), len(proxyV2Signature)); string(b[:k]) != proxyV2Signature[:k] {
		return ProxyHeader{}, 0, errNoProxyHeader
	}
	// What is wrong already is refused before the rest is there.
	if len(b) > 12 && b[12]>>4 != 2 {
		return proxyV2Error("the version is not 2")
	}
	if len(b) > 12 && b[12] != proxyCommandLocal && b[12] != proxyCommandProxy {
		return proxyV2Error("the command is neither LOCAL nor PROXY")
	}
	if len(b) < proxyV2Fixed {
		return ProxyHeader{}, 0, nil
	}
	n := proxyV2Fixed + int(binary.BigEndian.Uint16(b[14:]))
	if n > MaxProxyHeaderBytes {
		return ProxyHeader{}, 0, ErrProxyHeaderTooLarge
	}
	// PROXY protocol 2.2: the family of LOCAL is ignored, an unknown one of
	// PROXY is rejected.
	family, transport := b[13]>>4, b[13]&0xf
	local := b[12] == proxyCommandLocal
	if !local && (family > proxyFamilyUnix || transport > proxyTransportDgram) {
		return proxyV2Error("the address family or the transport is not a known one")
	}
	if len(b) < n {
		return ProxyHeader{}, 0, nil
	}
	h := ProxyHeader{Version: 2, Local: local}
	if local || family == proxyFamilyUnspec || transport == proxyTransportUnspec {
		// PROXY protocol 2.2: whatever is in the block is discarded.
		return h, n, nil
	}
	block := b[proxyV2Fixed:n]
	if len(block) < proxyAddrLen[family] {
		return proxyV2Error("the block is too short for its addresses")
	}
	h.setAddrs(family, transport, block)
	if tlvs := block[proxyAddrLen[family]:]; len(tlvs) > 0 {
		if err := checkProxyTLVs(b[:n], n-len(tlvs)); err != nil {
			return ProxyHeader{}, 0, err
		}
		h.TLVs = ProxyTLVs(tlvs[:len(tlvs):len(tlvs)])
	}
	return h, n, nil
}

// setAddrs reads the address block; the caller checked its length.
func (h *ProxyHeader) setAddrs(family, transport byte, block []byte) {
	h.Network = "tcp"
	if transport == proxyTransportDgram {
		h.Network = "udp"
	}
	switch family {
	case proxyFamilyInet:
		h.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(block)), binary.BigEndian.Uint16(block[8:]))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte(block[4:])), binary.BigEndian.Uint16(block[10:]))
	case proxyFamilyInet6:
		h.Source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(block)), binary.BigEndian.Uint16(block[32:]))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom16([16]byte(block[16:])), binary.BigEndian.Uint16(block[34:]))
	case proxyFamilyUnix:
		h.Network = "unix"
		if transport == proxyTransportDgram {
			h.Network = "unixgram"
		}
		h.SourcePath = unixPathOf(block[:proxyUnixPath])
		h.DestinationPath = unixPathOf(block[proxyUnixPath : 2*proxyUnixPath])
	}
}

// unixPathOf reads the sun_path of a sockaddr_un: text up to a zero byte, or a
// zero byte and an abstract name. "@" stands for that zero byte, so a file whose
// name begins with one is called by its other name, "./@file".
func unixPathOf(b []byte) string {
	if b[0] == 0 {
		name := bytes.TrimRight(b[1:], "\x00")
		if len(name) == 0 {
			return ""
		}
		return "@" + string(name)
	}
	path, _, _ := bytes.Cut(b, []byte{0})
	if path[0] == '@' {
		return "./" + string(path)
	}
	return string(path)
}

// appendUnixPath is the reverse of unixPathOf. It reports whether the path fits.
func appendUnixPath(dst []byte, path string) ([]byte, bool) {
	abstract := strings.HasPrefix(path, "@")
	if strings.HasPrefix(path, "./@") {
		path = path[len("./"):]
	}
	if len(path) > proxyUnixPath || !abstract && strings.IndexByte(path, 0) >= 0 {
		return dst, false
	}
	start := len(dst)
	dst = append(dst, path...)
	if abstract {
		dst[start] = 0
	}
	return append(dst, make([]byte, proxyUnixPath-len(path))...), true
}
