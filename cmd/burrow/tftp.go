package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/burrownet/burrow/tftp"
)

// tftpVerb is "burrow tftp".
type tftpVerb struct {
	Serve tftpServeVerb `cmd:"" help:"Serve a folder over TFTP."`
	Get   tftpGetVerb   `cmd:"" help:"Get a file from a TFTP server."`
	Put   tftpPutVerb   `cmd:"" help:"Put a file on a TFTP server."`
}

// tftpOptions are the flags that getting and putting share.
type tftpOptions struct {
	BlockSize  int           `name:"blksize" placeholder:"BYTES" help:"Block size to ask for, 8 to 65464. Default: what fills an Ethernet frame."`
	WindowSize int           `name:"windowsize" placeholder:"BLOCKS" help:"Blocks to send before waiting, 1 to 65535. Default: 16."`
	Timeout    time.Duration `placeholder:"TIME" help:"Send again after this time without an answer, and ask the server to do so, such as 2s or 500ms. Default: 1s, and measured from then on."`
	NoOptions  bool          `name:"no-options" help:"Ask for no options, for servers that stumble over them: blocks of 512, one at a time."`
	Retries    int           `default:"3" placeholder:"N" help:"Begin anew so often when the transfer is cut off. Default: 3."`
	ASCII      bool          `name:"ascii" help:"Text: lines end in LF here and in CR LF on the way."`
	JSON       bool          `name:"json" help:"Print what came of it as JSON."`
	Quiet      bool          `short:"q" help:"Say nothing but errors."`
}

// check is called once the flags are parsed.
func (o *tftpOptions) check() error {
	switch {
	case o.Retries < 0:
		return errors.New("--retries is 0 or more")
	case o.NoOptions && (o.BlockSize != 0 || o.WindowSize != 0 || o.Timeout != 0):
		return errors.New("--no-options asks for none: leave out --blksize, --windowsize and --timeout")
	case o.BlockSize != 0 && (o.BlockSize < 8 || o.BlockSize > 65464):
		return errors.New("--blksize is from 8 to 65464 (RFC 2348)")
	case o.WindowSize < 0 || o.WindowSize > 65535:
		return errors.New("--windowsize is from 1 to 65535 (RFC 7440)")
	case o.Timeout < 0 || o.Timeout > 255*time.Second || o.Timeout > 0 && o.Timeout < 10*time.Millisecond:
		return errors.New("--timeout is from 10ms to 255s (RFC 2349)")
	}
	return nil
}

// client is one with these options. On a terminal its progress is shown.
func (o *tftpOptions) client(t *terminal, name string) (*tftp.Client, *progressLine) {
	c := &tftp.Client{
		BlockSize: o.BlockSize, WindowSize: o.WindowSize, Timeout: o.Timeout, AskTimeout: o.Timeout > 0,
		Retries: o.Retries, ASCII: o.ASCII, NoSize: o.NoOptions,
	}
	if o.NoOptions {
		c.BlockSize, c.WindowSize = -1, -1
	}
	if !o.Quiet {
		c.OnNoAnswer = func(server netip.AddrPort, waited time.Duration) {
			so := ""
			if waited >= 100*time.Millisecond {
				so = fmt.Sprintf(" for %.1f s", waited.Seconds())
			}
			fmt.Fprintf(t.err, "No answer from %s%s, asking again.\n", server, so)
		}
	}
	var line *progressLine
	if !o.Quiet && isTerminal(os.Stderr) {
		line = &progressLine{out: t.err, name: harmless(name), began: time.Now()}
		c.OnProgress = line.show
	}
	return c, line
}

// isTerminal takes a character device for a terminal.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// advise says what to try next, where that is known.
func advise(err error, server string) error {
	e, refused := errors.AsType[*tftp.Error](err)
	var timeout interface{ Timeout() bool }
	switch {
	case refused && e.Code == tftp.CodeNotFound:
		return fmt.Errorf("%w; names are case-sensitive on most servers", err)
	case refused && e.Code == tftp.CodeAccess:
		return fmt.Errorf("%w; the server may not allow this name, or no writing at all", err)
	case !refused && errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w; is a TFTP server on %s? It answers from another port than the one asked: a firewall must let UDP from there back in", err, server)
	}
	return err
}
