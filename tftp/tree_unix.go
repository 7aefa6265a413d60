//go:build unix

package tftp

import "syscall"

// openAtOnce has a pipe or a device opened without waiting; files do not care.
const openAtOnce = syscall.O_NONBLOCK
