//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/burrownet/burrow/bench/internal/machine"
)

// tables renders everything that was measured as Markdown.
func tables(m machine.Machine, o *options, rows []row, list []server, all runs) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s at %s on %d × %s (a system call costs %.0f ns), Linux %s, %s.\n", m.Date, m.Commit, m.CPUs, m.CPU, m.Syscall, m.Kernel, m.Go)
	fmt.Fprintf(&b, "Server on core %d with GOMAXPROCS=%d, load on core %d; medians of %d interleaved rounds of %g s (memory: %d rounds).\n", o.serverCore, o.procs, o.loadCore, o.rounds, o.seconds, o.memoryRounds)
	fmt.Fprintf(&b, "Command, in bench/: `%s`\n", m.Command)
	sections := []func([]row, []server, runs) string{cpuTable, memoryTable, slowTable, detailTable, wrkTable}
	sections = append(append(sections, wsTables...), targetTable, troubles)
	for _, section := range sections {
		if text := section(rows, list, all); text != "" {
			b.WriteString("\n" + text)
		}
	}
	return b.String()
}

// markdown renders a table; "" when it has no lines.
func markdown(title string, head []string, lines [][]string) string {
	if len(lines) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n| %s |\n|%s\n", title, strings.Join(head, " | "), "---|"+strings.Repeat("---:|", len(head)-1))
	for _, line := range lines {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(line, " | "))
	}
	return b.String()
}

// matrix renders one figure, a line for each row and a column for each server that
// can be measured for one of them.
func matrix(title, corner, format string, rows []row, list []server, all runs, m metric) string {
	head := []string{corner}
	list = useful(list, rows)
	for _, s := range list {
		head = append(head, s.name)
	}
	var lines [][]string
	for _, r := range rows {
		line, any := []string{r.title}, false
		for _, s := range list {
			cell := "-"
			if v, ok := all.median(r.name, s.name, m); ok {
				cell, any = fmt.Sprintf(format, v), true
			}
			line = append(line, cell)
		}
		if any {
			lines = append(lines, line)
		}
	}
	return markdown(title, head, lines)
}

// only returns the rows of those kinds.
func only(rows []row, kinds ...kind) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !slices.Contains(kinds, r.kind) })
}

func cpuTable(rows []row, list []server, all runs) string {
	return matrix("Server CPU per request, µs", "keep-alive GET", "%.2f", only(rows, keepalive, handshake), list, all, cpu)
}

func memoryTable(rows []row, list []server, all runs) string {
	return matrix("Resident memory per idle connection, bytes", "after a few requests", "%.0f", only(rows, memory), list, all, perConn)
}

func slowTable(rows []row, list []server, all runs) string {
	var lines [][]string
	for _, r := range only(rows, besideSlow) {
		for _, s := range list {
			alone, ok := all.median(r.name, s.name, aloneP99)
			if !ok {
				continue
			}
			beside, _ := all.median(r.name, s.name, p99)
			slow, _ := all.median(r.name, s.name, slowP99)
			lines = append(lines, []string{s.name, ms(alone), ms(beside), ms(slow)})
		}
	}
	title := fmt.Sprintf("p99 of a fast route (%d requests/s), ms", fastRate)
	return markdown(title, []string{"server", "alone", fmt.Sprintf("beside %d × /slow", slowConns), "of /slow (50 ms)"}, lines)
}

func ms(v float64) string { return fmt.Sprintf("%.2f", v) }

