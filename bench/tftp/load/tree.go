//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/burrownet/burrow/bench/internal/pinned"
	"github.com/burrownet/burrow/bench/internal/procstat"
)

// tree is a server with the processes that it starts, for their cost. A process
// counts with what it had used when it was last looked at: nobody tells the cost
// of one that ended unless its parent waits for it.
type tree struct {
	pid    int
	before time.Duration
	used   map[int]time.Duration // of the children
	peak   int64                 // most memory that was seen
	rest   int64                 // memory at the start
}

// newTree begins to account. Children that exist are not looked at.
func newTree(pid int) (*tree, error) {
	t := &tree{pid: pid, used: map[int]time.Duration{}}
	if pid == 0 {
		return t, nil
	}
	var err error
	if t.before, err = procstat.CPU(pid); err != nil {
		return nil, err
	}
	if t.rest, err = pss(pid); err != nil {
		return nil, err
	}
	return t, nil
}

// look reads what the children have used so far.
func (t *tree) look() {
	for _, pid := range t.children() {
		if used, err := procstat.CPU(pid); err == nil { // it may have ended just now
			t.used[pid] = max(used, t.used[pid])
		}
	}
}

// children are the processes that the server has started; one level deep, as no
// server here goes deeper.
func (t *tree) children() []int {
	if t.pid == 0 {
		return nil
	}
	return pinned.Children(t.pid)
}

// cpu is what server and children have used since the start.
func (t *tree) cpu() (time.Duration, error) {
	if t.pid == 0 {
		return 0, nil
	}
	sum, err := procstat.CPU(t.pid)
	if err != nil {
		return 0, err
	}
	t.look()
	for _, used := range t.used {
		sum += used
	}
	return sum - t.before, nil
}

// weigh reads how much memory they take: the proportional set, in which pages
// that processes share count once.
func (t *tree) weigh() {
	if t.pid == 0 {
		return
	}
	sum, err := pss(t.pid)
	if err != nil {
		return
	}
	children := t.children()
	for _, pid := range children {
		if n, err := pss(pid); err == nil {
			sum += n
		}
	}
	t.peak = max(t.peak, sum)
	if len(children) == 0 && len(t.used) == 0 {
		if n, err := kib(fmt.Sprintf("/proc/%d/status", t.pid), "VmHWM:"); err == nil {
			t.peak = max(t.peak, n) // the kernel's own peak
		}
	}
}

// pss is the proportional set of a process, in bytes.
func pss(pid int) (int64, error) { return kib(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:") }

// kib finds a number of KiB in a file of the kernel's and returns it in bytes.
func kib(file, key string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("load: memory: %w", err)
	}
	for line := range bytes.Lines(text) {
		field := bytes.Fields(line)
		if len(field) == 3 && string(field[0]) == key {
			n, err := strconv.ParseInt(string(field[1]), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("load: memory: no %s in %s", key, file)
}
