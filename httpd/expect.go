package httpd

import "sync/atomic"

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// expectation is whether the client waits for 100 (Continue) (RFC 9110 10.1.1).
// Reader and writer of an exchange may be two goroutines; whoever comes first
// decides: the reader, which sends it, or the response, which makes it too late.
type expectation struct{ wanted atomic.Bool }

func (e *expectation) reset(wanted bool) { e.wanted.Store(wanted) }

// waiting reports whether the client still waits.
func (e *expectation) waiting() bool { return e.wanted.Load() }

// take ends the waiting; it reports whether the caller is to send the 100.
func (e *expectation) take() bool { return e.wanted.Load() && e.wanted.Swap(false) }
