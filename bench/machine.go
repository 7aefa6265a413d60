//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine is where and with what was measured.
type machine struct {
	Date    string  `json:"date"`
	CPU     string  `json:"cpu"`
	CPUs    int     `json:"cpus"`
	Kernel  string  `json:"kernel"`
	Go      string  `json:"go"`
	Commit  string  `json:"commit"`
	Command string  `json:"command"`
	Syscall float64 `json:"syscall_ns"` // a bare getppid: what ratios depend on most
}

func thisMachine() machine {
	m := machine{
		Date:    time.Now().Format(time.DateOnly),
		CPU:     "unknown CPU",
		CPUs:    runtime.NumCPU(),
		Go:      runtime.Version(),
		Commit:  "worktree",
		Command: strings.Join(append([]string{"go run ."}, os.Args[1:]...), " "),
		Syscall: syscallCost(),
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range bytes.Lines(text) {
			if name, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if text, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(text))
	}
	return m
}

// syscallCost measures a bare system call, in nanoseconds: the least of a few
// tries.
func syscallCost() float64 {
	const calls = 100_000
	best := time.Duration(1 << 62)
	for range 5 {
		began := time.Now()
		for range calls {
			_, _, _ = unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
		}
		best = min(best, time.Since(began))
	}
	return float64(best) / calls
}
