//go:build linux

package main

import (
	"fmt"
	"strings"

	"github.com/burrownet/burrow/bench/internal/machine"
)

// tables renders everything that was measured as Markdown.
func tables(m machine.Machine, o *options, rows []row, list []server, all runs) string {
	var b strings.Builder
	fmt.Fprintf(&b, "TFTP, measured %s at %s on %d × %s (a system call costs %.0f ns), Linux %s, %s.\n", m.Date, m.Commit, m.CPUs, m.CPU, m.Syscall, m.Kernel, m.Go)
	fmt.Fprintf(&b, "Server on core %d (ours with GOMAXPROCS=%d), client and relay on core %d; medians of %d interleaved rounds (%d clients: %d).\n", o.serverCore, o.procs, o.loadCore, o.rounds, o.clients, o.crowdRounds)
	fmt.Fprintf(&b, "\"+2 ms\": through a relay that delivers each datagram %v later, either way: where that is nearly all a row\ntakes no server can be faster, and the fastest is who is within %.0f %% of the best. MB are 10^6 bytes.\n", o.delay, 100*(sameLink-1))
	fmt.Fprintf(&b, "Command, in bench/: `%s`\n\n", m.Command)
	for _, s := range list {
		fmt.Fprintf(&b, "- %s: %s\n", s.name, s.about)
	}
	for _, text := range []string{
		matrix("Seconds from the request to the last block", rows, list, func(r row, s server) string { return o.time(r, s, all) }),
		matrix("MB for each second of server CPU", rows, list, func(r row, s server) string { return figure(all, r, s, perCPU, "%.0f") }),
		matrix("Peak memory of the server, MiB", rows, list, func(r row, s server) string { return figure(all, r, s, peak, "%.1f") }),
		detailTable(rows, list, all), o.targetTable(rows, list, all), troubles(rows, list, all),
	} {
		if text != "" {
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

// matrix renders one figure, a line for each row and a column for each server.
func matrix(title string, rows []row, list []server, cell func(row, server) string) string {
	head := []string{""}
	for _, s := range list {
		head = append(head, s.name)
	}
	var lines [][]string
	for _, r := range rows {
		line := []string{r.title}
		for _, s := range list {
			line = append(line, cell(r, s))
		}
		lines = append(lines, line)
	}
	return markdown(title, head, lines)
}

// figure is the median of a metric as text.
func figure(all runs, r row, s server, m metric, format string) string {
	v, ok := all.median(r.name, s.name, m)
	if !ok {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

// time is how long a row took, or how far it came.
func (o *options) time(r row, s server, all runs) string {
	if v, ok := all.median(r.name, s.name, seconds); ok {
		return fmt.Sprintf("%.3f", v)
	}
	last := all.last(r.name, s.name)
	if last == nil {
		return "-"
	}
	return fmt.Sprintf("not in %.0f: %.0f %%", last.Result.Elapsed.Seconds(), 100*float64(last.Result.Bytes)/float64(o.files()[r.file]*int64(r.clients)))
}

func detailTable(rows []row, list []server, all runs) string {
	var lines [][]string
	for _, r := range rows {
		for _, s := range list {
			last := all.last(r.name, s.name)
			if last == nil {
				continue
			}
			lo, hi := all.spread(r.name, s.name, seconds)
			vs := "-"
			if v, ok := all.ratio(r.name, ours, s.name, rate); ok {
				vs = fmt.Sprintf("%.2f", v)
			}
			lines = append(lines, []string{
				r.name, s.name, figure(all, r, s, seconds, "%.3f"), fmt.Sprintf("%.3f-%.3f", lo, hi), figure(all, r, s, rate, "%.1f"), vs,
				figure(all, r, s, busy, "%.0f %%"), figure(all, r, s, loadBusy, "%.0f %%"), figure(all, r, s, perTransfer(r.clients), "%.1f"),
				strings.TrimSpace(last.Result.Granted), fmt.Sprint(last.Result.Resent), fmt.Sprint(last.Result.Behind),
			})
		}
	}
	head := []string{
		"row", "server", "s", "least-most", "MB/s", "time ÷ " + ours, "server busy", "load busy", "KiB more per transfer", "granted",
		"resent by clients", "blocks again or out of order",
	}
	return markdown("In detail (the last two of the last round)", head, lines)
}

// troubles lists what a reader must know before believing the tables, a line for
// each row and server that had any.
func troubles(rows []row, list []server, all runs) string {
	var b strings.Builder
	for _, r := range rows {
		for _, s := range list {
			n, first := 0, ""
			for _, one := range all {
				if text := one.trouble(); text != "" && one.Row == r.name && one.Server == s.name {
					if n++; n == 1 {
						first = text
					}
				}
			}
			if n > 0 {
				fmt.Fprintf(&b, "- %s, %s, in %d of %d rounds: %s\n", r.name, s.name, n, all.rounds(r.name, s.name), first)
			}
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "**Not as it should be**\n\n" + b.String()
}

// trouble is what went wrong in a run; "" when nothing did.
func (s sample) trouble() string {
	switch {
	case s.Failed != "":
		return s.Failed
	case s.Result.Failed > 0:
		return fmt.Sprintf("%d transfers did not complete (%s)", s.Result.Failed, s.Result.FirstError)
	}
	return ""
}
