package peers

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burrownet/burrow/sock"
)

// nginx starts nginx in front of upstream and returns its address. /stream and
// /raw/ reach the upstream unbuffered, the rest buffered.
func nginx(t *testing.T, upstream string) (addr string) {
	t.Helper()
	cmd := exec.Command(program(t, "nginx"))
	dir := t.TempDir()
	addr, socket := listener(t)
	user := "" // root's worker needs a name, or it becomes nobody
	if os.Getuid() == 0 {
		user = "user root;"
	}
	conf := write(t, dir, "nginx.conf", fmt.Sprintf(`
daemon off; worker_processes 1; %[4]s pid %[1]s/pid; error_log stderr warn;
events { worker_connections 128; }
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	client_max_body_size 8m;
	upstream burrow { server %[2]s; keepalive 16; }
	server {
		listen %[3]s;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		proxy_next_upstream off;
		location / { proxy_pass http://burrow; }
		location /stream { proxy_buffering off; proxy_pass http://burrow; }
		location /raw/ { proxy_request_buffering off; proxy_pass http://burrow/; }
	}
}
`, dir, upstream, addr, user))
	cmd.Args = append(cmd.Args, "-e", "stderr", "-c", conf)
	// nginx takes over the sockets it finds here, as when it replaces itself.
	cmd.Env = append(os.Environ(), "NGINX=3;")
	cmd.ExtraFiles = []*os.File{socket}
	start(t, cmd)
	return addr
}

// haproxy starts haproxy in front of upstream; options go to its server line.
func haproxy(t *testing.T, upstream, options string) (addr string) {
	t.Helper()
	cmd := exec.Command(program(t, "haproxy"))
	addr, socket := listener(t)
	conf := write(t, t.TempDir(), "haproxy.cfg", fmt.Sprintf(`
global
	maxconn 256
defaults
	mode http
	timeout connect 5s
	timeout client 20s
	timeout server 20s
	retries 0
frontend front
	bind fd@3
	http-request set-path %%[path,regsub(^/raw/,/)]
	default_backend burrow
backend burrow
	http-reuse always
	server burrow %s %s
`, upstream, options))
	cmd.Args = append(cmd.Args, "-q", "-db", "-f", conf)
	cmd.ExtraFiles = []*os.File{socket}
	start(t, cmd)
	return addr
}

// client is a client of a proxy; the test closes its connections.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 15 * time.Second}
}

// fetch sends one request and returns the answer's status and body.
func fetch(t *testing.T, c *http.Client, method, url string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	res, err := c.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s %s: %v", method, url, err)
	}
	return res.StatusCode, string(text)
}

// throughProxy is what must work with a proxy in front.
func throughProxy(t *testing.T, addr string) {
	t.Helper()
	c, base := client(t), "http://"+addr
	want := func(what, method, path string, body io.Reader, status int, text string) {
		t.Helper()
		if got, gotText := fetch(t, c, method, base+path, body); got != status || gotText != text {
			t.Fatalf("%s: got %d %.200q, want %d %.200q", what, got, gotText, status, text)
		}
	}
	want("GET", "GET", "/hello", nil, 200, "Hello, World!")
	want("HEAD", "HEAD", "/file", nil, 200, "")
	want("download", "GET", "/file", nil, 200, string(content))
	want("chunked answer", "GET", "/stream", nil, 200, streamed)
	want("after the chunks", "GET", "/hello", nil, 200, "Hello, World!")
	for _, path := range []string{"/upload", "/raw/upload"} {
		want("upload to "+path, "PUT", path, bytes.NewReader(content), 200, received("PUT", content))
		want("chunked upload to "+path, "POST", path, io.LimitReader(bytes.NewReader(content), 1<<20), 200, received("POST", content))
		want("no body to "+path, "POST", path, nil, 200, received("POST", nil))
	}
	want("refusal", "GET", "/refuse", nil, 403, "not here\n")

	// The proxy keeps its connection: the handler sees one peer all the time.
	_, first := fetch(t, c, "GET", base+"/peer", nil)
	for range 20 {
		want("the peer", "GET", "/peer", nil, 200, first)
	}

	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 25 {
				if status, text := fetch(t, c, "GET", base+"/hello", nil); status != 200 || text != "Hello, World!" {
					t.Errorf("one of many: got %d %q", status, text)
				}
			}
		})
	}
	group.Wait()
}

func TestNginx(t *testing.T) {
	each(t, func(t *testing.T, s server) { throughProxy(t, nginx(t, s.plain(t))) })
}

func TestHaproxy(t *testing.T) {
	each(t, func(t *testing.T, s server) { throughProxy(t, haproxy(t, s.plain(t), "")) })
}

func TestHaproxyTLS(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		addr, ca := s.tls(t)
		for _, alpn := range []string{"http/1.1", "h2"} {
			throughProxy(t, haproxy(t, addr, "ssl verify required ca-file "+ca+" alpn "+alpn))
		}
	})
}

// TestHaproxyTellsThePeer has haproxy send the PROXY protocol: the handler
// sees the address of haproxy's client.
func TestHaproxyTellsThePeer(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		for _, version := range []string{"send-proxy", "send-proxy-v2"} {
			addr := s.on(t, listen(t, &sock.ListenOptions{ProxyProtocol: loopback}), nil)
			front := haproxy(t, addr, version)
			out, _ := curl(t, "-w", " %{local_ip}:%{local_port}", "http://"+front+"/peer")
			if got, want, _ := strings.Cut(out, " "); got != want {
				t.Errorf("%s: the handler saw %q, the client was %q", version, got, want)
			}
			throughProxy(t, front)
		}
	})
}
