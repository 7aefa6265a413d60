//go:build linux

// Command bench compares Burrow's HTTP and WebSocket servers with others on this machine: each
// server alone on one core, the load on another, all servers in turn in every
// round, medians of the rounds. README.md says what the numbers mean.
//
//	go run . -rounds 5
//	go run . -quick -rows 'http-128$|mem-http$' -servers burrow-native,fasthttp
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/burrownet/burrow/bench/internal/machine"
)

// options is the command line.
type options struct {
	rows         string
	servers      string
	rounds       int
	memoryRounds int
	seconds      float64
	warmup       time.Duration
	quick        bool
	json         bool
	out          string
	serverCore   int
	loadCore     int
	procs        int
	loadProcs    int
	plateaus     string
	idle         time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.rows, "rows", "", "regular `expression` over the rows' names: "+rowNames())
	flag.StringVar(&o.servers, "servers", "", "comma-separated `list` of "+serverNames(servers)+" (default all that build)")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each row is measured for each server")
	flag.IntVar(&o.memoryRounds, "memory-rounds", 3, "the same for the rows *mem-*, which take half a minute each")
	flag.Float64Var(&o.seconds, "seconds", 3, "length of one measured run")
	flag.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "traffic before it")
	flag.BoolVar(&o.quick, "quick", false, "one short round, fewer idle connections, no file: to see that all works")
	flag.BoolVar(&o.json, "json", false, "print every run as JSON instead of the tables")
	flag.StringVar(&o.out, "out", "", "`file` for the tables; none: do not write one (default results/DATE-COMMIT.txt)")
	flag.IntVar(&o.serverCore, "server-core", 0, "core of the server")
	flag.IntVar(&o.loadCore, "load-core", 1, "core of the load generator")
	flag.IntVar(&o.procs, "gomaxprocs", 1, "GOMAXPROCS of the server")
	flag.IntVar(&o.loadProcs, "load-gomaxprocs", 1, "GOMAXPROCS of the load generator")
	flag.StringVar(&o.plateaus, "plateaus", "1000,15000", "numbers of idle connections whose memory is compared")
	flag.DurationVar(&o.idle, "idle", 10*time.Second, "silence before memory is read")
	flag.Parse()
	if flag.NArg() > 0 || o.rounds < 1 || o.memoryRounds < 1 || o.seconds <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	o.hurry()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// errUsage marks what is wrong with the command line.
var errUsage = errors.New("run with -h for help")

// hurry applies -quick to what was not asked for otherwise.
func (o *options) hurry() {
	if !o.quick {
		return
	}
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{
		"rounds": "1", "memory-rounds": "1", "seconds": "0.5", "warmup": "200ms",
		"out": "none", "plateaus": "500,3000", "idle": "2s",
	} {
		if !given[name] {
			if err := flag.Set(name, value); err != nil {
				panic(err) // a wrong constant above
			}
		}
	}
}

func (o *options) run(ctx context.Context) error {
	rows, err := pickRows(o.rows)
	if err != nil {
		return err
	}
	list, err := pickServers(o.servers)
	if err != nil {
		return err
	}
	if list = useful(list, rows); len(list) == 0 {
		return fmt.Errorf("bench: none of these servers can be measured for these rows (%w)", errUsage)
	}
	dir, err := os.MkdirTemp("", "burrow-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: *o}
	if b.built, list, err = build(ctx, dir, list, o.servers != ""); err != nil {
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

// all measures row by row, and within a row round by round, all servers in
// turn: what slows the machine down for a while hits all of them. When ctx
// ends it returns what there is.
func (b *bench) all(ctx context.Context, rows []row, list []server) []sample {
	var samples []sample
	for _, r := range rows {
		rounds := b.rounds
		if r.kind.holds() {
			rounds = b.memoryRounds
		}
		for round := range rounds {
			for _, s := range list {
				if !s.can(r) {
					continue
				}
				out, err := b.one(ctx, s, r)
				if ctx.Err() != nil {
					return samples
				}
				if errors.Is(err, errNoWrk) {
					fmt.Fprintln(os.Stderr, "left out:", err)
					continue
				}
				out.Round = round
				if err != nil {
					out.Result, out.Failed = nil, err.Error()
				}
				samples = append(samples, out)
				fmt.Fprintf(os.Stderr, "%-13s %d/%d %-24s %s\n", r.name, round+1, rounds, s.name, out.summary(r))
			}
		}
	}
	return samples
}

// print writes the outcome to stdout and the tables to their file.
func (o *options) print(rows []row, list []server, samples []sample) error {
	m := machine.This("go run .")
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
	return m.Keep(text, o.out, "")
}
