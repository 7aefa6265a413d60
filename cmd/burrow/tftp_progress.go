package main

import (
	"fmt"
	"io"
	"time"
)

// progressLine is a line on a terminal that is written over until it is
// finished.
type progressLine struct {
	out   io.Writer
	name  string
	began time.Time
	shown time.Time
	any   bool
}

// show brings the line up to date, ten times a second at most. total is -1 when
// it is not known.
func (p *progressLine) show(done, total int64) {
	now := time.Now()
	if now.Sub(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown, p.any = now, true
	rate := float64(done) / max(now.Sub(p.began).Seconds(), 0.001)
	if total > 0 {
		fmt.Fprintf(p.out, "\r%s: %3d %%, %s of %s, %s/s\x1b[K", p.name, 100*done/total, byteCount(done), byteCount(total), byteCount(int64(rate)))
		return
	}
	fmt.Fprintf(p.out, "\r%s: %s, %s/s\x1b[K", p.name, byteCount(done), byteCount(int64(rate)))
}

// finish wipes the line. A nil one was never shown.
func (p *progressLine) finish() {
	if p != nil && p.any {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// byteCount is a number of bytes for people.
func byteCount(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n)/1024, 0
	for v >= 1024 && u < len(units)-1 {
		v, u = v/1024, u+1
	}
	return fmt.Sprintf("%.1f %ciB", v, units[u])
}
