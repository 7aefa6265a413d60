// Package timerwheel holds many coarse timers at a constant cost each: a
// hierarchical timing wheel (Varghese and Lauck, SOSP 1987, scheme 7).
//
// It knows no clock: time is a tick count that the caller supplies, so that
// tests run in virtual time.
package timerwheel
