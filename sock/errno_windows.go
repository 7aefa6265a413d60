package sock

import "golang.org/x/sys/windows"

// The system's numbers for what can go wrong with an address.
const (
	errAddrInUse    = windows.WSAEADDRINUSE
	errAddrNotAvail = windows.WSAEADDRNOTAVAIL
	errPortDenied   = windows.WSAEACCES
	errConnRefused  = windows.WSAECONNREFUSED
)
