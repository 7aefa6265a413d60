// Burrow is the command of the Burrow network library.
//
// Usage:
//
//	burrow VERB [ARGUMENTS] [FLAGS]
//
// "burrow --help" lists the verbs, "burrow VERB --help" explains one and shows
// it at work. Data goes to standard output, talk to standard error. The exit
// status is 0 when the verb did its work, 1 when it failed and 2 when it was
// asked wrongly. Colours are for terminals only, and NO_COLOR turns them off.
//
// Cancellation: an interrupt (Ctrl-C), SIGTERM or SIGHUP ends a verb in good
// order, a second one at once.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// verbs is the table of what the command can do: one field, one file.
type verbs struct {
	Serve      serveVerb      `cmd:"" help:"Serve a folder over HTTP."`
	TFTP       tftpVerb       `cmd:"" name:"tftp" help:"Serve, get and put files over TFTP."`
	WS         wsVerb         `cmd:"" name:"ws" help:"Talk to a WebSocket server, or be one that echoes."`
	Completion completionVerb `cmd:"" help:"Print a completion script for a shell."`
	Version    versionVerb    `cmd:"" help:"Print the version."`
}

// Exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:])) }

// run does what args ask for and gives the exit status.
func run(args []string) int {
	var table verbs
	parser, err := kong.New(&table,
		kong.Name("burrow"),
		kong.Description("Burrow moves bytes between machines."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 90}),
		kong.Writers(os.Stdout, os.Stderr),
	)
	if err != nil {
		panic(err) // the table above is wrong: every run shows it
	}
	if len(args) == 0 {
		args = []string{"--help"}
		parser.Stdout = os.Stderr
		parser.Exit = func(int) { os.Exit(exitUsage) }
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return usageFailed(err)
	}
	term := newTerminal(os.Stdout, os.Stderr)
	if err := ctx.Run(term, parser.Model); err != nil {
		fmt.Fprintf(os.Stderr, "%s %s\n", term.style("31", ctx.Selected().FullPath()+":"), harmless(err.Error()))
		return exitFailed
	}
	return 0
}

// usageFailed says what was wrong with the arguments and where to read on.
func usageFailed(err error) int {
	name, reason := "burrow", err.Error()
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if selected := parse.Context.Selected(); selected != nil {
			name = selected.FullPath()
			reason = strings.TrimPrefix(reason, selected.Path()+": ")
		}
	}
	fmt.Fprintf(os.Stderr, "%s: %s\nRun \"%s --help\" for what there is.\n", name, harmless(reason), name)
	return exitUsage
}
