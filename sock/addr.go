package sock

import (
	"errors"
	"net"
	"strconv"
	"strings"
)

// The kinds of address that Listen understands.
const (
	kindTCP     = "tcp"
	kindUnix    = "unix"
	kindSystemd = "systemd"
)

// address is a listening address after its text was understood.
type address struct {
	kind string
	text string // host:port, a path or @name, or the name of a passed socket
}

// abstract reports whether the address is in Linux's abstract namespace: a unix
// socket without a file.
func (a address) abstract() bool {
	return a.kind == kindUnix && strings.HasPrefix(a.text, "@")
}

// parseAddress understands the grammar documented at Listen.
func parseAddress(addr string) (address, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if path == "" || path == "@" {
			return address{}, errors.New("no path: write unix:/run/app.sock")
		}
		if strings.IndexByte(path, 0) >= 0 {
			return address{}, errors.New("a path cannot contain a zero byte")
		}
		return address{kindUnix, path}, nil
	}
	if name, ok := strings.CutPrefix(addr, "systemd:"); ok {
		return address{kindSystemd, name}, nil
	}
	if err := checkHostPort(addr); err != nil {
		return address{}, err
	}
	return address{kindTCP, addr}, nil
}

// checkHostPort finds the usual slips in a TCP address and says what to write.
func checkHostPort(addr string) error {
	if addr == "" {
		return errors.New("no address: write 127.0.0.1:8080 for this machine only, or :8080 for every interface")
	}
	if strings.Contains(addr, "://") {
		return errors.New("a URL is not a listening address: write host:port")
	}
	if strings.HasPrefix(addr, "/") || strings.HasPrefix(addr, "./") {
		return errors.New("a path alone is not an address: write unix:" + addr)
	}
	if _, err := strconv.ParseUint(addr, 10, 16); err == nil {
		return errors.New("a port alone is not an address: write 127.0.0.1:" + addr + " for this machine only, or :" + addr + " for every interface")
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		if strings.Contains(addr, ",") {
			return errors.New("this is more than one address: listen on each by itself")
		}
		if strings.Count(addr, ":") > 1 && !strings.Contains(addr, "[") {
			return errors.New("an IPv6 address stands in brackets: write [::1]:8080")
		}
		if !strings.Contains(strings.TrimRight(addr, "]"), ":") || strings.HasSuffix(addr, "]") {
			return errors.New("no port: write " + addr + ":8080, or port 0 for a free one")
		}
		return errors.New("not host:port")
	}
	if port == "" {
		return errors.New("no port: write " + addr + "8080, or port 0 for a free one")
	}
	if n, err := strconv.Atoi(port); err == nil && (n < 0 || n > 65535) {
		return errors.New("port " + port + " is not between 0 and 65535")
	}
	return nil
}
