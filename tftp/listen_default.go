//go:build !linux

package tftp

import (
	"errors"
	"net"
	"syscall"
)

// canShare says that sockets of one address share the clients out. Elsewhere
// the last one gets them all, or there can be no second.
const canShare = false

func share(*net.UDPConn) error { return errors.ErrUnsupported }

func shareEarly(string, string, syscall.RawConn) error { return errors.ErrUnsupported }
