//go:build linux

package procstat

import (
	"os"
	"testing"
	"time"
)

func TestCPUCountsWork(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 30*time.Millisecond; {
	}
	after, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after - before; used <= 0 || used > 10*time.Second {
		t.Errorf("30 ms of work cost %v", used)
	}
}

func TestCPUOfNobody(t *testing.T) {
	if got, err := CPU(1 << 28); err == nil {
		t.Errorf("CPU of a process that does not exist = %v, nil; want an error", got)
	}
}

func TestRSSGrows(t *testing.T) {
	before, err := RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const size = 32 << 20
	block := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		block[i] = 1
	}
	after, err := RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if grown := after - before; grown < size/2 || block[0] != 1 {
		t.Errorf("32 MiB more are %d bytes more resident", grown)
	}
}

func TestParseRSS(t *testing.T) {
	got, err := parseRSS([]byte("55d0-7ffe ---p 00000000 00:00 0  [rollup]\nRss:        1234 kB\nPss:  99 kB\n"))
	if err != nil || got != 1234<<10 {
		t.Errorf("parseRSS = %d, %v; want %d", got, err, 1234<<10)
	}
	if got, err := parseRSS([]byte("Pss: 99 kB\n")); err == nil {
		t.Errorf("parseRSS without Rss = %d, nil; want an error", got)
	}
}
