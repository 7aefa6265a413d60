package httpd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// HTTPS.
var tlsBehaviours = []behaviour{
	{"request", (*trial).tlsRequest},
	{"versions", (*trial).tlsVersions},
	{"alpn", (*trial).tlsALPN},
	{"h2", (*trial).tlsH2},
	{"client-certificate", (*trial).tlsClientCert},
	{"resumption", (*trial).tlsResumption},
	{"sni", (*trial).tlsSNI},
	{"plain-http", (*trial).tlsPlainHTTP},
	{"garbage", (*trial).tlsGarbage},
	{"handshake-timeout", (*trial).tlsHandshakeTimeout},
	{"pipeline-in-one-record", (*trial).tlsPipeline},
	{"dribbled-records", (*trial).tlsDribbled},
	{"parked", (*trial).tlsParked},
	{"large-both-ways", (*trial).tlsLarge},
	{"file", (*trial).tlsFile},
	{"hijack", (*trial).tlsHijack},
	{"client-closes", (*trial).tlsClientCloses},
	{"close-notify", (*trial).tlsCloseNotify},
	{"flush", (*trial).tlsFlush},
	{"keep-alive-rules", (*trial).tlsRules},
	{"cut-without-notify", (*trial).tlsTruncated},
	{"drain", (*trial).tlsDrain},
	{"too-many-connections", (*trial).tlsTooMany},
}

// authority makes the suite's certificates, once.
var authority = sync.OnceValue(func() map[string]tls.Certificate {
	made := make(map[string]tls.Certificate)
	for i, name := range []string{"burrow.test", "other.test", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
			KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
		if err != nil {
			panic(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		made[name] = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	}
	return made
})

// pool trusts one of the certificates.
func pool(name string) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(authority()[name].Leaf)
	return p
}

func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{authority()["burrow.test"]}}
}

func clientTLS() *tls.Config {
	return &tls.Config{ServerName: "burrow.test", RootCAs: pool("burrow.test")}
}

// secure starts the server under trial with TLS.
func (t *trial) secure(h http.HandlerFunc) *site { return t.serve(setup{TLS: serverTLS(), Handler: h}) }

func (t *trial) tlsRequest() {
	s := t.secure(func(w http.ResponseWriter, r *http.Request) {
		st := r.TLS
		if st == nil {
			t.Errorf("r.TLS is nil")
			return
		}
		fmt.Fprint(w, st.HandshakeComplete, tls.VersionName(st.Version), st.ServerName, r.URL.Scheme, r.Proto)
	})
	w, _ := t.dialTLS(s, clientTLS())
	for range 3 {
		w.get("/")
		w.want(http.StatusOK, "trueTLS 1.3burrow.testHTTP/1.1")
	}
}

func (t *trial) tlsVersions() {
	s := t.secure(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, tls.VersionName(r.TLS.Version)) })
	cfg := clientTLS()
	cfg.MaxVersion = tls.VersionTLS12
	w, _ := t.dialTLS(s, cfg)
	for range 3 {
		w.get("/")
		w.want(http.StatusOK, "TLS 1.2")
	}
	cfg.MaxVersion, cfg.MinVersion = tls.VersionTLS11, tls.VersionTLS10
	if err := tls.Client(t.dial(s).Conn, cfg).Handshake(); err == nil {
		t.Errorf("a TLS 1.1 handshake went through")
	}
}

func (t *trial) tlsALPN() {
	s := t.secure(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS.NegotiatedProtocol) })
	for _, c := range []struct {
		offer []string
		want  string
	}{{nil, ""}, {[]string{"http/1.1"}, "http/1.1"}, {[]string{"foo", "http/1.1"}, "http/1.1"}} {
		cfg := clientTLS()
		cfg.NextProtos = c.offer
		w, _ := t.dialTLS(s, cfg)
		w.get("/")
		w.want(http.StatusOK, c.want)
	}
	cfg := clientTLS()
	cfg.NextProtos = []string{"foo"} // RFC 7301 3.2: nothing in common
	if err := tls.Client(t.dial(s).Conn, cfg).Handshake(); err == nil {
		t.Errorf("a handshake without a common protocol went through")
	}
}

