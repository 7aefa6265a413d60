//go:build linux

package main

import (
	"fmt"
	"maps"
	"slices"
)

// wsTables renders the WebSocket rows.
var wsTables = []func([]row, []server, runs) string{wsCPUTable, wsBroadcastTable, wsStuckTable, wsMemoryTable, wsDetailTable}

func wsCPUTable(rows []row, list []server, all runs) string {
	return matrix("Server CPU per WebSocket message, µs", "echo", "%.2f", only(rows, wsEcho), list, all, cpu)
}

func wsMemoryTable(rows []row, list []server, all runs) string {
	return matrix("Resident memory per idle WebSocket, bytes", "after some messages", "%.0f", only(rows, wsMemory), list, all, perConn)
}

// wsDetailTable has rows of closed loops: there a request is a message.
func wsDetailTable(rows []row, list []server, all runs) string {
	var lines [][]string
	for _, r := range only(rows, wsEcho) {
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
				times(all, r.name, s.name, wsGws), times(all, r.name, s.name, wsGorilla),
				fmt.Sprintf("%.0f", perSecond), ms(tail), fmt.Sprintf("%.0f %%", used), fmt.Sprintf("%.2f", load),
			})
		}
	}
	head := []string{"row", "server", "CPU µs", "least-most", "× gws", "× gorilla", "messages/s", "p99 ms", "server busy", "load CPU µs"}
	return markdown("WebSocket in detail", head, lines)
}

// wsBroadcastTable has rows where a request is a delivery, and a latency is that of
// the last one of a broadcast.
func wsBroadcastTable(rows []row, list []server, all runs) string {
	var lines [][]string
	for _, r := range only(rows, wsBroadcast) {
		for _, s := range list {
			v, ok := all.median(r.name, s.name, cpu)
			if !ok {
				continue
			}
			lo, hi := all.spread(r.name, s.name, cpu)
			last, _ := all.median(r.name, s.name, p50)
			slowest, _ := all.median(r.name, s.name, p99)
			perSecond, _ := all.median(r.name, s.name, rate)
			used, _ := all.median(r.name, s.name, busy)
			lines = append(lines, []string{
				s.name, fmt.Sprintf("%.2f", v), fmt.Sprintf("%.2f-%.2f", lo, hi), times(all, r.name, s.name, wsGws), times(all, r.name, s.name, wsGorilla),
				ms(last), ms(slowest), fmt.Sprintf("%.0f", perSecond), fmt.Sprintf("%.0f %%", used),
			})
		}
	}
	head := []string{"server", "CPU µs/delivery", "least-most", "× gws", "× gorilla", "last byte ms (median)", "p99 ms", "deliveries/s", "server busy"}
	return markdown(fmt.Sprintf("Broadcast of 1 KiB to %d WebSockets", wsListeners), head, lines)
}

// wsStuckTable has rows that were measured alone and beside a connection that never
// reads: a latency is from the sending of a message to its last byte at one connection.
func wsStuckTable(rows []row, list []server, all runs) string {
	var lines [][]string
	for _, r := range only(rows, wsStuck) {
		for _, s := range list {
			before, ok := all.median(r.name, s.name, aloneP99)
			if !ok {
				continue
			}
			beside, moved, extremes := "none came", "-", "-"
			if v, ok := all.median(r.name, s.name, p99); ok {
				by, _ := all.median(r.name, s.name, p99Moved)
				least, most := leastMost(all.values(r.name, s.name, p99Moved))
				beside, moved, extremes = ms(v), ms(by), ms(least)+" to "+ms(most)
			}
			grown, _ := all.median(r.name, s.name, rssRise)
			share, _ := all.median(r.name, s.name, delivered)
			used, _ := all.median(r.name, s.name, busy)
			lines = append(lines, []string{
				r.title, s.name, ms(before), beside, moved, extremes,
				fmt.Sprintf("%.0f", grown), fmt.Sprintf("%.0f %%", share), fmt.Sprintf("%.0f %%", used),
			})
		}
	}
	head := []string{"broadcast of 1 KiB", "server", "p99 ms alone", "beside", "moved by", "least-most", "server's memory grew by KiB", "in time", "server busy"}
	return markdown("Deliveries beside a connection that never reads", head, lines)
}

// leastMost are the extremes of figures that may be negative.
func leastMost(values map[int]float64) (least, most float64) {
	list := slices.Sorted(maps.Values(values))
	if len(list) == 0 {
		return 0, 0
	}
	return list[0], list[len(list)-1]
}
