package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/burrownet/burrow/sock"
	"github.com/burrownet/burrow/websocket"
)

func TestWSInput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 64<<10-1) // fills the reader's buffer with a CR
	const tooLong = "line 1 of standard input: it is longer than the 65535 bytes of --max-message"
	tests := []struct {
		name, input string
		binary      bool
		want        []string
		wantError   string // "" is none
	}{
		{"nothing", "", false, nil, ""},
		{"lines", "a\n\nb\r\n\r\n", false, []string{"a", "", "b", ""}, ""},
		{"a last line that does not end", "a\nb", false, []string{"a", "b"}, ""},
		{"only what ends a line is taken away", " a\r\r\n", false, []string{" a\r"}, ""},
		{"longest", long + "\n" + long + "\r\n" + long, false, []string{long, long, long}, ""},
		{"too long", long + "xx\n", false, nil, tooLong},
		{"too long by one, CR LF", long + "x\r\n", false, nil, tooLong},
		{"too long without an end", long + "x", false, nil, tooLong},
		{"not UTF-8", "a\n\xff\n", false, []string{"a"}, "line 2 of standard input is not UTF-8, which a text message is; --binary sends anything"},
		{"binary", "\xff\r\n\n", true, []string{"\xff\r\n\n"}, ""},
		{"binary, nothing", "", true, nil, ""},
		{"binary, longest", long, true, []string{long}, ""},
		{"binary, too long", long + "x", true, nil, "standard input is more than the 65535 bytes of --max-message"},
	}
	for _, tt := range tests {
		for _, r := range []io.Reader{strings.NewReader(tt.input), iotest.HalfReader(strings.NewReader(tt.input)), iotest.DataErrReader(strings.NewReader(tt.input))} {
			in := newWSInput(r, tt.binary, len(long))
			var got []string
			for m := range in.messages {
				got = append(got, string(m))
			}
			if !slices.Equal(got, tt.want) || errorText(in.err) != tt.wantError {
				t.Errorf("%s: got %.40q and error %q, want %.40q and %q", tt.name, got, errorText(in.err), tt.want, tt.wantError)
			}
		}
	}
}

// TestWSShown: what a peer sends cannot move the cursor of a person.
func TestWSShown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		o    *wsOutput
		typ  websocket.MessageType
		data string
		want string
	}{
		{&wsOutput{}, websocket.MessageText, "\x1b[2J", "\x1b[2J"},
		{&wsOutput{terminal: true}, websocket.MessageText, "a\tb\nü\x1b[2J\u009b\u202e\r", `< a` + "\tb\nü" + `\x1b[2J\u009b\u202e\r`},
		{&wsOutput{terminal: true, color: true}, websocket.MessageText, "a", "\x1b[36m<\x1b[0m a"},
		{&wsOutput{terminal: true}, websocket.MessageBinary, "\x00\x01", "< binary, 2 B: 0001"},
		{&wsOutput{terminal: true}, websocket.MessageBinary, strings.Repeat("\xff", 33), "< binary, 33 B: " + strings.Repeat("ff", 32) + "..."},
	}
	for _, tt := range tests {
		if got := string(tt.o.shown(tt.typ, []byte(tt.data))); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.data, got, tt.want)
		}
	}
}

// TestWSAuthority: --ca trusts, --cert and --key are shown to who asks for them.
func TestWSAuthority(t *testing.T) {
	t.Parallel()
	cert, err := sock.SelfSigned(nil)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		c.Write(r.Context(), websocket.MessageText, []byte(r.TLS.PeerCertificates[0].SerialNumber.String()))
		c.Close(websocket.StatusNormal, "")
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "cert.pem")
	key, err := writePEM(file, cert)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	v := wsVerb{URL: "wss" + strings.TrimPrefix(srv.URL, "https"), CA: file, Cert: file, Key: key, MaxMessage: 1000, Wait: -1, Driver: "auto"}
	if err := v.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := v.runClient(&terminal{out: &stdout, err: &stderr}); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if got, want := stdout.String(), cert.Leaf.SerialNumber.String()+"\n"; got != want {
		t.Errorf("the server saw the certificate %q, want %q", got, want)
	}
}

// writePEM writes a certificate to a file, and its key beside it.
func writePEM(file string, cert tls.Certificate) (key string, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return "", err
	}
	key = file + ".key"
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key, errors.Join(os.WriteFile(file, public, 0o600), os.WriteFile(key, private, 0o600))
}
