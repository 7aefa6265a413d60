package main

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// addressed is a listener that has an address and nothing else.
type addressed struct {
	net.Listener
	addr net.Addr
}

func (a addressed) Addr() net.Addr { return a.addr }

func TestAnnounce(t *testing.T) {
	t.Parallel()
	tcp := func(ip string, port int) net.Listener {
		return addressed{addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: port}}
	}
	tests := []struct {
		name        string
		listeners   []net.Listener
		secure      bool
		fingerprint string
		has, lacks  []string
	}{
		{
			"this machine only",
			[]net.Listener{tcp("127.0.0.1", 8080)},
			false, "",
			[]string{"\n  http://127.0.0.1:8080/\n", "To let the network in: --listen :8080\n", "Ctrl-C stops.\n"},
			[]string{"fingerprint", "https://"},
		},
		{
			"IPv6, secure",
			[]net.Listener{tcp("::1", 8443)},
			true, "AB:CD",
			[]string{"\n  https://[::1]:8443/\n", "SHA-256 fingerprint:\n  AB:CD\n", "--listen :8443"},
			[]string{"http://"},
		},
		{"open", []net.Listener{tcp("::", 80)}, false, "", []string{"\n  http://localhost:80/\n"}, []string{"Only this machine"}},
		{"one of both", []net.Listener{tcp("127.0.0.1", 80), tcp("192.0.2.1", 81)}, false, "", []string{"http://192.0.2.1:81/"}, []string{"Only this machine"}},
		{
			"unix",
			[]net.Listener{addressed{addr: &net.UnixAddr{Name: "/run/b", Net: "unix"}}},
			false, "",
			[]string{"curl --unix-socket /run/b http://localhost/\n"},
			[]string{"Only this machine"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var talk strings.Builder
			announce(&terminal{err: &talk}, "/srv/files", tt.listeners, tt.secure, tt.fingerprint)
			got := talk.String()
			if !strings.HasPrefix(got, "Serving /srv/files\n") {
				t.Errorf("does not begin with the folder:\n%s", got)
			}
			for _, part := range tt.has {
				if !strings.Contains(got, part) {
					t.Errorf("lacks %q:\n%s", part, got)
				}
			}
			for _, part := range tt.lacks {
				if strings.Contains(got, part) {
					t.Errorf("has %q:\n%s", part, got)
				}
			}
		})
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"/srv/a b": "/srv/a b", "/ü": "/ü", "/a\x1b[2J": `"/a\x1b[2J"`, "/a\nb": `"/a\nb"`} {
		if got := printable(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}

func TestNetworkAddrs(t *testing.T) {
	t.Parallel()
	addrs := networkAddrs()
	if len(addrs) > maxPlaces {
		t.Errorf("got %d addresses, want %d at most", len(addrs), maxPlaces)
	}
	for _, addr := range addrs {
		if addr.IsLoopback() || addr.IsLinkLocalUnicast() || slices.ContainsFunc(addrs, func(other netip.Addr) bool { return other.Is4() != addr.Is4() }) {
			t.Errorf("%v among %v: want addresses of one family that others can reach", addr, addrs)
		}
	}
}
