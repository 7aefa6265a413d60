package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// outFile is the path to write to when a user has named one, or a folder, for
// something that is called base.
func outFile(named, base string) (string, error) {
	if named == "" {
		if !filepath.IsLocal(base) || base == "." {
			return "", fmt.Errorf("%q is no name for a file here; say with --output where to put it", base)
		}
		named = base
	}
	if isFolder(named) {
		if named = filepath.Join(named, base); isFolder(named) {
			return "", fmt.Errorf("%s is a folder; say with --output where to put the file", named)
		}
	}
	// A link to a pipe, such as /dev/stdout, has no other name for it.
	if info, err := os.Stat(named); err == nil && !info.Mode().IsRegular() {
		return named, nil
	}
	// What a link leads to is replaced, not the link.
	target, err := filepath.EvalSymlinks(named)
	if errors.Is(err, fs.ErrNotExist) {
		if info, e := os.Lstat(named); e == nil && info.Mode()&fs.ModeSymlink != 0 {
			return "", fmt.Errorf("%s is a link that leads nowhere; remove it, or name another file", named)
		}
		return named, nil
	}
	return target, err
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// intoFile has write fill a file that appears under its name when all went well,
// with the permissions of the one it replaces. What is no regular file, such as a
// pipe or a device, is written to as it is.
func intoFile(file string, write func(io.Writer) error) (err error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return intoDevice(file, write)
	}
	part, err := createPart(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			part.Close()
			os.Remove(part.Name())
		}
	}()
	if err = write(part); err != nil {
		return err
	}
	if info != nil {
		if err = part.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	}
	if err = part.Close(); err != nil {
		return err
	}
	return os.Rename(part.Name(), file)
}

func intoDevice(file string, write func(io.Writer) error) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// createPart creates a file of a new name with the permissions that any new file
// gets, which os.CreateTemp does not.
func createPart(dir string) (*os.File, error) {
	for {
		name := filepath.Join(dir, fmt.Sprintf(".burrow-%08x.part", rand.Uint32()))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}
