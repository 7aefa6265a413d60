package sock

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// DefaultSelfSignedValidity is how long a self-signed certificate is valid when
// SelfSignedOptions.Validity is 0: long enough for a test machine, too short to
// be forgotten. It is made anew at each start anyway.
const DefaultSelfSignedValidity = 90 * 24 * time.Hour

// clockSkew is how far a client's clock may be behind ours.
const clockSkew = time.Hour

// SelfSignedOptions are the options of [SelfSigned].
type SelfSignedOptions struct {
	// Hosts are the DNS names (a "*." label in front is a wildcard) and IP
	// addresses that the certificate is for. Empty means localhost, 127.0.0.1,
	// ::1, and the name and addresses of this machine.
	Hosts []string

	// Validity is how long it is valid from now on. 0 means
	// DefaultSelfSignedValidity; a negative one is an error.
	Validity time.Duration
}

// SelfSigned makes a key (ECDSA P-256) and a certificate that it signs itself,
// for tests and first steps: no client trusts it until it is told to, which the
// [Fingerprint] helps with. The key is in memory only. opts may be nil.
func SelfSigned(opts *SelfSignedOptions) (tls.Certificate, error) {
	if opts == nil {
		opts = &SelfSignedOptions{}
	}
	template, err := selfSignedTemplate(opts, time.Now())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sock: self-signed certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sock: self-signed certificate: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sock: self-signed certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sock: self-signed certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func selfSignedTemplate(opts *SelfSignedOptions, now time.Time) (*x509.Certificate, error) {
	validity := opts.Validity
	switch {
	case validity < 0:
		return nil, fmt.Errorf("validity %v is negative", validity)
	case validity == 0:
		validity = DefaultSelfSignedValidity
	}
	hosts := opts.Hosts
	if len(hosts) == 0 {
		hosts = defaultHosts()
	}
	c := &x509.Certificate{
		Subject:               pkix.Name{CommonName: hosts[0], Organization: []string{"self-signed"}},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
			c.IPAddresses = append(c.IPAddresses, ip.AsSlice())
			continue
		}
		if !isDNSName(strings.TrimPrefix(host, "*.")) {
			return nil, fmt.Errorf("%q is neither an IP address nor a DNS name (write xn-- names for letters beyond ASCII)", host)
		}
		c.DNSNames = append(c.DNSNames, host)
	}
	return c, nil
}

func defaultHosts() []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	// A machine may have a name that no certificate can carry; it does without.
	if name, err := os.Hostname(); err == nil && isDNSName(name) && !slices.Contains(hosts, name) {
		hosts = append(hosts, name)
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() && len(hosts) < maxDefaultHosts {
			hosts = append(hosts, p.Addr().String())
		}
	}
	return hosts
}

// maxDefaultHosts keeps the certificate of a machine with very many addresses
// small: it travels with each handshake.
const maxDefaultHosts = 64

// isDNSName reports whether name can be a dNSName of a certificate.
// RFC 5280 4.2.1.6: the preferred name syntax of RFC 1034 3.5, in which labels
// may begin with a digit (RFC 1123 2.1). Underscores occur in practice.
func isDNSName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// Fingerprint returns the SHA-256 digest of the certificate (of its first link,
// the server's own) as browsers and openssl show it: 32 hexadecimal bytes with
// colons between. It is "" when there is no certificate.
func Fingerprint(cert tls.Certificate) string {
	if len(cert.Certificate) == 0 {
		return ""
	}
	sum := sha256.Sum256(cert.Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}
