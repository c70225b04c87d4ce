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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args, stdio{out: os.Stdout, err: os.Stderr})
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
