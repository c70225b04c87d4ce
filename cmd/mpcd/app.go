package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// newApp builds the command tree.
func newApp(io stdio) *cli.App {
	app := &cli.App{
		Name:            "mpcd",
		Usage:           "daemon and operator tool of a threshold-signature network",
		Version:         version,
		HideHelpCommand: true,
		Writer:          io.out,
		ErrWriter:       io.err,
		ExitErrHandler:  func(*cli.Context, error) {}, // main prints and exits
		Commands: []*cli.Command{
			networkCommand(), keysCommand(), evidenceCommand(), quarantineCommand(),
			bootstrapCommand(), partyCommand(), coordinatorCommand(),
		},
	}
	app.OnUsageError = usageError
	app.Action = needCommand
	for _, c := range app.Commands {
		prepare(c)
	}
	return app
}

// prepare gives a command and its subcommands the same manners: wrong usage is
// one line and exit code 2, not a page of help.
func prepare(c *cli.Command) {
	c.OnUsageError = usageError
	c.HideHelpCommand = true
	switch {
	case c.Action != nil && c.ArgsUsage != "": // it has arguments, and checks them
	case c.Action != nil:
		c.Action = refuseArguments(c.Action)
	default:
		c.Action = needCommand
	}
	for _, sub := range c.Subcommands {
		prepare(sub)
	}
}

func usageError(c *cli.Context, err error, _ bool) error {
	return refusef("%w; see %s --help", err, c.Command.HelpName)
}

func needCommand(c *cli.Context) error {
	if name := c.Args().First(); name != "" {
		return refusef("unknown command %q; see mpcd --help", name)
	}
	return cli.ShowSubcommandHelp(c)
}

func refuseArguments(action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		if extra := c.Args().First(); extra != "" {
			return refusef("unexpected argument %q; see %s --help", extra, c.Command.HelpName)
		}
		return action(c)
	}
}

// printf prints a command's result.
func printf(c *cli.Context, format string, args ...any) {
	fmt.Fprintf(c.App.Writer, format, args...)
}
