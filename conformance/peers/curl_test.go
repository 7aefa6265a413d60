package peers

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// curl runs curl quietly and returns its stdout and what it said.
func curl(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	return run(t, nil, "curl", append([]string{"-sS", "--max-time", "20"}, args...)...)
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %.200q, want %.200q", what, got, want)
	}
}

// upload is a file with the content.
func upload(t *testing.T) string {
	t.Helper()
	return write(t, t.TempDir(), "upload", string(content))
}

func TestCurlKeepsTheConnection(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		url := "http://" + s.plain(t) + "/hello"
		out, _ := curl(t, "-w", " %{num_connects}\n", url, url, "--next", "-sS", "-w", " %{num_connects}\n", "-d", "x=1", url)
		wantText(t, "bodies and new connections", out, "Hello, World! 1\nHello, World! 0\nHello, World! 0\n")
	})
}

func TestCurlHead(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		out, _ := curl(t, "-I", "http://"+s.plain(t)+"/hello")
		if !strings.HasPrefix(out, "HTTP/1.1 200 OK\r\n") || !strings.Contains(out, "\r\nContent-Length: 13\r\n") || !strings.HasSuffix(out, "\r\n\r\n") {
			t.Errorf("got %q, want the header of the GET", out)
		}
	})
}

func TestCurlUploads(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		url := "http://" + s.plain(t) + "/upload"
		for _, tc := range []struct {
			name, method string
			args         []string
		}{
			{"with a length", "POST", []string{"-H", "Expect:", "--data-binary", "@" + upload(t)}},
			{"chunked", "PUT", []string{"-H", "Expect:", "-H", "Transfer-Encoding: chunked", "-T", upload(t)}},
		} {
			out, _ := curl(t, append(tc.args, url)...)
			wantText(t, tc.name, out, received(tc.method, content))
		}
		out, _ := run(t, bytes.NewReader(content), "curl", "-sS", "--max-time", "20", "-T", "-", url)
		wantText(t, "from a pipe", out, received("PUT", content))
	})
}

// TestCurlExpect has curl wait for 100 Continue longer than it waits for the
// answer: without the 100 it fails.
func TestCurlExpect(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		addr := s.plain(t)
		args := []string{"-v", "-H", "Expect: 100-continue", "--expect100-timeout", "30", "--data-binary", "@" + upload(t)}
		out, talk := curl(t, append(args, "http://"+addr+"/upload")...)
		wantText(t, "body", out, received("POST", content))
		if !strings.Contains(talk, "< HTTP/1.1 100 Continue") {
			t.Errorf("no 100 Continue in\n%s", talk)
		}
		out, talk = curl(t, append(args, "-w", "%{http_code} %{size_upload}", "http://"+addr+"/refuse")...)
		wantText(t, "refused", out, "not here\n403 0")
		if strings.Contains(talk, "100 Continue") {
			t.Errorf("100 Continue before a refusal:\n%s", talk)
		}
	})
}

func TestCurlHTTP10(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		addr := s.plain(t)
		out, talk := curl(t, "-v", "--http1.0", "http://"+addr+"/stream", "http://"+addr+"/hello")
		wantText(t, "bodies", out, streamed+"Hello, World!")
		// RFC 9112 7: an HTTP/1.0 client understands no transfer coding.
		if strings.Contains(strings.ToLower(talk), "transfer-encoding") {
			t.Errorf("a transfer coding for HTTP/1.0:\n%s", talk)
		}
		out, _ = curl(t, "--http1.0", "--data-binary", "@"+upload(t), "http://"+addr+"/upload")
		wantText(t, "upload", out, received("POST", content))
	})
}

func TestCurlResumes(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		url := "http://" + s.plain(t) + "/file"
		part := write(t, t.TempDir(), "part", string(content[:300_000]))
		out, _ := curl(t, "-C", "-", "-o", part, "-w", "%{http_code} %{size_download}", url)
		wantText(t, "status and size", out, "206 748576")
		if got, err := os.ReadFile(part); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the resumed file: %d bytes, error %v, not what was served", len(got), err)
		}
		out, _ = curl(t, "-r", "10-19", url)
		wantText(t, "range", out, string(content[10:20]))
		out, _ = curl(t, "-r", "-5", url)
		wantText(t, "last bytes", out, string(content[len(content)-5:]))
	})
}

func TestCurlManyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		out, _ := curl(t, "-Z", "--parallel-max", "32", "-w", "\n", "http://"+s.plain(t)+"/hello?[1-200]")
		if got := strings.Count(out, "Hello, World!"); got != 200 {
			t.Errorf("got %d answers of 200", got)
		}
	})
}

func TestCurlTLS(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		addr, ca := s.tls(t)
		base := "https://" + addr
		for _, version := range []struct{ flag, want string }{{"--http1.1", "1.1"}, {"--http2", "2"}} {
			out, _ := curl(t, "--cacert", ca, version.flag, "-w", " %{http_version}", base+"/hello")
			wantText(t, version.flag, out, "Hello, World! "+version.want)
			out, _ = curl(t, "--cacert", ca, version.flag, "-w", "%{num_connects}", "--data-binary", "@"+upload(t), base+"/upload")
			wantText(t, version.flag+" upload", out, received("POST", content)+"1")
			out, _ = curl(t, "--cacert", ca, version.flag, base+"/file")
			wantText(t, version.flag+" download", out, string(content))
		}
		// TLS 1.3 only: curl refuses the session tickets of TLS 1.2.
		out, _ := curl(t, "--cacert", ca, "--http1.1", "--tlsv1.3", "-H", "Connection: close", base+"/tls", base+"/tls")
		wantText(t, "sessions", out, "resumed: false\nresumed: true\n")
	})
}

// TestCurlPlainToTLS speaks HTTP to a port that expects TLS: the answer is one
// that a person can read.
func TestCurlPlainToTLS(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		addr, _ := s.tls(t)
		out, _ := curl(t, "-w", "%{http_code}", "http://"+addr+"/hello")
		if !strings.HasSuffix(out, "400") || !strings.Contains(out, "HTTPS") {
			t.Errorf("got %q, want a 400 that names HTTPS", out)
		}
	})
}
