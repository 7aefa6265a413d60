package sock

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// ServerTLS returns a server's TLS configuration (TLS 1.2 and later) with the
// certificate chain and key of two PEM files; one file may hold both. The
// caller may change it before first use, for NextProtos or client certificates.
//
// The files are looked at again during handshakes, at most once per second, and
// a new pair replaces the old one. A new pair that does not work is logged to
// slog.Default(), once, and the old one kept.
//
// The error says which file is at fault and wraps the cause (fs.ErrNotExist,
// fs.ErrPermission). It is an error when the certificate has expired, is not
// valid yet or belongs to another key, and when the key is encrypted.
func ServerTLS(certFile, keyFile string) (*tls.Config, error) {
	f := &certFiles{certFile: certFile, keyFile: keyFile, start: time.Now()}
	if err := f.load(); err != nil {
		return nil, fmt.Errorf("sock: load certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: f.getCertificate}, nil
}

// loadPair reads and checks a certificate and its key.
func loadPair(certFile, keyFile string, now time.Time) (*tls.Certificate, error) {
	certPEM, err := readPEM(certFile)
	if err != nil {
		return nil, err
	}
	keyPEM, err := readPEM(keyFile)
	if err != nil {
		return nil, err
	}
	if !hasBlock(certPEM, "CERTIFICATE") {
		return nil, fmt.Errorf("%s: no certificate in it%s", certFile, swapHint(keyPEM))
	}
	if err := checkKeyPEM(keyFile, keyPEM); err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s and %s do not work together: %w", certFile, keyFile, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", certFile, err)
		}
	}
	switch leaf := cert.Leaf; {
	case now.After(leaf.NotAfter):
		return nil, fmt.Errorf("%s: the certificate expired at %s: renew it", certFile, leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return nil, fmt.Errorf("%s: the certificate is not valid before %s: check the clock", certFile, leaf.NotBefore.Format(time.RFC3339))
	}
	return &cert, nil
}

// maxPEMBytes bounds what is read from a file, in bytes: a chain and a key are a
// few kilobytes.
const maxPEMBytes = 1 << 20

func readPEM(file string) ([]byte, error) {
	fi, err := os.Stat(file)
	if err == nil && fi.IsDir() {
		return nil, fmt.Errorf("%s is a folder, not a PEM file", file)
	}
	if err == nil && fi.Size() > maxPEMBytes {
		return nil, fmt.Errorf("%s: %d bytes are too many for a PEM file", file, fi.Size())
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(file)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: let the user of this program read it", err)
	}
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(b); block == nil {
		return nil, fmt.Errorf("%s: not PEM (a text that begins with -----BEGIN): convert DER or PFX with openssl", file)
	}
	return b, nil
}

// checkKeyPEM says what crypto/tls says less clearly.
func checkKeyPEM(file string, b []byte) error {
	for block := range pemBlocks(b) {
		// RFC 1421 4.6.1.1 and RFC 7468 11: the two forms of an encrypted key.
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return fmt.Errorf("%s: the key is encrypted: decrypt it with openssl pkey -in %s -out KEY", file, file)
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil
		}
	}
	return fmt.Errorf("%s: no private key in it", file)
}

// swapHint is what to say about a certificate file without a certificate.
func swapHint(keyPEM []byte) string {
	if hasBlock(keyPEM, "CERTIFICATE") {
		return ": are the two files swapped?"
	}
	return ""
}

func hasBlock(b []byte, typ string) bool {
	for block := range pemBlocks(b) {
		if block.Type == typ {
			return true
		}
	}
	return false
}

// pemBlocks yields the blocks of a PEM text.
func pemBlocks(b []byte) func(yield func(*pem.Block) bool) {
	return func(yield func(*pem.Block) bool) {
		for rest := bytes.Clone(b); ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil || !yield(block) {
				return
			}
		}
	}
}
