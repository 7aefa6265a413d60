//go:build race

package engine

// raceEnabled has reads and writes go through package syscall, which tells the
// race detector that what was done before a write to a socket happened before
// what is done after the read: raw system calls do not.
const raceEnabled = true
