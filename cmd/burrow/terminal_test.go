package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestShowsColor(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	tests := []struct {
		noColor, term string
		file          *os.File
		want          bool
	}{
		{"", "xterm", device, true},
		{"1", "xterm", device, false},
		{"", "dumb", device, false},
		{"", "xterm", file, false},
	}
	for _, tt := range tests {
		t.Setenv("NO_COLOR", tt.noColor)
		t.Setenv("TERM", tt.term)
		if got := showsColor(tt.file); got != tt.want {
			t.Errorf("NO_COLOR=%q TERM=%s %s: got %t, want %t", tt.noColor, tt.term, tt.file.Name(), got, tt.want)
		}
	}
}

func TestStyle(t *testing.T) {
	t.Parallel()
	if got, want := (&terminal{color: true}).style("31", "x"), "\x1b[31mx\x1b[0m"; got != want {
		t.Errorf("in colour: got %q, want %q", got, want)
	}
	if got := (&terminal{}).style("31", "x"); got != "x" {
		t.Errorf("without: got %q, want x", got)
	}
}
