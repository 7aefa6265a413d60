package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionVerb is "burrow version".
type versionVerb struct {
	JSON bool `name:"json" help:"Print as JSON."`
}

// Help is the long help of the verb.
func (versionVerb) Help() string {
	return "Example:\n\n    $ burrow version --json\n"
}

// buildVersion is what "burrow version" tells.
type buildVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source; "+" at its end: changed since
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Run prints the version.
func (v *versionVerb) Run(t *terminal) error {
	b := currentVersion()
	if v.JSON {
		encoder := json.NewEncoder(t.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(b)
	}
	text := "burrow " + b.Version
	if b.Revision != "" {
		text += " (" + b.Revision + ")"
	}
	_, err := fmt.Fprintf(t.out, "%s %s %s\n", text, b.Go, b.Platform)
	return err
}

func currentVersion() buildVersion {
	b := buildVersion{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	changed := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			if s.Value == "true" {
				changed = "+"
			}
		}
	}
	if b.Revision != "" {
		b.Revision += changed
	}
	return b
}
