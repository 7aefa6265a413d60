//go:build !windows

package sock

import "syscall"

// The system's numbers for what can go wrong with an address.
const (
	errAddrInUse    = syscall.EADDRINUSE
	errAddrNotAvail = syscall.EADDRNOTAVAIL
	errPortDenied   = syscall.EACCES
	errConnRefused  = syscall.ECONNREFUSED
)
