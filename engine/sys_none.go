//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package engine

import (
	"errors"
	"net/netip"
	"sync/atomic"
)

// There is no poller here: every connection is fed by a goroutine, and the loop
// that the calls below would serve never runs.

const platformDriver = DriverGoroutine

func platformDrivers() []Driver { return []Driver{DriverGoroutine} }

func autoDrivers() []Driver { return []Driver{DriverGoroutine} }

var errAgain = errors.New("engine: would block")

func newPoller(Driver, *atomic.Bool) (poller, error) { return nil, errors.ErrUnsupported }

const haveSendfile = false

func sysWrite(int, []byte) (int, error)              { return 0, errors.ErrUnsupported }
func sysWrite2(int, []byte, []byte) (int, error)     { return 0, errors.ErrUnsupported }
func sysSendfile(int, int, *int64, int) (int, error) { return 0, errors.ErrUnsupported }
func sysAccept(int, *Conn) (int, error)              { return -1, errors.ErrUnsupported }
func sysClose(int)                                   {}
func sysShutdown(int, bool) error                    { return errors.ErrUnsupported }
func sysNonblock(int) error                          { return errors.ErrUnsupported }
func sysNoDelay(int)                                 {}
func sysDup(int) (int, error)                        { return -1, errors.ErrUnsupported }
func sysConnError(int) error                         { return errors.ErrUnsupported }
func isNoSendfile(error) bool                        { return true }
func sockname(int) netip.AddrPort                    { return netip.AddrPort{} }
func peername(int) netip.AddrPort                    { return netip.AddrPort{} }
