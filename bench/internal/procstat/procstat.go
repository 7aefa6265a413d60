//go:build linux

package procstat

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// cpuClockSched selects the scheduler's own account, the sum over all
// threads, in a process clock's number (clock_getcpuclockid(3)).
const cpuClockSched = 2

// CPU returns the user and system time that the process has used since it
// started, threads that have ended included. Unlike /proc/PID/stat, which
// counts ticks of 10 ms, it has the scheduler's resolution.
func CPU(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuClockSched), &ts); err != nil {
		return 0, fmt.Errorf("procstat: cpu of %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// RSS returns the resident memory of the process in bytes, as
// /proc/PID/smaps_rollup counts it (walked now, not the kernel's cached sum).
func RSS(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("procstat: memory: %w", err)
	}
	return parseRSS(text)
}

func parseRSS(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		field := bytes.Fields(line)
		if len(field) == 3 && string(field[0]) == "Rss:" && string(field[2]) == "kB" {
			kib, err := strconv.ParseInt(string(field[1]), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("procstat: memory: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("procstat: memory: no Rss line")
}
