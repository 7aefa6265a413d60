//go:build !linux

package tftp

// onDisk gives an origin the means to read without waiting, where there are any.
func onDisk(o origin) origin { return o }
