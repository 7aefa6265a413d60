package tftp

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// Listen opens a UDP socket for a Server. addr is one of:
//
//	host:port      on that address; port 0 is a free one
//	:port          on every address, IPv4 and IPv6
//	systemd:       the only datagram socket passed by socket activation
//	systemd:name   the passed socket of that name (FileDescriptorName=)
//
// The caller closes it, or has Serve do so. Errors wrap their cause.
func Listen(ctx context.Context, addr string) (*net.UDPConn, error) {
	if name, ok := strings.CutPrefix(addr, "systemd:"); ok {
		conn, err := listenSystemd(name)
		if err != nil {
			return nil, fmt.Errorf("tftp: listen %s: %w", addr, err)
		}
		return conn, nil
	}
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, "udp", addr)
	if err != nil {
		return nil, fmt.Errorf("tftp: listen: %w", err)
	}
	return pc.(*net.UDPConn), nil
}
