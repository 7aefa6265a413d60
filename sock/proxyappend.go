package sock

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
)

// AppendProxyHeader appends h as it stands on the wire, in the version that it
// names. Without a Network no addresses are sent: UNKNOWN in version 1, UNSPEC
// in version 2, and no TLVs then. A ProxyTypeCRC32C entry of 4 bytes among the
// TLVs, whatever it holds, is filled in. An error leaves dst as it was.
func AppendProxyHeader(dst []byte, h ProxyHeader) ([]byte, error) {
	switch h.Version {
	case 1:
		return appendProxyV1(dst, h)
	case 2:
		return appendProxyV2(dst, h)
	}
	return dst, fmt.Errorf("sock: append PROXY header: version %d is not 1 or 2", h.Version)
}

func appendProxyV1(dst []byte, h ProxyHeader) ([]byte, error) {
	if len(h.TLVs) > 0 || h.Local {
		return dst, fmt.Errorf("sock: append PROXY header: version 1 has neither LOCAL nor TLVs")
	}
	switch h.Network {
	case "":
		return append(dst, "PROXY UNKNOWN\r\n"...), nil
	case "tcp":
	default:
		return dst, fmt.Errorf("sock: append PROXY header: version 1 cannot say %q", h.Network)
	}
	family, err := proxyFamilyOf(h)
	if err != nil {
		return dst, err
	}
	dst = append(dst, "PROXY TCP4 "...)
	if family == proxyFamilyInet6 {
		dst[len(dst)-2] = '6'
	}
	dst = h.Source.Addr().WithZone("").AppendTo(dst)
	dst = append(dst, ' ')
	dst = h.Destination.Addr().WithZone("").AppendTo(dst)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(h.Source.Port()), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(h.Destination.Port()), 10)
	return append(dst, "\r\n"...), nil
}

func appendProxyV2(dst []byte, h ProxyHeader) ([]byte, error) {
	start := len(dst)
	out := append(dst, proxyV2Signature...)
	if h.Local || h.Network == "" {
		command := byte(proxyCommandProxy)
		if h.Local {
			command = proxyCommandLocal
		}
		return append(out, command, 0, 0, 0), nil
	}
	family, err := proxyFamilyOf(h)
	if err != nil {
		return dst, err
	}
	transport := byte(proxyTransportStream)
	if h.Network == "udp" || h.Network == "unixgram" {
		transport = proxyTransportDgram
	}
	block := proxyAddrLen[family] + len(h.TLVs)
	if proxyV2Fixed+block > MaxProxyHeaderBytes {
		return dst, ErrProxyHeaderTooLarge
	}
	out = append(out, proxyCommandProxy, family<<4|transport, byte(block>>8), byte(block))
	if family == proxyFamilyUnix {
		var ok1, ok2 bool
		out, ok1 = appendUnixPath(out, h.SourcePath)
		out, ok2 = appendUnixPath(out, h.DestinationPath)
		if !ok1 || !ok2 {
			return dst, fmt.Errorf("sock: append PROXY header: a unix path has a zero byte or more than %d bytes", proxyUnixPath)
		}
	} else {
		out = append(out, h.Source.Addr().AsSlice()...)
		out = append(out, h.Destination.Addr().AsSlice()...)
		out = binary.BigEndian.AppendUint16(out, h.Source.Port())
		out = binary.BigEndian.AppendUint16(out, h.Destination.Port())
	}
	tlvs := len(out) - start
	out = append(out, h.TLVs...)
	fillProxyChecksum(out[start:], tlvs)
	if err := checkProxyTLVs(out[start:], tlvs); err != nil {
		return dst, fmt.Errorf("sock: append PROXY header: %w", err)
	}
	return out, nil
}

// fillProxyChecksum computes the checksum entry, if there is one among the TLVs
// that begin at offset start.
func fillProxyChecksum(header []byte, start int) {
	for rest := header[start:]; len(rest) > 0; {
		value, next, ok := cutProxyTLV(rest)
		if !ok {
			return // checkProxyTLVs says so
		}
		if rest[0] == ProxyTypeCRC32C && len(value) == 4 {
			binary.BigEndian.PutUint32(value, proxyChecksum(header, len(header)-len(next)-4))
			return
		}
		rest = next
	}
}

// proxyFamilyOf returns the version 2 family of h, whose Network is set. Both
// addresses must be of one family.
func proxyFamilyOf(h ProxyHeader) (byte, error) {
	switch h.Network {
	case "tcp", "udp":
		src, dst := h.Source.Addr(), h.Destination.Addr()
		if !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() {
			return 0, fmt.Errorf("sock: append PROXY header: %v and %v are not two addresses of one family", addrText(src), addrText(dst))
		}
		if src.Is4() {
			return proxyFamilyInet, nil
		}
		return proxyFamilyInet6, nil
	case "unix", "unixgram":
		return proxyFamilyUnix, nil
	}
	return 0, fmt.Errorf("sock: append PROXY header: network %q is not tcp, udp, unix or unixgram", h.Network)
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return "no address"
	}
	return a.String()
}
