package tftp

import (
	"context"
	"fmt"
	"net"
	"strconv"
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
	conns, err := ListenShared(ctx, addr, 1)
	if err != nil {
		return nil, err
	}
	return conns[0], nil
}

// ListenShared opens n sockets on one address, among which the system shares the
// clients out, so that n Serves of one Server keep n processors busy. All of them
// have to be served, and under one context. Where the system cannot do that it
// opens one: away from Linux, and when the socket is one that was passed. An
// address that is taken is an error, as with Listen; a program of the same user may
// join in later (SO_REUSEPORT).
func ListenShared(ctx context.Context, addr string, n int) ([]*net.UDPConn, error) {
	if name, ok := strings.CutPrefix(addr, "systemd:"); ok {
		conn, err := listenSystemd(name)
		if err != nil {
			return nil, fmt.Errorf("tftp: listen %s: %w", addr, err)
		}
		return []*net.UDPConn{conn}, nil
	}
	first, err := listenUDP(ctx, &net.ListenConfig{}, addr)
	if err != nil {
		return nil, fmt.Errorf("tftp: listen: %w", err)
	}
	conns := []*net.UDPConn{first}
	if !canShare || n <= 1 {
		return conns, nil
	}
	// The first is bound without the option: it fails where the address is taken.
	if err = share(first); err == nil {
		err = joinGroup(ctx, addr, n, &conns)
	}
	if err != nil {
		for _, c := range conns {
			c.Close()
		}
		return nil, fmt.Errorf("tftp: listen: share %s: %w", addr, err)
	}
	return conns, nil
}

// joinGroup opens the other sockets, where the first is.
func joinGroup(ctx context.Context, addr string, n int, conns *[]*net.UDPConn) error {
	local := (*conns)[0].LocalAddr().(*net.UDPAddr)
	if local.IP.IsUnspecified() { // of which family it is depends on how that was written
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return err
		}
		addr = net.JoinHostPort(host, strconv.Itoa(local.Port))
	} else {
		addr = local.String()
	}
	for len(*conns) < n {
		conn, err := listenUDP(ctx, &net.ListenConfig{Control: shareEarly}, addr)
		if err != nil {
			return err
		}
		*conns = append(*conns, conn)
	}
	return nil
}

func listenUDP(ctx context.Context, lc *net.ListenConfig, addr string) (*net.UDPConn, error) {
	pc, err := lc.ListenPacket(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}