// tlsH2 serves HTTP/2 with the same handler.
func (t *trial) tlsH2() {
	s := t.secure(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Proto, r.TLS.NegotiatedProtocol, r.Host, string(b))
	})
	cfg := clientTLS()
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: patience}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			resp, err := c.Post("https://"+s.addr, "text/plain", strings.NewReader(fmt.Sprint("body", i)))
			if err != nil {
				t.Errorf("Post: %v", err)
				return
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			equal(t, "answer", fmt.Sprint(string(b), err), fmt.Sprint("HTTP/2.0h2", s.addr, "body", i, "<nil>"))
		})
	}
	wg.Wait()
	w, _ := t.dialTLS(s, clientTLS()) // and HTTP/1.1 beside it
	w.get("/")
	w.want(http.StatusOK, "HTTP/1.1burrow.test")
}

func (t *trial) tlsClientCert() {
	cfg := serverTLS()
	cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, pool("client")
	s := t.serve(setup{TLS: cfg, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject.CommonName, len(r.TLS.VerifiedChains))
	})})
	cc := clientTLS()
	cc.Certificates = []tls.Certificate{authority()["client"]}
	w, _ := t.dialTLS(s, cc)
	w.get("/")
	w.want(http.StatusOK, "client1")
	for name, cert := range map[string][]tls.Certificate{"none": nil, "unknown": {authority()["other.test"]}} {
		cc := clientTLS()
		cc.Certificates = cert
		c := tls.Client(t.dial(s).Conn, cc)
		if err := c.Handshake(); err != nil {
			continue
		}
		io.WriteString(c, head("GET", "/")) // TLS 1.3: the client learns of it with its first read
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("certificate %s: served %d bytes", name, n)
		}
	}
}

func (t *trial) tlsResumption() {
	s := t.secure(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS.DidResume) })
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := clientTLS()
		cfg.MaxVersion, cfg.ClientSessionCache = version, tls.NewLRUClientSessionCache(4)
		for _, want := range []string{"false", "true", "true"} {
			w, c := t.dialTLS(s, cfg)
			w.get("/")
			w.want(http.StatusOK, want)
			equal(t, "client's view", fmt.Sprint(c.ConnectionState().DidResume), want)
			w.Close()
		}
	}
}

func (t *trial) tlsSNI() {
	cfg := serverTLS()
	cfg.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if h.ServerName == "other.test" {
			return &tls.Config{Certificates: []tls.Certificate{authority()["other.test"]}}, nil
		}
		if h.Conn == nil || h.Conn.RemoteAddr() == nil {
			t.Errorf("ClientHelloInfo.Conn tells nothing")
		}
		return nil, nil
	}
	s := t.serve(setup{TLS: cfg, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS.ServerName) })})
	for _, name := range []string{"burrow.test", "other.test"} {
		w, c := t.dialTLS(s, &tls.Config{ServerName: name, RootCAs: pool(name)})
		equal(t, "certificate", c.ConnectionState().PeerCertificates[0].Subject.CommonName, name)
		w.get("/")
		w.want(http.StatusOK, name)
	}
}

func (t *trial) tlsPlainHTTP() {
	s := t.secure(nothing)
	w := t.dial(s)
	w.get("/")
	a := w.answer()
	equal(t, "status", a.StatusCode, http.StatusBadRequest)
	if !strings.Contains(a.body, "HTTPS") {
		t.Errorf("the text does not say what is wrong: %q", a.body)
	}
	w.closed()
	ws, _ := t.dialTLS(s, clientTLS())
	ws.alive()
}

