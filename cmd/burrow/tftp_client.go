package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/burrownet/burrow/tftp"
)

// tftpGetVerb is "burrow tftp get".
type tftpGetVerb struct {
	Server string `arg:"" placeholder:"HOST[:PORT]" help:"The server. Port 69 when there is none."`
	Name   string `arg:"" help:"The file's name there."`
	Output string `short:"o" placeholder:"FILE" help:"Where to put it: a file, or a folder; - is standard output. Default: its name, in the current folder."`
	tftpOptions
}

// Help is the long help of the verb.
func (tftpGetVerb) Help() string {
	return `The file appears under its name when it is complete. A transfer that is cut off is begun anew, and goes on where it was.

    $ burrow tftp get 192.168.1.1 pxelinux.0
    $ burrow tftp get boot.example:6969 images/vmlinuz -o /tmp/vmlinuz --windowsize 64`
}

// Validate is called once the flags are parsed.
func (v *tftpGetVerb) Validate() error {
	if v.JSON && v.Output == "-" {
		return errors.New("--json and -o - would mix on standard output: leave out one of them")
	}
	return v.check()
}

// Run gets the file.
func (v *tftpGetVerb) Run(t *terminal) error {
	return abandonable(func(ctx context.Context) error { return v.get(ctx, t) })
}

func (v *tftpGetVerb) get(ctx context.Context, t *terminal) error {
	c, line := v.client(t, v.Name)
	var rec *tftp.Record
	fetch := func(w io.Writer) (err error) {
		rec, err = c.Get(ctx, v.Server, v.Name, w)
		line.finish()
		return err
	}
	if v.Output == "-" {
		err := fetch(t.out)
		return v.report(t, rec, "into "+v.Output, advise(err, v.Server))
	}
	file, err := outFile(v.Output, path.Base(strings.ReplaceAll(v.Name, `\`, "/")))
	if err != nil {
		return err
	}
	err = intoFile(file, fetch)
	return v.report(t, rec, "into "+file, advise(err, v.Server))
}

// tftpPutVerb is "burrow tftp put".
type tftpPutVerb struct {
	File   string `arg:"" help:"The file to send; - is standard input."`
	Server string `arg:"" placeholder:"HOST[:PORT]" help:"The server. Port 69 when there is none."`
	Name   string `arg:"" optional:"" help:"Its name there. Default: the same."`
	tftpOptions
}

// Help is the long help of the verb.
func (tftpPutVerb) Help() string {
	return `    $ burrow tftp put switch.cfg 192.168.1.1
    $ burrow tftp put backup.tar 192.168.1.1 rooms/12/backup.tar --windowsize 64`
}

// Validate is called once the flags are parsed.
func (v *tftpPutVerb) Validate() error {
	if v.File == "-" && v.Name == "" {
		return errors.New("standard input has no name: say which name it gets on the server")
	}
	return v.check()
}

// Run puts the file.
func (v *tftpPutVerb) Run(t *terminal) error {
	return abandonable(func(ctx context.Context) error {
		in, size, err := openInput(v.File)
		if err != nil {
			return err
		}
		defer in.Close()
		name := v.Name
		if name == "" {
			name = filepath.Base(v.File)
		}
		rec, err := v.put(ctx, t, name, in, size)
		return v.report(t, rec, "as "+name, advise(err, v.Server))
	})
}

func (v *tftpPutVerb) put(ctx context.Context, t *terminal, name string, in *os.File, size int64) (*tftp.Record, error) {
	c, line := v.client(t, name)
	defer line.finish()
	if size < 0 {
		return c.Put(ctx, v.Server, name, struct{ io.Reader }{in}, -1)
	}
	return c.Put(ctx, v.Server, name, in, size)
}

// openInput opens the file to send; size is -1 when nobody knows it.
func openInput(file string) (*os.File, int64, error) {
	if file == "-" {
		return os.Stdin, -1, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("%s is a folder; TFTP sends files one by one", file)
	case !info.Mode().IsRegular() || info.Size() == 0: // such as those in /proc
		return f, -1, nil
	default:
		return f, info.Size(), nil
	}
	f.Close()
	return nil, 0, err
}

// report says what came of a transfer, unless that is an error.
func (o *tftpOptions) report(t *terminal, rec *tftp.Record, where string, err error) error {
	if o.JSON && rec != nil {
		if err != nil && rec.Result == tftp.ResultOK { // all was received, but it is not where it belongs
			rec.Result, rec.Error = tftp.ResultFailed, err.Error()
		}
		if e := json.NewEncoder(t.out).Encode(rec); e != nil && err == nil {
			err = e
		}
	}
	if err != nil || o.Quiet || o.JSON {
		return err
	}
	fmt.Fprintf(t.err, "%s %s in %.2f s, blocks of %d, windows of %d%s\n",
		byteCount(rec.Bytes), harmless(where), rec.Milliseconds/1000, rec.BlockSize, rec.WindowSize, sentAgain(rec))
	return nil
}

// sentAgain mentions retransmissions, if there were any.
func sentAgain(rec *tftp.Record) string {
	switch rec.Retransmits {
	case 0:
		return ""
	case 1:
		return ", 1 packet sent again"
	}
	return fmt.Sprintf(", %d packets sent again", rec.Retransmits)
}
