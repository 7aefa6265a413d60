package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/tftp"
)

// unpacked is where install.sh puts peers whose packages exclude each other.
const unpacked = "/opt/burrow-peers/usr/sbin"

// tftpPeer is a server to talk to.
type tftpPeer struct {
	name    string
	writes  bool
	windows bool
	hpa     bool // it knows utimeout and rollover, which it has made up
	start   func(t *testing.T, dir string) (addr string)
}

// freeUDP is a loopback port that nobody has at the moment.
func freeUDP(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return pc.LocalAddr().String()
}

var tftpPeers = []tftpPeer{
	{"tftpd-hpa", true, false, true, func(t *testing.T, dir string) string {
		addr := freeUDP(t)
		start(t, exec.Command(program(t, "in.tftpd"), "-L", "-a", addr, "-u", "root", "-c", "-s", dir))
		return addr
	}},
	{"atftpd", true, true, false, func(t *testing.T, dir string) string {
		addr := freeUDP(t)
		host, port, _ := net.SplitHostPort(addr)
		p := filepath.Join(unpacked, "atftpd")
		if _, err := os.Stat(p); err != nil {
			p = program(t, "atftpd")
		}
		start(t, exec.Command(p, "--daemon", "--no-fork", "--bind-address", host, "--port", port, "--user", "root", "--group", "root", dir))
		return addr
	}},
	{"dnsmasq", false, false, false, func(t *testing.T, dir string) string {
		// Its port is 69 always: an address of its own instead.
		host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
		start(t, exec.Command(program(t, "dnsmasq"), "--keep-in-foreground", "--port=0", "--enable-tftp", "--tftp-root="+dir,
			"--listen-address="+host, "--bind-interfaces", "--user=root", "--conf-file=/dev/null", "--pid-file="))
		return host
	}},
}

// TestTFTPServers gets from and puts to each server, with each option.
func TestTFTPServers(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("these servers start as root only")
		}
		t.Skip("tftpd-hpa, atftpd and dnsmasq start as root only")
	}
	for _, peer := range tftpPeers {
		t.Run(peer.name, func(t *testing.T) {
			dir := t.TempDir()
			for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
				os.Chmod(d, 0o777) // they look at what others may
			}
			os.Chmod(write(t, dir, "file", string(tftpContent)), 0o666)
			os.Chmod(write(t, dir, "up", ""), 0o666)
			addr := peer.start(t, dir)
			for _, c := range []tftp.Client{
				{},
				{BlockSize: -1, WindowSize: -1, NoSize: true},
				{BlockSize: 1024, WindowSize: 64},
				{BlockSize: 8192, WindowSize: -1, AskTimeout: true},
				{BlockSize: 1024, WindowSize: -1, AskTimeout: true, Timeout: 250 * time.Millisecond}, // utimeout
				// Past block 65535.
				{BlockSize: 8, WindowSize: -1, NoSize: true},
				{BlockSize: 8, WindowSize: -1, NoSize: true, Rollover: "0"},
				{BlockSize: 8, WindowSize: -1, NoSize: true, Rollover: "1"},
			} {
				exchangeWith(t, &peer, addr, dir, &c)
			}
			_, err := (&tftp.Client{}).Get(t.Context(), addr, "none", &bytes.Buffer{})
			if e, ok := errors.AsType[*tftp.Error](err); !ok || e.Code != tftp.CodeNotFound {
				t.Errorf("a file that is not there: %v", err)
			}
		})
	}
}

func exchangeWith(t *testing.T, peer *tftpPeer, addr, dir string, c *tftp.Client) {
	t.Helper()
	if !c.AskTimeout {
		c.Timeout = 500 * time.Millisecond
	} else if c.Timeout == 0 {
		c.Timeout = 2 * time.Second
	}
	c.Retries = 5 // the peer may not be up yet
	content, name := tftpContent, "file"
	if c.BlockSize == 8 {
		// Not under the same name: dnsmasq goes by the size it had when the transfer
		// before began.
		content, name = bytes.Repeat(tftpContent, 2)[:8*65_600+3], "long"
		os.Chmod(write(t, dir, name, string(content)), 0o666)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var b bytes.Buffer
	rec, err := c.Get(ctx, addr, name, &b)
	if err != nil || !bytes.Equal(b.Bytes(), content) {
		t.Errorf("get with %q: %d bytes, %v, %+v", rec.Asked, b.Len(), err, rec)
		return
	}
	if windows := strings.Contains(rec.Granted, "windowsize="); windows != (peer.windows && c.WindowSize >= 0) {
		t.Errorf("asked %q, granted %q", rec.Asked, rec.Granted)
	}
	for _, own := range []string{"utimeout=250000", "rollover=" + c.Rollover} {
		if strings.Contains(rec.Asked, own) && strings.Contains(rec.Granted, own) != peer.hpa {
			t.Errorf("asked %q, granted %q", rec.Asked, rec.Granted)
		}
	}
	if !peer.writes {
		return
	}
	rec, err = c.Put(ctx, addr, "up", bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Errorf("put with %q: %v, %+v", rec.Asked, err, rec)
		return
	}
	// They acknowledge the last block before it is in the file.
	file := filepath.Join(dir, "up")
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); ; <-tick.C {
		if got, err := os.ReadFile(file); err == nil && bytes.Equal(got, content) {
			break
		} else if time.Now().After(end) {
			t.Errorf("put with %q: %d bytes are there, %v", rec.Asked, len(got), err)
			break
		}
	}
	os.Truncate(file, 0)
}
