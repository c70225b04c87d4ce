package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker, see the Makefile.
var version = "dev"

func main() {
	os.Exit(realMain())
}

// realMain ends at SIGINT or SIGTERM. What it has asked for goes on at the
// coordinator.
func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args, stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
}

// stdio is what a command reads from and prints to: results to out, its one
// error line, questions and progress to err.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, io stdio) int {
	app := newApp(io)
	err := app.RunContext(ctx, flagsFirst(app, args))
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(io.err, "mpcctl: %s\n", oneLine(explain(err)))
	return exitCode(err)
}
