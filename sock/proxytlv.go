package sock

import (
	"encoding/binary"
	"hash/crc32"
	"iter"
)

// The types of TLV that the PROXY protocol registers, section 2.2.
const (
	ProxyTypeALPN      = 0x01 // the ALPN protocol of the client's connection
	ProxyTypeAuthority = 0x02 // the host name that the client asked for (SNI)
	ProxyTypeCRC32C    = 0x03 // checksum of the whole header
	ProxyTypeNoop      = 0x04 // padding
	ProxyTypeUniqueID  = 0x05 // identifies the connection, at most 128 bytes
	ProxyTypeSSL       = 0x20 // ProxySSL
	ProxyTypeNetNS     = 0x30 // the name of the network namespace

	// Inside ProxyTypeSSL.
	ProxySubtypeSSLVersion = 0x21 // the TLS version, as text
	ProxySubtypeSSLCN      = 0x22 // common name of the client's certificate
	ProxySubtypeSSLCipher  = 0x23 // name of the cipher suite
	ProxySubtypeSSLSigAlg  = 0x24 // what signed the proxy's certificate
	ProxySubtypeSSLKeyAlg  = 0x25 // the key of the proxy's certificate
)

const (
	proxyTLVFixed    = 3 // type and length
	proxySSLFixed    = 5 // client and verify
	maxProxyUniqueID = 128
)

var crc32c = crc32.MakeTable(crc32.Castagnoli)

// ProxyTLVs is a sequence of type-length-value entries as it stands in the
// header; it is read when it is asked. Nil is an empty one. Values are borrowed
// from it. In a [ProxyHeader] that ParseProxyHeader returned it is well formed.
type ProxyTLVs []byte

// All yields the entries in order, up to the first malformed one.
func (t ProxyTLVs) All() iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for rest := []byte(t); len(rest) > 0; {
			value, next, ok := cutProxyTLV(rest)
			if !ok || !yield(rest[0], value) {
				return
			}
			rest = next
		}
	}
}

// Get returns the value of the first entry of that type.
func (t ProxyTLVs) Get(typ byte) (value []byte, ok bool) {
	for k, v := range t.All() {
		if k == typ {
			return v, true
		}
	}
	return nil, false
}

// ALPN returns the protocol that the client negotiated with the proxy, such as
// "h2", or "".
func (t ProxyTLVs) ALPN() string {
	v, _ := t.Get(ProxyTypeALPN)
	return string(v)
}

// Authority returns the host name that the client asked the proxy for (SNI), or
// "". It is what the client sent: not checked by anybody.
func (t ProxyTLVs) Authority() string {
	v, _ := t.Get(ProxyTypeAuthority)
	return string(v)
}

// UniqueID returns the proxy's identifier of the connection, or nil.
func (t ProxyTLVs) UniqueID() []byte {
	v, _ := t.Get(ProxyTypeUniqueID)
	return v
}

// ProxySSL is what the proxy says about TLS between the client and itself.
type ProxySSL struct {
	TLS         bool      // the client used TLS
	CertConn    bool      // it gave a certificate over this connection
	CertSession bool      // it gave a certificate at least once in this TLS session
	Verify      uint32    // 0: it gave a certificate and that was verified
	TLVs        ProxyTLVs // the ProxySubtypeSSL entries
}

// Verified reports whether the client gave a certificate that the proxy
// verified.
func (s ProxySSL) Verified() bool {
	return s.TLS && (s.CertConn || s.CertSession) && s.Verify == 0
}

// SSL returns what the proxy says about TLS, and whether it says anything.
func (t ProxyTLVs) SSL() (s ProxySSL, ok bool) {
	v, ok := t.Get(ProxyTypeSSL)
	if !ok || len(v) < proxySSLFixed {
		return ProxySSL{}, false
	}
	return ProxySSL{
		TLS:         v[0]&0x01 != 0,
		CertConn:    v[0]&0x02 != 0,
		CertSession: v[0]&0x04 != 0,
		Verify:      binary.BigEndian.Uint32(v[1:]),
		TLVs:        ProxyTLVs(v[proxySSLFixed:]),
	}, true
}

// AppendProxyTLV appends one entry. value is at most 65,535 bytes long; more is
// a mistake of the caller, cut off.
func AppendProxyTLV(dst ProxyTLVs, typ byte, value []byte) ProxyTLVs {
	value = value[:min(len(value), 0xffff)]
	dst = append(dst, typ, byte(len(value)>>8), byte(len(value)))
	return append(dst, value...)
}

// cutProxyTLV takes the first entry from b.
func cutProxyTLV(b []byte) (value, rest []byte, ok bool) {
	if len(b) < proxyTLVFixed {
		return nil, nil, false
	}
	n := proxyTLVFixed + int(binary.BigEndian.Uint16(b[1:]))
	if len(b) < n {
		return nil, nil, false
	}
	return b[proxyTLVFixed:n:n], b[n:], true
}

// checkProxyTLVs checks the entries of a whole version 2 header from offset
// start on.
func checkProxyTLVs(header []byte, start int) error {
	sums := 0
	for rest := header[start:]; len(rest) > 0; {
		value, next, ok := cutProxyTLV(rest)
		if !ok {
			return &ProtocolError{"PROXY protocol 2.2", "a TLV is longer than the header"}
		}
		switch rest[0] {
		case ProxyTypeCRC32C:
			if sums++; len(value) != 4 || sums > 1 {
				return &ProtocolError{"PROXY protocol 2.2.3", "not one checksum of 4 bytes"}
			}
			// PROXY protocol 2.2.3: a wrong checksum makes the connection invalid.
			if proxyChecksum(header, len(header)-len(next)-4) != binary.BigEndian.Uint32(value) {
				return &ProtocolError{"PROXY protocol 2.2.3", "the checksum is wrong"}
			}
		case ProxyTypeUniqueID:
			if len(value) > maxProxyUniqueID {
				return &ProtocolError{"PROXY protocol 2.2.5", "the unique ID is longer than 128 bytes"}
			}
		case ProxyTypeSSL:
			if !proxySSLWellFormed(value) {
				return &ProtocolError{"PROXY protocol 2.2.6", "the SSL value is malformed"}
			}
		}
		rest = next
	}
	return nil
}

func proxySSLWellFormed(v []byte) bool {
	if len(v) < proxySSLFixed {
		return false
	}
	for rest := v[proxySSLFixed:]; len(rest) > 0; {
		_, next, ok := cutProxyTLV(rest)
		if !ok {
			return false
		}
		rest = next
	}
	return true
}

// proxyChecksum is the CRC32c of the header with the four bytes at offset at
// taken as zero.
func proxyChecksum(header []byte, at int) uint32 {
	sum := crc32.Update(0, crc32c, header[:at])
	sum = crc32.Update(sum, crc32c, []byte{0, 0, 0, 0})
	return crc32.Update(sum, crc32c, header[at+4:])
}
