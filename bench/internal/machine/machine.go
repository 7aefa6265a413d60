//go:build linux

package machine

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is where and when something was measured.
type Machine struct {
	Date    string  `json:"date"`
	Commit  string  `json:"commit"`
	CPU     string  `json:"cpu"`
	CPUs    int     `json:"cpus"`
	Kernel  string  `json:"kernel"`
	Go      string  `json:"go"`
	Command string  `json:"command"`
	Syscall float64 `json:"syscall_ns"` // the price of a bare system call
}

// This describes the machine that the program runs on, which was started by command
// and the arguments that it has.
func This(command string) Machine {
	m := Machine{
		Date: time.Now().Format(time.DateOnly), Commit: "worktree", CPU: "unknown CPU",
		CPUs: runtime.NumCPU(), Go: runtime.Version(), Syscall: syscallCost(),
		Command: strings.Join(append([]string{command}, os.Args[1:]...), " "),
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
