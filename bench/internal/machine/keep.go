//go:build linux

package machine

import (
	"fmt"
	"os"
	"path/filepath"
)

// Keep writes the tables of a run to a file and says where: to out, to nothing when
// that is "none", or when it is empty to results/DATE-COMMIT, the suffix and .txt,
// with a number when that is there: what one run has measured is not the next one's
// to overwrite.
func (m Machine) Keep(text, out, suffix string) error {
	if out == "none" {
		return nil
	}
	mode := os.O_TRUNC
	base := fmt.Sprintf("results/%s-%s%s", m.Date, m.Commit, suffix)
	if out == "" {
		out, mode = base+".txt", os.O_EXCL
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("bench: result: %w", err)
	}
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|mode, 0o644)
	for i := 2; mode == os.O_EXCL && os.IsExist(err); i++ {
		out = fmt.Sprintf("%s-%d.txt", base, i)
		f, err = os.OpenFile(out, os.O_WRONLY|os.O_CREATE|mode, 0o644)
	}
	if err == nil {
		_, err = f.WriteString(text)
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return fmt.Errorf("bench: result: %w", err)
	}
	fmt.Fprintln(os.Stderr, "written to", out)
	return nil
}
