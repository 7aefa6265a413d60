//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs are the built binaries, by package.
type programs map[string]string

// build compiles the load generator and the servers into dir. A server of ours
// that does not build is left out with a line on stderr, unless it was asked
// for by name.
func build(ctx context.Context, dir string, list []server, strict bool) (programs, []server, error) {
	if _, err := os.Stat("load"); err != nil {
		return nil, nil, fmt.Errorf("bench: the command runs in its own folder: cd bench")
	}
	built := programs{}
	if err := built.add(ctx, dir, ".", "./load"); err != nil {
		return nil, nil, err
	}
	var usable []server
	failed := map[string]bool{}
	for _, s := range list {
		if failed[s.pkg] {
			continue
		}
		if built[s.pkg] == "" {
			if err := built.add(ctx, dir, s.dir, s.pkg); err != nil {
				if strict {
					return nil, nil, err
				}
				failed[s.pkg] = true
				fmt.Fprintln(os.Stderr, "left out:", err)
				continue
			}
		}
		usable = append(usable, s)
	}
	if len(usable) == 0 {
		return nil, nil, fmt.Errorf("bench: no server could be built")
	}
	return built, usable, nil
}

func (p programs) add(ctx context.Context, dir, module, pkg string) error {
	out := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, pkg)
	cmd.Dir = module
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("bench: build %s: %w: %.400s", pkg, err, strings.TrimSpace(string(text)))
	}
	p[pkg] = out
	return nil
}
