package peers

import (
	"regexp"
	"strings"
	"testing"
)

// pipeline is a script for wrk that sends 16 requests at once. wrk counts one
// answer per request all the same.
const pipeline = `
init = function(args)
  local r = {}
  for i = 1, 16 do r[i] = wrk.format() end
  requests = table.concat(r)
end
request = function() return requests end
`

func TestWrk(t *testing.T) {
	program(t, "wrk")
	script := write(t, t.TempDir(), "pipeline.lua", pipeline)
	eachHello(t, func(t *testing.T, flags []string) {
		plain := "http://" + hello(t, flags...)
		secure := "https://" + hello(t, append(flags, "-tls-self-signed")...)
		for _, tc := range []struct {
			name string
			args []string
		}{
			{"64 connections", []string{"-c", "64", plain + "/"}},
			{"pipelined", []string{"-c", "16", "-s", script, plain + "/"}},
			{"every answer the last", []string{"-c", "16", "-H", "Connection: close", plain + "/"}},
			{"slow handler", []string{"-c", "64", plain + "/slow"}},
			{"TLS", []string{"-c", "32", secure + "/"}},
		} {
			out, _ := run(t, nil, "wrk", append([]string{"-t", "1", "-d", "1s", "--timeout", "10s"}, tc.args...)...)
			// wrk prints these lines only when there is something to report.
			if strings.Contains(out, "Socket errors") || strings.Contains(out, "Non-2xx") {
				t.Errorf("%s: wrk saw errors:\n%s", tc.name, out)
			}
			if !regexp.MustCompile(`(?m)^ +[1-9][0-9]* requests in `).MatchString(out) {
				t.Errorf("%s: wrk saw no answer:\n%s", tc.name, out)
			}
		}
	})
}

func TestH2load(t *testing.T) {
	program(t, "h2load")
	eachHello(t, func(t *testing.T, flags []string) {
		plain := "http://" + hello(t, flags...) + "/"
		secure := "https://" + hello(t, append(flags, "-tls-self-signed")...) + "/"
		for _, tc := range []struct {
			name, protocol string
			args           []string
		}{
			{"HTTP/1.1", "http/1.1", []string{"--h1", "-c", "16", plain}},
			{"HTTP/1.1, pipelined", "http/1.1", []string{"--h1", "-c", "16", "-m", "8", plain}},
			{"HTTP/1.1, TLS", "http/1.1", []string{"--h1", "-c", "8", secure}},
			{"HTTP/2, TLS", "h2", []string{"-c", "8", "-m", "10", secure}},
		} {
			out, _ := run(t, nil, "h2load", append([]string{"-n", "2000", "-t", "1"}, tc.args...)...)
			if want := "requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout"; !strings.Contains(out, want) {
				t.Errorf("%s: not %q:\n%s", tc.name, want, out)
			}
			if !strings.Contains(out, "status codes: 2000 2xx") {
				t.Errorf("%s: not all answers are 2xx:\n%s", tc.name, out)
			}
			if tc.args[len(tc.args)-1] == secure && !strings.Contains(out, "Application protocol: "+tc.protocol) {
				t.Errorf("%s: not spoken over %s:\n%s", tc.name, tc.protocol, out)
			}
		}
	})
}
