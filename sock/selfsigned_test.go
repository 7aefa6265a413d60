package sock

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func TestSelfSigned(t *testing.T) {
	t.Parallel()
	now := time.Now()
	cert, err := SelfSigned(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := cert.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		t.Errorf("key is a %T, want ECDSA P-256", cert.PrivateKey)
	}
	leaf := cert.Leaf
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && isDNSName(name) {
		hosts = append(hosts, name)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p := netip.MustParsePrefix(a.String()); p.Addr().IsGlobalUnicast() && len(hosts) < maxDefaultHosts {
			hosts = append(hosts, p.Addr().String())
		}
	}
	for _, host := range hosts {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if err := leaf.VerifyHostname("example.com"); err == nil {
		t.Error("valid for example.com")
	}
	if want := now.Add(90 * 24 * time.Hour); leaf.NotAfter.Before(want.Add(-time.Second)) || leaf.NotAfter.After(want.Add(time.Minute)) {
		t.Errorf("valid until %v, want %v", leaf.NotAfter, want)
	}
	if !leaf.NotBefore.Before(now) {
		t.Errorf("valid from %v, want some time ago", leaf.NotBefore)
	}
	if leaf.IsCA {
		t.Error("may sign other certificates")
	}
	other, err := SelfSigned(nil)
	if err != nil {
		t.Fatal(err)
	}
	if key.Equal(other.PrivateKey) || Fingerprint(cert) == Fingerprint(other) {
		t.Error("two calls made the same")
	}
}

// A client that is told to trust it can talk to it, in both TLS versions.
func TestSelfSignedHandshake(t *testing.T) {
	t.Parallel()
	cert, err := SelfSigned(&SelfSignedOptions{Hosts: []string{"*.example.test", "192.0.2.1"}, Validity: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, host := range []string{"a.example.test", "192.0.2.1"} {
			_, err := handshake(t, &tls.Config{Certificates: []tls.Certificate{cert}},
				&tls.Config{RootCAs: roots, ServerName: host, MaxVersion: version})
			if err != nil {
				t.Errorf("%s, %s: %v", host, tls.VersionName(version), err)
			}
		}
	}
	_, err = handshake(t, &tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err == nil {
		t.Error("accepted for a host that it is not for")
	}
}

// handshake returns the certificate that the client got.
func handshake(t *testing.T, server, client *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	// Real sockets: they have buffers, so that an alert need not be waited for.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := ln.Accept(); err == nil {
			tls.Server(c, server).Handshake()
			c.Close()
		}
	}()
	defer func() { <-done }()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		ln.Close()
		t.Fatal(err)
	}
	defer nc.Close()
	c := tls.Client(nc, client)
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	return c.ConnectionState().PeerCertificates[0], nil
}

func TestSelfSignedErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opts SelfSignedOptions
		want string
	}{
		{SelfSignedOptions{Validity: -1}, "negative"},
		{SelfSignedOptions{Hosts: []string{"ok", ""}}, `"" is neither`},
		{SelfSignedOptions{Hosts: []string{"a b"}}, `"a b" is neither`},
		{SelfSignedOptions{Hosts: []string{"localhost:443"}}, "neither"},
		{SelfSignedOptions{Hosts: []string{"bücher.example"}}, "xn--"},
		{SelfSignedOptions{Hosts: []string{"fe80::1%lo"}}, "neither"},
		{SelfSignedOptions{Hosts: []string{"a..b"}}, "neither"},
		{SelfSignedOptions{Hosts: []string{"-a"}}, "neither"},
		{SelfSignedOptions{Hosts: []string{strings.Repeat("a", 64)}}, "neither"},
		{SelfSignedOptions{Hosts: []string{strings.Repeat("a.", 130)}}, "neither"},
		{SelfSignedOptions{Hosts: []string{"a.*.b"}}, "neither"},
	} {
		if _, err := SelfSigned(&tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q in an error", tt.opts, err, tt.want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	if got := Fingerprint(tls.Certificate{}); got != "" {
		t.Errorf("of nothing = %q", got)
	}
	sum := sha256.Sum256([]byte("abc"))
	got := Fingerprint(tls.Certificate{Certificate: [][]byte{[]byte("abc"), []byte("issuer")}})
	if !strings.HasPrefix(got, "BA:78:16:BF:") || len(got) != 95 {
		t.Errorf("Fingerprint = %q", got)
	}
	if plain := strings.ToLower(strings.ReplaceAll(got, ":", "")); plain != hex.EncodeToString(sum[:]) {
		t.Errorf("Fingerprint = %q, want the bytes %x", got, sum)
	}
}