func (t *trial) tlsGarbage() {
	s := t.secure(nothing)
	for _, in := range []string{"\x00\x01\x02\x03\x04\x05", "\x16\x03\x01\x00\x05hello", strings.Repeat("\xff", 1000)} {
		w := t.dial(s)
		w.send(in)
		w.SetReadDeadline(time.Now().Add(patience))
		if b, err := io.ReadAll(w.br); len(b) > 100 || isTimeout(err) {
			t.Errorf("%.10q: %d bytes, %v; want an alert at most, and the end", in, len(b), err)
		}
	}
	w, _ := t.dialTLS(s, clientTLS())
	w.alive()
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

func (t *trial) tlsHandshakeTimeout() {
	s := t.serve(setup{TLS: serverTLS(), ReadHeaderTimeout: short, Handler: http.HandlerFunc(nothing)})
	t.dial(s).closed()
	w := t.dial(s)
	w.send("\x16\x03\x01\x02\x00") // a record that does not come
	w.closed()
}

func (t *trial) tlsPipeline() {
	s := t.secure(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.URL.Path, string(b))
	})
	w, _ := t.dialTLS(s, clientTLS())
	for range 3 {
		w.send(head("GET", "/1") + head("POST", "/2", "Content-Length: 4") + "body" + head("GET", "/3") + "GET /4 HTT")
		w.want(http.StatusOK, "/1")
		w.want(http.StatusOK, "/2body")
		w.want(http.StatusOK, "/3")
		w.send("P/1.1\r\nHost: a\r\n\r\n")
		w.want(http.StatusOK, "/4")
	}
}

// dribble writes one byte at a time, so that a TLS record arrives in pieces.
type dribble struct{ net.Conn }

func (d dribble) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func (t *trial) tlsDribbled() {
	s := t.secure(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.URL.Path, string(b))
	})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := clientTLS()
		cfg.MaxVersion = version
		w := t.over(tls.Client(dribble{t.dial(s).Conn}, cfg))
		for i := range 5 {
			w.get(fmt.Sprintf("/%d", i))
			w.want(http.StatusOK, fmt.Sprintf("/%d", i))
		}
		w.send(head("POST", "/p", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n")
		w.want(http.StatusOK, "/pabc")
	}
}

// tlsParked lets connections rest between requests, with half a request pending on some of them.
func (t *trial) tlsParked() {
	s := t.secure(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	var parked []*wire
	for range 10 {
		w, _ := t.dialTLS(s, clientTLS())
		parked = append(parked, w)
	}
	for round := range 3 {
		for i, w := range parked {
			in := head("GET", fmt.Sprintf("/%d/%d", round, i))
			w.send(in[:i])
			w.silent(2 * time.Millisecond)
			w.send(in[i:])
		}
		for i, w := range parked {
			w.want(http.StatusOK, fmt.Sprintf("/%d/%d", round, i))
		}
	}
}

func (t *trial) tlsLarge() {
	data := string(pattern(3 << 20))
	s := t.secure(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("body: %v", err)
		}
		w.Write(b)
	})
	w, _ := t.dialTLS(s, clientTLS())
	for range 2 {
		w.send(head("POST", "/", fmt.Sprintf("Content-Length: %d", len(data))) + data)
		w.want(http.StatusOK, data)
	}
	w.alive()
}

