package sock

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/burrownet/burrow/internal/wiretest"
)

// accountOf runs the parser over pieces as a driver does, and says what it found.
func accountOf(pieces iter.Seq[[]byte]) string {
	var buf []byte
	var events string
	for piece := range pieces {
		buf = append(buf, piece...)
		if events != "" {
			continue
		}
		h, n, err := ParseProxyHeader(buf)
		switch {
		case err != nil:
			return "error " + err.Error() + "\n"
		case n > 0:
			events = describe(h)
			buf = append([]byte(nil), buf[n:]...)
		}
	}
	if events == "" {
		return fmt.Sprintf("incomplete after %d bytes\n", len(buf))
	}
	return events + fmt.Sprintf("rest %d bytes %.20q\n", len(buf), buf)
}

func describe(h ProxyHeader) string {
	s := fmt.Sprintf("version %d", h.Version)
	if h.Local {
		s += " local"
	}
	switch h.Network {
	case "":
		s += " no addresses"
	case "tcp", "udp":
		s += fmt.Sprintf(" %s %v to %v", h.Network, h.Source, h.Destination)
	default:
		s += fmt.Sprintf(" %s %.20q to %.20q", h.Network, h.SourcePath, h.DestinationPath)
	}
	s += "\n"
	for typ, value := range h.TLVs.All() {
		s += fmt.Sprintf("tlv %#02x, %d bytes %.20q\n", typ, len(value), value)
	}
	if ssl, ok := h.TLVs.SSL(); ok {
		s += fmt.Sprintf("ssl %t %t %t %d verified %t\n", ssl.TLS, ssl.CertConn, ssl.CertSession, ssl.Verify, ssl.Verified())
		for typ, value := range ssl.TLVs.All() {
			s += fmt.Sprintf("ssl tlv %#02x %q\n", typ, value)
		}
	}
	return s
}

func TestProxyVectors(t *testing.T) {
	t.Parallel()
	for _, v := range wiretest.Vectors(t, "testdata/proxy/*.txtar") {
		t.Run(v.Name, func(t *testing.T) {
			v.Check(t, wiretest.Feed(t, v.Input, accountOf))
		})
	}
}

func TestProxyErrorKinds(t *testing.T) {
	t.Parallel()
	_, _, err := ParseProxyHeader([]byte("GET / HTTP/1.1\r\n"))
	if pe, ok := errors.AsType[*ProtocolError](err); !ok || pe.Rule != "PROXY protocol 2" {
		t.Errorf("%#v, want a *ProtocolError of PROXY protocol 2", err)
	}
	_, _, err = ParseProxyHeader([]byte(proxyV2Signature + "\x21\x11\xff\xff"))
	if !errors.Is(err, ErrProxyHeaderTooLarge) {
		t.Errorf("%v, want ErrProxyHeaderTooLarge", err)
	}
}

// Wrong bytes are refused when they are there, not when the header is complete.
func TestProxyRefusedEarly(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"G", "\x16", "\n", "PA", "\r\r", "\r\n\r\nG",
		proxyV2Signature + "\x11", proxyV2Signature + "\x22", proxyV2Signature + "\x21\x51\x00\x0c",
	} {
		if _, n, err := ParseProxyHeader([]byte(in)); err == nil {
			t.Errorf("ParseProxyHeader(%q) = %d, nil; want an error", in, n)
		}
	}
}

