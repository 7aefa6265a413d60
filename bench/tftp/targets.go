//go:build linux

package main

import "fmt"

// ours is the server that the promises are about.
const ours = "burrow"

const (
	equal        = 1.05 // ratios up to here say that there is no difference
	sameLink     = 1.02 // the same, where the relay's delay is nearly all the time there is
	cpuTarget    = 2.0  // times the bytes per CPU-second of tftpd-hpa
	memoryTarget = 64.0 // KiB per transfer
)

func (o *options) targetTable(rows []row, list []server, all runs) string {
	var lines [][]string
	for _, r := range rows {
		lines = append(lines, fastest(r, list, all)...)
	}
	if v, ok := all.ratio(oneCPU, ours, "tftpd-hpa", perCPU); ok {
		lines = append(lines, []string{oneCPU, fmt.Sprintf("≥ %.0f × tftpd-hpa's MB per CPU-second", cpuTarget), fmt.Sprintf("%.2f", v), verdict(v >= cpuTarget)})
	}
	if v, ok := all.median(crowdRow, ours, perTransfer(o.clients)); ok {
		lines = append(lines, []string{crowdRow, fmt.Sprintf("< %.0f KiB per active transfer", memoryTarget), fmt.Sprintf("%.1f", v), verdict(v < memoryTarget)})
	}
	return markdown("Targets", []string{"row", "target", "measured", ""}, lines)
}

// fastest compares our time for the same bytes with that of the best of the others.
// A run that was cut off counts with what had come by then.
func fastest(r row, list []server, all runs) [][]string {
	best, worst := "", 0.0
	for _, s := range list {
		if s.name == ours || s.name == ours+"-single" {
			continue
		}
		if v, ok := all.ratio(r.name, s.name, ours, rate); ok && v > worst {
			best, worst = s.name, v
		}
	}
	if best == "" {
		return nil
	}
	text := verdict(worst <= 1)
	switch {
	case r.relay && worst > 1/sameLink && worst <= sameLink:
		text = "met: equal, the relay's delay decides"
	case worst > 1 && worst <= equal:
		text = "equal"
	}
	return [][]string{{r.name, "the fastest: time ÷ that of the best other", fmt.Sprintf("%.2f (%s)", worst, best), text}}
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}
