package sock

import (
	"strings"
	"testing"
)

// systemdChildEnv makes the re-executed test binary take the sockets it was
// passed; see systemdChild.
const systemdChildEnv = "SOCK_TEST_SYSTEMD_CHILD"

func TestPassedSockets(t *testing.T) {
	t.Parallel()
	env := func(pid, fds, names string) func(string) string {
		return func(key string) string {
			return map[string]string{"LISTEN_PID": pid, "LISTEN_FDS": fds, "LISTEN_FDNAMES": names}[key]
		}
	}
	for _, tt := range []struct {
		pid, fds, names string
		pick            string
		fd              int    // 0: an error
		want            string // in the error
	}{
		{"7", "1", "", "", 3, ""},
		{"7", "1", "", "unknown", 3, ""},
		{"7", "2", "web:admin", "web", 3, ""},
		{"7", "2", "web:admin", "admin", 4, ""},
		{"7", "2", "web:admin", "", 0, "2 sockets were passed (web, admin): choose one, as in systemd:web"},
		{"7", "2", "web:admin", "mail", 0, "there is web, admin"},
		{"7", "2", "web:web", "web", 0, "2 passed sockets have this name"},
		{"7", "2", "web", "web", 0, "1 names for 2 sockets"},
		{"", "", "", "", 0, "LISTEN_FDS is not set"},
		{"7", "0", "", "", 0, "LISTEN_FDS is 0"},
		{"7", "x", "", "", 0, `LISTEN_FDS is "x"`},
		{"7", "-1", "", "", 0, `LISTEN_FDS is "-1"`},
		{"7", "1000000", "", "", 0, "not a count of sockets"},
		{"8", "1", "", "", 0, `for process "8"`},
		{"", "1", "", "", 0, `for process ""`},
	} {
		sockets, err := passedSockets(env(tt.pid, tt.fds, tt.names), 7)
		var s passedSocket
		if err == nil {
			s, err = pickSocket(sockets, tt.pick)
		}
		switch {
		case tt.fd == 0 && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%+v: %v, want %q in an error", tt, err, tt.want)
		case tt.fd != 0 && (err != nil || s.fd != tt.fd):
			t.Errorf("%+v: %v, %v; want descriptor %d", tt, s, err, tt.fd)
		}
	}
}
