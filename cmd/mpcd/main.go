package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker, see the Makefile.
var version = "dev"

// software is how this program names itself to other nodes.
func software() string { return "mpcd " + version }

func main() {
	os.Exit(realMain())
}

// realMain ends gracefully at the first SIGINT or SIGTERM, and at once at the
// second.
func realMain() int {
	ctx, stop := untilSignal()
	defer stop()
	return run(ctx, os.Args, stdio{out: os.Stdout, err: os.Stderr})
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. When it
// has ended, the next one has its usual effect.
func untilSignal() (ctx context.Context, stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel()
	}()
	return ctx, cancel
}

// stdio is where a command prints: results to out, its one error line to err.
type stdio struct{ out, err io.Writer }

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, io stdio) int {
	app := newApp(io)
	ignoreEmptyVariables(app)
	err := app.RunContext(ctx, args)
	if err != nil && !errors.As(err, new(exitStatus)) {
		fmt.Fprintf(io.err, "mpcd: %s\n", oneLine(err))
	}
	return exitCode(err)
}
