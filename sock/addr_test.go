package sock

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want address
	}{
		{":8080", address{"tcp", ":8080"}},
		{"localhost:http", address{"tcp", "localhost:http"}},
		{"127.0.0.1:0", address{"tcp", "127.0.0.1:0"}},
		{"[::1]:0", address{"tcp", "[::1]:0"}},
		{"[fe80::1%lo]:80", address{"tcp", "[fe80::1%lo]:80"}},
		{"unix:/run/a.sock", address{"unix", "/run/a.sock"}},
		{"unix:a.sock", address{"unix", "a.sock"}},
		{"unix:@name", address{"unix", "@name"}},
		{"systemd:", address{"systemd", ""}},
		{"systemd:web", address{"systemd", "web"}},
	} {
		got, err := parseAddress(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("parseAddress(%q) = %v, %v; want %v", tt.in, got, err, tt.want)
		}
	}
}

func TestParseAddressErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", "write 127.0.0.1:8080"},
		{"8080", "write 127.0.0.1:8080 for this machine only, or :8080 for every interface"},
		{"localhost", "write localhost:8080"},
		{"[::1]", "write [::1]:8080"},
		{"localhost:", "write localhost:8080"},
		{"::1:8080", "write [::1]:8080"},
		{"127.0.0.1:1,127.0.0.1:2", "listen on each by itself"},
		{"[::1:8080", "not host:port"},
		{"127.0.0.1:70000", "port 70000 is not between 0 and 65535"},
		{"127.0.0.1:-1", "port -1 is not between"},
		{"http://localhost:80", "write host:port"},
		{"/run/a.sock", "write unix:/run/a.sock"},
		{"unix:", "write unix:/run/app.sock"},
		{"unix:@", "no path"},
		{"unix:a\x00b", "zero byte"},
	} {
		a, err := parseAddress(tt.in)
		if err == nil {
			t.Errorf("parseAddress(%q) = %v, want an error", tt.in, a)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parseAddress(%q): %q, want %q in it", tt.in, err, tt.want)
		}
	}
}
