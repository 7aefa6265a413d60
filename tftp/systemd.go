package tftp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// Socket activation, sd_listen_fds(3): the supervisor passes sockets as
// descriptors 3, 4, ... and says in LISTEN_PID for whom, in LISTEN_FDS how many,
// in LISTEN_FDNAMES with which names, separated by colons.
const (
	firstPassed = 3
	maxPassed   = 1024
)

// listenSystemd takes the passed socket of that name; "" means the only one.
func listenSystemd(name string) (*net.UDPConn, error) {
	fd, err := passedSocket(os.Getenv, os.Getpid(), name)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "systemd:"+name)
	defer f.Close() // FilePacketConn works on a copy
	pc, err := net.FilePacketConn(f)
	if err != nil {
		return nil, fmt.Errorf("what was passed is no datagram socket (ListenDatagram= in the .socket unit): %w", err)
	}
	conn, ok := pc.(*net.UDPConn)
	if !ok {
		pc.Close()
		return nil, errors.New("what was passed is no UDP socket (ListenDatagram= in the .socket unit)")
	}
	return conn, nil
}

// passedSocket finds the descriptor.
func passedSocket(getenv func(string) string, pid int, name string) (int, error) {
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 1 || n > maxPassed || getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return 0, errors.New("no socket was passed to this process (LISTEN_FDS, LISTEN_PID): start the program through its .socket unit")
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	if name == "" {
		if n > 1 {
			return 0, fmt.Errorf("%d sockets were passed: name one of %s", n, strings.Join(names, ", "))
		}
		return firstPassed, nil
	}
	for i, have := range names {
		if i < n && have == name {
			return firstPassed + i, nil
		}
	}
	return 0, fmt.Errorf("no passed socket has this name, there is %s", strings.Join(names, ", "))
}