func TestAppendProxyHeader(t *testing.T) {
	t.Parallel()
	src4, dst4 := netip.MustParseAddrPort("192.0.2.1:56324"), netip.MustParseAddrPort("198.51.100.7:443")
	src6, dst6 := netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[2001:db8::2]:65535")
	tlvs := AppendProxyTLV(nil, ProxyTypeALPN, []byte("h2"))
	sum := AppendProxyTLV(tlvs, ProxyTypeCRC32C, make([]byte, 4))
	for _, h := range []ProxyHeader{
		{Version: 1},
		{Version: 1, Network: "tcp", Source: src4, Destination: dst4},
		{Version: 1, Network: "tcp", Source: src6, Destination: dst6},
		{Version: 2},
		{Version: 2, Local: true},
		{Version: 2, Network: "tcp", Source: src4, Destination: dst4, TLVs: tlvs},
		{Version: 2, Network: "udp", Source: src6, Destination: dst6, TLVs: sum},
		{Version: 2, Network: "unix", SourcePath: "/run/a", DestinationPath: "@name", TLVs: sum},
		{Version: 2, Network: "unixgram", SourcePath: strings.Repeat("x", 108)},
		{Version: 2, Network: "unix", SourcePath: "./@", DestinationPath: "./@" + strings.Repeat("x", 107)},
	} {
		b, err := AppendProxyHeader([]byte("before"), h)
		if err != nil {
			t.Errorf("%+v: %v", h, err)
			continue
		}
		b, ok := bytes.CutPrefix(b, []byte("before"))
		if !ok {
			t.Errorf("%+v: dst was not appended to", h)
		}
		got, n, err := ParseProxyHeader(b)
		if err != nil || n != len(b) {
			t.Errorf("%+v: parsed back %d of %d bytes, %v", h, n, len(b), err)
			continue
		}
		if v, ok := got.TLVs.Get(ProxyTypeCRC32C); ok {
			clear(v) // what it holds is not the caller's
		}
		if !reflect.DeepEqual(got, h) {
			t.Errorf("parsed back\n%+v\nwant\n%+v", got, h)
		}
	}
}

func TestAppendProxyHeaderErrors(t *testing.T) {
	t.Parallel()
	ap4, ap6 := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("[::1]:1")
	for _, tt := range []struct {
		h    ProxyHeader
		want string
	}{
		{ProxyHeader{}, "version 0"},
		{ProxyHeader{Version: 1, Network: "udp", Source: ap4, Destination: ap4}, "version 1 cannot say"},
		{ProxyHeader{Version: 1, Local: true}, "neither LOCAL"},
		{ProxyHeader{Version: 1, Network: "tcp", Source: ap4, Destination: ap6}, "not two addresses of one family"},
		{ProxyHeader{Version: 2, Network: "tcp", Source: ap6, Destination: ap4}, "not two addresses of one family"},
		{ProxyHeader{Version: 2, Network: "tcp", Source: ap4}, "no address"},
		{ProxyHeader{Version: 2, Network: "ip", Source: ap4, Destination: ap4}, `network "ip"`},
		{ProxyHeader{Version: 2, Network: "unix", SourcePath: strings.Repeat("x", 109)}, "more than 108 bytes"},
		{ProxyHeader{Version: 2, Network: "unix", DestinationPath: "a\x00b"}, "zero byte"},
		{ProxyHeader{Version: 2, Network: "tcp", Source: ap4, Destination: ap4, TLVs: ProxyTLVs{1, 0}}, "a TLV is longer"},
		{ProxyHeader{Version: 2, Network: "tcp", Source: ap4, Destination: ap4, TLVs: make(ProxyTLVs, 5000)}, "too large"},
	} {
		got, err := AppendProxyHeader([]byte("kept"), tt.h)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q in it", tt.h, err, tt.want)
		}
		if string(got) != "kept" {
			t.Errorf("%+v: dst became %q", tt.h, got)
		}
	}
}

