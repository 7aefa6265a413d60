package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// endings are the signals that end a verb in good order. A program started by
// nohup goes on when its terminal is closed.
func endings() []os.Signal {
	list := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// untilSignal gives a context that one of the endings ends; the next one ends the
// process. It is for servers, which say so.
func untilSignal(t *terminal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, endings()...)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
			return
		}
		fmt.Fprintln(t.err, "Stopping: running requests may finish. Once more stops at once.")
		cancel()
		<-signals
		os.Exit(exitFailed)
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
	}
}

// errInterrupted is what is said when a signal has ended a verb.
var errInterrupted = errors.New("interrupted")

// abandonTime is how long what runs may take to end in good order.
const abandonTime = time.Second

// abandonable runs f until an ending, which ends its context. Nothing interrupts
// a read from a terminal or a write into a pipe: f is then given up, and ends with
// the process. The next signal ends that at once.
func abandonable(f func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		if errors.Is(err, context.Canceled) {
			return errInterrupted
		}
		return err
	case <-time.After(abandonTime):
		return errInterrupted
	}
}
