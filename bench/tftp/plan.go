//go:build linux

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// row is one line of the comparison.
type row struct {
	name    string
	title   string
	file    string
	blksize int
	window  int // 0: not asked for
	clients int
	relay   bool
}

const (
	crowdRow = "crowd"
	oneCPU   = "1468-w16" // the row whose CPU is promised
	slowest  = "short"    // the file of the rows in which every block waits for the relay
)

// files are what is fetched: name and size in bytes.
func (o *options) files() map[string]int64 {
	return map[string]int64{"image": o.size << 20, slowest: o.shortSize << 20, "boot": o.crowdSize << 20, "warm": 64 << 10}
}

// rows in the order of the tables' lines.
func (o *options) rows() []row {
	var all []row
	for _, relay := range []bool{false, true} {
		for _, shape := range [][2]int{{512, 0}, {1468, 0}, {1468, 16}, {1468, 64}} {
			r := row{file: "image", blksize: shape[0], window: shape[1], clients: 1, relay: relay}
			r.name, r.title = fmt.Sprint(r.blksize), fmt.Sprintf("blksize %d, lock-step", r.blksize)
			if r.window > 0 {
				r.name, r.title = fmt.Sprintf("%s-w%d", r.name, r.window), fmt.Sprintf("blksize %d, windowsize %d", r.blksize, r.window)
			}
			if relay {
				r.name, r.title = r.name+"-2ms", "+2 ms: "+r.title
				if r.window == 0 {
					r.file = slowest
				}
			}
			r.title += fmt.Sprintf(", %d MiB", o.files()[r.file]>>20)
			all = append(all, r)
		}
	}
	return append(all, row{
		name: crowdRow, title: fmt.Sprintf("%d clients, %d MiB each, blksize 1468, windowsize 16", o.clients, o.crowdSize),
		file: "boot", blksize: 1468, window: 16, clients: o.clients,
	})
}

// pickRows returns the rows whose name matches -rows.
func (o *options) pickRows() ([]row, error) {
	re, err := regexp.Compile(o.rowsLike)
	if err != nil {
		return nil, fmt.Errorf("bench: -rows: %w (%w)", err, errUsage)
	}
	list := slices.DeleteFunc(o.rows(), func(r row) bool { return !re.MatchString(r.name) })
	if len(list) == 0 {
		return nil, fmt.Errorf("bench: -rows: %q matches none of %s (%w)", o.rowsLike, o.rowNames(), errUsage)
	}
	return list, nil
}

func (o *options) rowNames() string {
	var names []string
	for _, r := range o.rows() {
		names = append(names, r.name)
	}
	return strings.Join(names, ", ")
}
