package sock

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pair is a certificate with its key, as files have them.
type pair struct{ cert, key []byte }

func newPair(t *testing.T) pair {
	t.Helper()
	c, err := SelfSigned(&SelfSignedOptions{Hosts: []string{"localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

// write replaces the file by another of that content, as tools do that renew.
func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// served returns the certificate that a handshake gives, as PEM.
func served(t *testing.T, c *tls.Config) []byte {
	t.Helper()
	leaf, err := handshake(t, c, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})
}

func TestServerTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := newPair(t)
	certFile, keyFile, both := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "both.pem")
	write(t, certFile, p.cert)
	write(t, keyFile, p.key)
	write(t, both, append(bytes.Clone(p.key), p.cert...))
	for _, files := range [][2]string{{certFile, keyFile}, {both, both}} {
		c, err := ServerTLS(files[0], files[1])
		if err != nil {
			t.Fatal(err)
		}
		if c.MinVersion != tls.VersionTLS12 {
			t.Errorf("MinVersion = %s", tls.VersionName(c.MinVersion))
		}
		if got := served(t, c); !bytes.Equal(got, p.cert) {
			t.Errorf("served\n%s\nwant\n%s", got, p.cert)
		}
	}
}

func TestServerTLSErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, other := newPair(t), newPair(t)
	block, _ := pem.Decode(p.key)
	file := func(name string, b []byte) string {
		write(t, filepath.Join(dir, name), b)
		return filepath.Join(dir, name)
	}
	cert, key := file("cert", p.cert), file("key", p.key)
	for _, tt := range []struct {
		name, cert, key string
		is              error
		want            []string
	}{
		{"no certificate file", dir + "/none", key, fs.ErrNotExist, []string{"/none"}},
		{"no key file", cert, dir + "/none", fs.ErrNotExist, []string{"/none"}},
		{"folder", dir, key, nil, []string{dir + " is a folder"}},
		{"other key", cert, file("other", other.key), nil, []string{cert, "/other do not work together", "does not match"}},
		{"swapped", key, cert, nil, []string{key + ": no certificate in it: are the two files swapped?"}},
		{"no certificate", key, key, nil, []string{key + ": no certificate in it"}},
		{"no key", cert, cert, nil, []string{cert + ": no private key in it"}},
		{"not PEM", file("der", block.Bytes), key, nil, []string{"/der: not PEM"}},
		{"empty", file("empty", nil), key, nil, []string{"/empty: not PEM"}},
		{"huge", file("huge", make([]byte, maxPEMBytes+1)), key, nil, []string{"too many"}},
		{
			"encrypted", cert, file("enc", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}})), nil,
			[]string{"/enc: the key is encrypted: decrypt it with openssl pkey -in "},
		},
		{
			"encrypted, old form", cert, file("enc1", pem.EncodeToMemory(&pem.Block{
				Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte{1},
			})), nil, []string{"/enc1: the key is encrypted"},
		},
		{
			"broken certificate", file("broken", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}})), key, nil,
			[]string{"/broken"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ServerTLS(tt.cert, tt.key)
			if err == nil {
				t.Fatal("no error")
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			for _, want := range append(tt.want, "sock: load certificate: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

func TestServerTLSPermission(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("this user may read every file")
	}
	p := newPair(t)
	file := filepath.Join(t.TempDir(), "cert")
	write(t, file, append(p.cert, p.key...))
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	_, err := ServerTLS(file, file)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "let the user of this program read it") {
		t.Errorf("%v, want fs.ErrPermission", err)
	}
}

func TestServerTLSValidity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "cert")
		p := newPair(t)
		write(t, file, append(p.cert, p.key...))
		now := time.Now()
		for _, tt := range []struct {
			at   time.Duration
			want string
		}{
			{0, ""},
			{DefaultSelfSignedValidity - time.Minute, ""},
			{DefaultSelfSignedValidity + time.Minute, "the certificate expired at 2000-"},
			{-2 * time.Hour, "the certificate is not valid before 1999-"},
		} {
			_, err := loadPair(file, file, now.Add(tt.at))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("after %v: %v", tt.at, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("after %v: %v, want %q in an error", tt.at, err, tt.want)
			}
		}
	})
}

// Not parallel: it looks at what is logged to the default logger.
func TestServerTLSReload(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		certFile, keyFile := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
		first, second := newPair(t), newPair(t)
		write(t, certFile, first.cert)
		write(t, keyFile, first.key)
		c, err := ServerTLS(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, want pair, logged int) {
			t.Helper()
			if got := served(t, c); !bytes.Equal(got, want.cert) {
				t.Errorf("%s: served another certificate", what)
			}
			if got := strings.Count(log.String(), "level=ERROR"); got != logged {
				t.Errorf("%s: %d errors were logged, want %d:\n%s", what, got, logged, log.String())
			}
		}
		check("at the start", first, 0)
		write(t, certFile, second.cert)
		time.Sleep(recheckEvery - time.Millisecond)
		check("within the second", first, 0)
		time.Sleep(recheckEvery)
		check("half of the new pair", first, 1)
		time.Sleep(recheckEvery)
		check("half of the new pair, again", first, 1) // logged once
		write(t, keyFile, second.key)
		time.Sleep(recheckEvery)
		check("the new pair", second, 1)
		if err := os.Remove(certFile); err != nil {
			t.Fatal(err)
		}
		time.Sleep(recheckEvery)
		check("no file", second, 2)
		time.Sleep(recheckEvery)
		check("no file, again", second, 2)
		write(t, certFile, first.cert)
		write(t, keyFile, first.key)
		time.Sleep(recheckEvery)
		check("the first pair again", first, 2)
	})
	for _, want := range []string{"proto=tls", `op="reload certificate"`, "do not work together", "no such file"} {
		if runtime.GOOS != "windows" && !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, log.String())
		}
	}
}

// Many handshakes at once look at the files together; for the race detector.
func TestServerTLSConcurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "cert")
		p := newPair(t)
		write(t, file, append(p.cert, p.key...))
		c, err := ServerTLS(file, file)
		if err != nil {
			t.Fatal(err)
		}
		p = newPair(t)
		write(t, file, append(p.cert, p.key...))
		time.Sleep(recheckEvery)
		for range 8 {
			go func() {
				if cert, err := c.GetCertificate(nil); err != nil || cert == nil {
					t.Errorf("GetCertificate = %v, %v", cert, err)
				}
			}()
		}
		synctest.Wait()
		if got := served(t, c); !bytes.Equal(got, p.cert) {
			t.Error("the new certificate is not served")
		}
	})
}
