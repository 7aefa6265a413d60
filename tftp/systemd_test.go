package tftp

import "testing"

func TestPassedSocket(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pid, fds, names, name string
		want                  int // 0: an error
	}{
		{"7", "1", "", "", 3},
		{"7", "1", "tftp", "", 3},
		{"7", "2", "http:tftp", "tftp", 4},
		{"7", "2", "http:tftp", "", 0},
		{"7", "2", "http:tftp", "dns", 0},
		{"7", "1", "http:tftp", "tftp", 0},
		{"8", "1", "", "", 0},
		{"7", "", "", "", 0},
		{"7", "0", "", "", 0},
		{"7", "9999", "", "", 0},
		{"7", "x", "", "", 0},
	} {
		env := map[string]string{"LISTEN_PID": tc.pid, "LISTEN_FDS": tc.fds, "LISTEN_FDNAMES": tc.names}
		got, err := passedSocket(func(k string) string { return env[k] }, 7, tc.name)
		if got != tc.want || (err == nil) != (tc.want != 0) {
			t.Errorf("%+v: %d, %v", tc, got, err)
		}
	}
}
