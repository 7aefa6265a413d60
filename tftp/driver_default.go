//go:build !linux

package tftp

import "net"

func newDriver(pc net.PacketConn) (driver, socket, error) {
	d, s := newStdDriver(pc)
	return d, s, nil
}
