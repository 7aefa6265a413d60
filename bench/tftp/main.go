//go:build linux

// Command tftp compares Burrow's TFTP server with tftpd-hpa, atftpd and dnsmasq on
// this machine: each server alone on one core, one lean client for all of them on
// another, all servers in turn in every round, medians of the rounds. The README
// of bench says what the numbers mean. It needs root, as the servers do.
//
//	cd bench && go run ./tftp
//	cd bench && go run ./tftp -quick -rows '^1468' -servers burrow,tftpd-hpa
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/burrownet/burrow/bench/internal/machine"
)

// options is the command line.
type options struct {
	rowsLike    string
	servers     string
	rounds      int
	crowdRounds int
	clients     int
	size        int64 // MiB, as the other two
	shortSize   int64
	crowdSize   int64
	delay       time.Duration
	runLimit    time.Duration
	crowdLimit  time.Duration
	serverCore  int
	loadCore    int
	procs       int
	quick       bool
	json        bool
	out         string
}

// errUsage marks what is wrong with the command line.
var errUsage = errors.New("run with -h for help")

func main() {
	// Children are pinned by way of the thread that starts them, and die with it.
	runtime.LockOSThread()
	o, err := parse()
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = o.run(ctx)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func parse() (*options, error) {
	o := new(options)
	flag.StringVar(&o.rowsLike, "rows", "", "regular `expression` over the rows' names: "+o.rowNames())
	flag.StringVar(&o.servers, "servers", "", "comma-separated `list` of servers (default all that are installed)")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each row is measured for each server")
	flag.IntVar(&o.crowdRounds, "crowd-rounds", 5, "the same for the row crowd, which takes minutes")
	flag.IntVar(&o.clients, "clients", 500, "clients of the row crowd")
	flag.Int64Var(&o.size, "size", 64, "`MiB` that one client fetches")
	flag.Int64Var(&o.shortSize, "short-size", 4, "`MiB` that it fetches where every block waits for the relay: 64 take four minutes with any server")
	flag.Int64Var(&o.crowdSize, "crowd-size", 32, "`MiB` that each client of the row crowd fetches")
	flag.DurationVar(&o.delay, "delay", time.Millisecond, "how much later the relay delivers, in either direction")
	flag.DurationVar(&o.runLimit, "limit", time.Minute, "when a run is cut off; what had arrived by then counts")
	flag.DurationVar(&o.crowdLimit, "crowd-limit", 5*time.Minute, "the same for the row crowd")
	flag.IntVar(&o.serverCore, "server-core", 0, "core of the server")
	flag.IntVar(&o.loadCore, "load-core", 1, "core of client and relay")
	flag.IntVar(&o.procs, "gomaxprocs", 1, "GOMAXPROCS of our server")
	flag.BoolVar(&o.quick, "quick", false, "one round of small files and 50 clients, no file: to see that all works")
	flag.BoolVar(&o.json, "json", false, "print every run as JSON instead of the tables")
	flag.StringVar(&o.out, "out", "", "`file` for the tables; none: do not write one (default results/DATE-COMMIT-tftp.txt)")
	flag.Parse()
	if flag.NArg() > 0 || o.rounds < 1 || o.crowdRounds < 1 || o.clients < 2 || o.size < 1 || o.shortSize < 1 || o.crowdSize < 1 {
		return nil, fmt.Errorf("bench: that is no command line (%w)", errUsage)
	}
	return o, o.hurry()
}

// hurry applies -quick to what was not asked for otherwise.
func (o *options) hurry() error {
	if !o.quick {
		return nil
	}
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"rounds": "1", "crowd-rounds": "1", "clients": "50", "size": "4", "short-size": "1", "crowd-size": "4", "out": "none"} {
		if !given[name] {
			if err := flag.Set(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *options) run(ctx context.Context) error {
	rows, err := o.pickRows()
	if err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return errors.New("bench: the servers start as root only: sudo")
	}
	dir, err := os.MkdirTemp("", "burrow-bench-tftp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: *o, dir: dir}
	list, err := pickServers(o.servers, filepath.Join(dir, "burrow"))
	if err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	samples := b.all(ctx, rows, list)
	if ctx.Err() != nil {
		o.out = "none"
	}
	if err := o.print(rows, list, samples); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("bench: interrupted; the tables show what was measured until then")
	}
	for _, s := range samples {
		if s.Failed != "" {
			return errors.New("bench: some runs failed")
		}
	}
	return nil
}

// all measures row by row, and within a row round by round, all servers in turn:
// what slows the machine down for a while hits all of them. When ctx ends it
// returns what there is.
func (b *bench) all(ctx context.Context, rows []row, list []server) []sample {
	var samples []sample
	for _, r := range rows {
		rounds := b.rounds
		if r.clients > 1 {
			rounds = b.crowdRounds
		}
		for round := range rounds {
			for i := range list {
				// Not one after the other in the same order always.
				s := list[(i+round)%len(list)]
				result, err := b.one(ctx, s, r)
				if ctx.Err() != nil {
					return samples
				}
				out := sample{Row: r.name, Server: s.name, Round: round, Result: result}
				if err != nil {
					out.Failed = err.Error()
				}
				samples = append(samples, out)
				fmt.Fprintf(os.Stderr, "%-12s %d/%d %-13s %s\n", r.name, round+1, rounds, s.name, out.summary())
			}
		}
	}
	return samples
}

// print writes the outcome to stdout and the tables to their file.
func (o *options) print(rows []row, list []server, samples []sample) error {
	m := machine.This("go run ./tftp")
	text := tables(m, o, rows, list, samples)
	if o.json {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", " ")
		if err := enc.Encode(map[string]any{"machine": m, "samples": samples}); err != nil {
			return err
		}
	} else if _, err := fmt.Print(text); err != nil {
		return err
	}
	return m.Keep(text, o.out, "-tftp")
}
