package tftp

import (
	"net"

	"golang.org/x/sys/unix"
)

// hearRefusals has the system report that nobody listens where a packet went. It
// does so of itself for sockets with one peer only, and the answers come from
// another port than the one asked.
func hearRefusals(conn *net.UDPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		// Of either family; the one that the socket does not have fails.
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
	})
}