func TestProxyTLVs(t *testing.T) {
	t.Parallel()
	var tlvs ProxyTLVs
	if tlvs.ALPN() != "" || tlvs.Authority() != "" || tlvs.UniqueID() != nil {
		t.Error("something in empty TLVs")
	}
	if _, ok := tlvs.SSL(); ok {
		t.Error("SSL in empty TLVs")
	}
	tlvs = AppendProxyTLV(tlvs, ProxyTypeALPN, []byte("h2"))
	tlvs = AppendProxyTLV(tlvs, ProxyTypeAuthority, []byte("example.com"))
	tlvs = AppendProxyTLV(tlvs, ProxyTypeUniqueID, []byte{1, 2})
	tlvs = AppendProxyTLV(tlvs, ProxyTypeSSL, []byte{1, 0, 0, 0, 1})
	if got := tlvs.ALPN(); got != "h2" {
		t.Errorf("ALPN = %q", got)
	}
	if got := tlvs.Authority(); got != "example.com" {
		t.Errorf("Authority = %q", got)
	}
	if got := tlvs.UniqueID(); !bytes.Equal(got, []byte{1, 2}) {
		t.Errorf("UniqueID = %v", got)
	}
	if s, ok := tlvs.SSL(); !ok || !s.TLS || s.CertConn || s.Verified() {
		t.Errorf("SSL = %+v, %t", s, ok)
	}
	// Of two entries the first counts; what is malformed ends the sequence.
	tlvs = append(AppendProxyTLV(tlvs, ProxyTypeALPN, []byte("no")), 9, 0)
	count := 0
	for range tlvs.All() {
		count++
	}
	if count != 5 || tlvs.ALPN() != "h2" {
		t.Errorf("%d entries, ALPN %q; want 5, h2", count, tlvs.ALPN())
	}
	if got := AppendProxyTLV(nil, 1, make([]byte, 70000)); len(got) != 3+65535 {
		t.Errorf("%d bytes, want 65538", len(got))
	}
}

func TestParseProxyHeaderAllocs(t *testing.T) {
	h := ProxyHeader{
		Version: 2, Network: "tcp", TLVs: AppendProxyTLV(nil, ProxyTypeALPN, []byte("h2")),
		Source: netip.MustParseAddrPort("192.0.2.1:1"), Destination: netip.MustParseAddrPort("192.0.2.2:2"),
	}
	b, err := AppendProxyHeader(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() { ParseProxyHeader(b) }); got != 0 {
		t.Errorf("%v allocations per version 2 header, want 0", got)
	}
}

func FuzzParseProxyHeader(f *testing.F) {
	for _, v := range wiretest.Vectors(f, "testdata/proxy/*.txtar") {
		f.Add(v.Input)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := ParseProxyHeader(b)
		if n < 0 || n > len(b) || n > MaxProxyHeaderBytes || err != nil && n != 0 {
			t.Fatalf("n = %d of %d, %v", n, len(b), err)
		}
		if n == 0 && err == nil && len(b) >= MaxProxyHeaderBytes {
			t.Fatalf("needs more than %d bytes", len(b))
		}
		// Less input changes nothing that is decided.
		for k := range min(len(b), 300) {
			_, nk, errk := ParseProxyHeader(b[:k])
			if nk != 0 && (nk != n || err != nil) || errk != nil && err == nil {
				t.Fatalf("%d bytes: %d, %v; all: %d, %v", k, nk, errk, n, err)
			}
		}
		if n == 0 {
			return
		}
		// And what was read can be written, and read again.
		out, err := AppendProxyHeader(nil, h)
		if err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		h2, n2, err := ParseProxyHeader(out)
		if err != nil || n2 != len(out) || !reflect.DeepEqual(h, h2) {
			t.Fatalf("%+v\nwritten and read is\n%+v, %d of %d, %v", h, h2, n2, len(out), err)
		}
	})
}

func BenchmarkParseProxyHeader(b *testing.B) {
	src, dst := netip.MustParseAddrPort("192.0.2.1:56324"), netip.MustParseAddrPort("198.51.100.7:443")
	for _, version := range []int{1, 2} {
		header, err := AppendProxyHeader(nil, ProxyHeader{Version: version, Network: "tcp", Source: src, Destination: dst})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint("v", version), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(header)))
			for b.Loop() {
				if _, n, _ := ParseProxyHeader(header); n == 0 {
					b.Fatal("not parsed")
				}
			}
		})
	}
}
