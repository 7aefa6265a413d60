package sock

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Socket activation, sd_listen_fds(3): the supervisor opens the sockets and
// passes them on as descriptors 3, 4, ... with three variables:
//
//	LISTEN_PID      the process that they are meant for
//	LISTEN_FDS      how many there are
//	LISTEN_FDNAMES  their names, separated by colons
const (
	firstPassedFD = 3

	// maxPassedFDs bounds LISTEN_FDS; a supervisor passes a handful.
	maxPassedFDs = 1024

	// unnamedSocket is what sd_listen_fds_with_names(3) calls a socket when
	// LISTEN_FDNAMES is not set.
	unnamedSocket = "unknown"
)

// passedSocket is one descriptor handed over at start.
type passedSocket struct {
	fd   int
	name string
}

// passedSockets reads the three variables. It leaves them as they are, so that
// several names can be asked for one after the other.
func passedSockets(getenv func(string) string, pid int) ([]passedSocket, error) {
	count := getenv("LISTEN_FDS")
	if count == "" {
		return nil, errors.New("no socket was passed (LISTEN_FDS is not set): start the program through its .socket unit")
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxPassedFDs {
		return nil, fmt.Errorf("LISTEN_FDS is %q, not a count of sockets", count)
	}
	if owner := getenv("LISTEN_PID"); owner != strconv.Itoa(pid) {
		return nil, fmt.Errorf("the sockets are for process %q (LISTEN_PID), this is %d: a shell script between must end with exec", owner, pid)
	}
	if n == 0 {
		return nil, errors.New("no socket was passed (LISTEN_FDS is 0)")
	}
	var names []string
	if list := getenv("LISTEN_FDNAMES"); list != "" {
		names = strings.Split(list, ":")
		if len(names) != n {
			return nil, fmt.Errorf("LISTEN_FDNAMES has %d names for %d sockets", len(names), n)
		}
	}
	sockets := make([]passedSocket, n)
	for i := range sockets {
		sockets[i] = passedSocket{fd: firstPassedFD + i, name: unnamedSocket}
		if names != nil {
			sockets[i].name = names[i]
		}
	}
	return sockets, nil
}

// pickSocket finds the socket of that name; no name means the only one.
func pickSocket(sockets []passedSocket, name string) (passedSocket, error) {
	if name == "" {
		if len(sockets) > 1 {
			return passedSocket{}, fmt.Errorf("%d sockets were passed (%s): choose one, as in systemd:%s",
				len(sockets), socketNames(sockets), sockets[0].name)
		}
		return sockets[0], nil
	}
	var found []passedSocket
	for _, s := range sockets {
		if s.name == name {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return passedSocket{}, fmt.Errorf("no passed socket has this name, there is %s: set FileDescriptorName= in the .socket unit",
			socketNames(sockets))
	case 1:
		return found[0], nil
	}
	return passedSocket{}, fmt.Errorf("%d passed sockets have this name: give each a .socket unit with its own FileDescriptorName=", len(found))
}

func socketNames(sockets []passedSocket) string {
	names := make([]string, len(sockets))
	for i, s := range sockets {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}
