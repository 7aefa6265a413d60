//go:build linux

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// server is one program that is compared.
type server struct {
	name    string
	program string // name or path; "": ours
	// args start it with a folder on an address.
	args func(dir, host, port string) []string
	// ownAddress: its port is 69 always, so that it needs an address for itself.
	ownAddress bool
	about      string // what is not its default
}

// unpacked is where conformance/peers/install.sh puts peers whose packages exclude
// each other.
const unpacked = "/opt/burrow-peers/usr/sbin/"

// manyTransfers is what servers are allowed that have a limit.
const manyTransfers = "1000"

// servers in the order of the tables' columns.
var servers = []server{
	{name: "burrow", about: "burrow tftp serve --quiet", args: func(dir, host, port string) []string {
		return []string{"tftp", "serve", dir, "--quiet", "--listen", net.JoinHostPort(host, port)}
	}},
	{name: "burrow-single", about: "the same with --single-port", args: func(dir, host, port string) []string {
		return []string{"tftp", "serve", dir, "--quiet", "--single-port", "--listen", net.JoinHostPort(host, port)}
	}},
	{name: "tftpd-hpa", program: "in.tftpd", about: "-L -s; a process per transfer; no windowsize", args: func(dir, host, port string) []string {
		return []string{"-L", "-a", net.JoinHostPort(host, port), "-u", "root", "-s", dir}
	}},
	{name: "atftpd", program: "atftpd", about: "--maxthread " + manyTransfers + "; a thread per transfer", args: func(dir, host, port string) []string {
		return []string{"--daemon", "--no-fork", "--bind-address", host, "--port", port, "--user", "root", "--group", "root", "--maxthread", manyTransfers, dir}
	}},
	{name: "dnsmasq", program: "dnsmasq", ownAddress: true, about: "--tftp-max=" + manyTransfers + " --quiet-tftp; one process; no windowsize", args: func(dir, host, _ string) []string {
		return []string{
			"--keep-in-foreground", "--port=0", "--enable-tftp", "--tftp-root=" + dir, "--listen-address=" + host, "--bind-interfaces",
			"--user=root", "--conf-file=/dev/null", "--pid-file=", "--tftp-max=" + manyTransfers, "--quiet-tftp",
		}
	}},
}

// find looks for the program where it is installed.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		if _, there := os.Stat(unpacked + program); there == nil {
			return unpacked + program, nil
		}
	}
	return path, err
}

// pickServers returns those on a list of names, and of these the ones that are
// here; all must be when they were asked for by name.
func pickServers(names, ours string) ([]server, error) {
	var list []server
	for _, s := range servers {
		if names != "" && !slices.Contains(strings.Split(names, ","), s.name) {
			continue
		}
		if s.program == "" {
			s.program = ours
		} else if path, err := find(s.program); err == nil {
			s.program = path
		} else if names != "" {
			return nil, fmt.Errorf("bench: %w; conformance/peers/install.sh has it", err)
		} else {
			fmt.Fprintln(os.Stderr, "left out:", err)
			continue
		}
		list = append(list, s)
	}
	if len(list) == 0 || names != "" && len(list) < len(strings.Split(names, ",")) {
		return nil, fmt.Errorf("bench: -servers: not all of %q are known (%w)", names, errUsage)
	}
	return list, nil
}

// address is one of this machine that nobody uses now.
func (s *server) address() (host, port string, err error) {
	if s.ownAddress {
		return fmt.Sprintf("127.%d.%d.%d", 3+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250)), "69", nil
	}
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	host, port, err = net.SplitHostPort(pc.LocalAddr().String())
	return host, port, errors.Join(err, pc.Close())
}