func detailTable(rows []row, list []server, all runs) string {
	var lines [][]string
	for _, r := range only(rows, keepalive, handshake) {
		for _, s := range list {
			v, ok := all.median(r.name, s.name, cpu)
			if !ok {
				continue
			}
			lo, hi := all.spread(r.name, s.name, cpu)
			perSecond, _ := all.median(r.name, s.name, rate)
			tail, _ := all.median(r.name, s.name, p99)
			used, _ := all.median(r.name, s.name, busy)
			load, _ := all.median(r.name, s.name, loadCPU)
			lines = append(lines, []string{
				r.name, s.name, fmt.Sprintf("%.2f", v), fmt.Sprintf("%.2f-%.2f", lo, hi),
				times(all, r.name, s.name, "fasthttp"), times(all, r.name, s.name, "nethttp"),
				fmt.Sprintf("%.0f", perSecond), ms(tail), fmt.Sprintf("%.0f %%", used), fmt.Sprintf("%.2f", load),
			})
		}
	}
	head := []string{"row", "server", "CPU µs", "least-most", "× fasthttp", "× net/http", "requests/s", "p99 ms", "server busy", "load CPU µs"}
	return markdown("In detail", head, lines)
}

// times is the ratio of two servers' CPU per request as text.
func times(all runs, row, a, b string) string {
	v, ok := all.ratio(row, a, b, cpu)
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}

// wrkTable sets wrk beside our load generator.
func wrkTable(rows []row, list []server, all runs) string {
	var lines [][]string
	for _, r := range only(rows, byWrk) {
		same := fmt.Sprintf("http-%d", r.conns)
		for _, s := range list {
			line, any := []string{s.name}, false
			for _, name := range []string{same, r.name} {
				for _, m := range []metric{cpu, rate, busy} {
					cell := "-"
					if v, ok := all.median(name, s.name, m); ok {
						cell, any = fmt.Sprintf("%.4g", v), true
						if v >= 1000 {
							cell = fmt.Sprintf("%.0f", v)
						}
					}
					line = append(line, cell)
				}
			}
			if any {
				lines = append(lines, line)
			}
		}
	}
	head := []string{"128 connections", "load: CPU µs", "requests/s", "busy %", "wrk: CPU µs", "requests/s", "busy %"}
	return markdown("The same server under bench/load and under wrk", head, lines)
}

func targetTable(_ []row, _ []server, all runs) string {
	var lines [][]string
	for _, t := range targets {
		if line := t.check(all); line != nil {
			lines = append(lines, line)
		}
	}
	return markdown("Targets", []string{"row", "server", "target", "measured", ""}, lines)
}

// troubles lists what a reader must know before believing the tables.
func troubles(rows []row, _ []server, all runs) string {
	var b strings.Builder
	for _, s := range all {
		switch {
		case s.Failed != "":
			fmt.Fprintf(&b, "- %s, %s, round %d failed: %s\n", s.Row, s.Server, s.Round+1, s.Failed)
		case s.Result.Errors > 0:
			fmt.Fprintf(&b, "- %s, %s, round %d: %d errors, the first: %s\n", s.Row, s.Server, s.Round+1, s.Result.Errors, s.Result.FirstError)
		case slices.ContainsFunc(only(rows, memory, wsMemory), func(r row) bool { return r.name == s.Row }):
			if _, ok := perConn(s); !ok {
				fmt.Fprintf(&b, "- %s, %s, round %d: idle connections were closed: %+v\n", s.Row, s.Server, s.Round+1, s.Result.Memory)
			}
		}
	}
	if n, of := unhurried(rows, all); n > 0 {
		fmt.Fprintf(&b, "- in %d of %d runs neither the server nor the load kept its core busy (%d %%): something else ran on this machine, and requests/s and p99 say little\n", n, of, fullCore)
	}
	if b.Len() == 0 {
		return ""
	}
	return "**Not as it should be**\n\n" + b.String()
}

// fullCore is from how many percent on a core counts as busy.
const fullCore = 90

// unhurried counts the closed-loop runs, out of all of them, in which both
// cores had time to spare: on a quiet machine one of the two is the limit.
func unhurried(rows []row, all runs) (n, of int) {
	for _, s := range all {
		if s.Result == nil || !slices.ContainsFunc(only(rows, keepalive, handshake, wsEcho), func(r row) bool { return r.name == s.Row }) {
			continue
		}
		of++
		most := max(s.Result.ServerCPU, s.Result.LoadCPU)
		if 100*most < fullCore*s.Result.Elapsed {
			n++
		}
	}
	return n, of
}