func (t *trial) tlsFile() {
	name, content := t.bigFile()
	s := t.secure(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	w, _ := t.dialTLS(s, clientTLS())
	w.get("/")
	a := w.answer()
	equal(t, "file", fmt.Sprint(a.body == string(content), a.err), "true <nil>")
	w.alive()
}

func (t *trial) tlsHijack() {
	s := t.secure(func(w http.ResponseWriter, _ *http.Request) {
		c, rw := t.take(w)
		defer c.Close()
		if _, ok := c.(*tls.Conn); !ok {
			t.Errorf("the connection is a %T, want *tls.Conn", c)
		}
		io.Copy(c, rw)
	})
	w, _ := t.dialTLS(s, clientTLS())
	w.send(head("GET", "/") + "extra")
	w.read("extra")
	w.send("more")
	w.read("more")
	w.halfClose()
	equal(t, "end", w.rest(), "")
}

func (t *trial) tlsClientCloses() {
	h, began, ended := t.waiting()
	s := t.secure(h)
	w, _ := t.dialTLS(s, clientTLS())
	w.alive()
	w.get("/wait")
	await(t, "the handler", began)
	w.Close()
	if err := await(t, "the cancellation", ended); err == nil || err.Error() != "context canceled" {
		t.Errorf("context: %v", err)
	}
}

// tlsCloseNotify: the end of an answer without a length is authenticated.
func (t *trial) tlsCloseNotify() {
	s := t.secure(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "no length")
		w.(http.Flusher).Flush()
	})
	w, _ := t.dialTLS(s, clientTLS())
	w.send("GET / HTTP/1.0\r\n\r\n")
	a := w.answer()
	equal(t, "answer", fmt.Sprint(a.body, a.err), "no length<nil>") // not unexpected EOF: RFC 8446 6.1
	w.closed()
}

func (t *trial) tlsFlush() {
	gate := make(chan struct{})
	s := t.secure(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "one")
		w.(http.Flusher).Flush()
		<-gate
		io.WriteString(w, "two")
	})
	w, _ := t.dialTLS(s, clientTLS())
	w.get("/")
	a := w.headTo("GET")
	b := make([]byte, 3)
	io.ReadFull(a.Body, b)
	close(gate)
	rest, err := io.ReadAll(a.Body)
	equal(t, "parts", fmt.Sprint(string(b), string(rest), err), "onetwo<nil>")
}

func (t *trial) tlsRules() {
	s := t.secure(nothing)
	w, _ := t.dialTLS(s, clientTLS())
	w.get("/", "Connection: close")
	w.wantStatus(http.StatusOK)
	w.closed()
	w, _ = t.dialTLS(s, clientTLS())
	w.send("NONSENSE\r\n\r\n")
	w.wantStatus(http.StatusBadRequest)
	w.closed()
}

// tlsTruncated: a body that ends with the connection but without close_notify is cut short, not finished.
func (t *trial) tlsTruncated() {
	got := make(chan error, 1)
	s := t.secure(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		got <- err
	})
	w := t.dial(s)
	c := tls.Client(w.Conn, clientTLS())
	if err := c.Handshake(); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	io.WriteString(c, head("POST", "/", "Content-Length: 10")+"half")
	w.halfClose()
	if err := await(t, "the handler", got); err == nil {
		t.Errorf("no error")
	}
}

func (t *trial) tlsDrain() {
	s := t.serve(setup{TLS: serverTLS(), DrainTimeout: 4 * patience, Handler: http.HandlerFunc(nothing)})
	w, _ := t.dialTLS(s, clientTLS())
	w.alive()
	s.drain()
	w.closed()
	await(t, "Serve to return", s.ended)
	equal(t, "Serve", s.err, nil)
}

// tlsTooMany has more connections than MaxConns: they are told so, where they can be.
func (t *trial) tlsTooMany() {
	s := t.serve(setup{TLS: serverTLS(), MaxConns: 1, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	a, _ := t.dialTLS(s, clientTLS())
	a.alive()
	b, _ := t.dialTLS(s, clientTLS())
	b.get("/")
	if x := b.answer(); x.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("got status %d, want 503", x.StatusCode)
	}
	b.closed()
	cfg := clientTLS()
	cfg.NextProtos = []string{"h2"}
	c := tls.Client(t.dial(s).Conn, cfg)
	if n, err := c.Read(make([]byte, 100)); err == nil {
		t.Errorf("a connection too many that speaks HTTP/2 got %d bytes", n)
	}
	a.alive()
}
