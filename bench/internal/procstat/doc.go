// Package procstat reads what another process has cost so far: processor time
// to the nanosecond and resident memory.
package procstat
