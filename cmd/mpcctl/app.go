package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// newApp builds the command tree.
func newApp(io stdio) *cli.App {
	app := &cli.App{
		Name:                 "mpcctl",
		Usage:                "client of a threshold-signature network: accounts, signatures, sessions, approvals",
		Description:          "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 coordinator unreachable or too slow;\n4 refused by the coordinator; 5 verification failed: do not use the answer.",
		Version:              version,
		HideHelpCommand:      true,
		EnableBashCompletion: true,
		Reader:               io.in,
		Writer:               io.out,
		ErrWriter:            io.err,
		ExitErrHandler:       func(*cli.Context, error) {}, // main prints and exits
		Flags:                commonFlags(),
		Commands: []*cli.Command{
			accountCommand(), signCommand(), sessionCommand(), partiesCommand(),
			inviteCommand(), joinCommand(), shareCommand(),
			approvalsCommand(), approveCommand(), keygenApproverCommand(),
			auditCommand(), webhookCommand(), verifyCommand(), certificateCommand(), completionCommand(),
		},
	}
	app.OnUsageError = usageError
	app.Before = func(*cli.Context) error { return guardSecrets() }
	app.Action = needCommand
	for _, c := range app.Commands {
		prepare(c)
	}
	return app
}

// prepare gives a command and its subcommands the same manners: wrong usage is
// one line and exit code 2, not a page of help, and the common flags may also
// come after the command.
func prepare(c *cli.Command) {
	c.OnUsageError = usageError
	c.HideHelpCommand = true
	if len(c.Subcommands) > 0 {
		c.Action = needCommand
		for _, sub := range c.Subcommands {
			prepare(sub)
		}
		return
	}
	for _, f := range commonFlags() {
		if !slices.ContainsFunc(c.Flags, func(own cli.Flag) bool { return own.Names()[0] == f.Names()[0] }) {
			c.Flags = append(c.Flags, f)
		}
	}
	c.Action = checkArguments(c.ArgsUsage, c.Action)
}

func usageError(c *cli.Context, err error, _ bool) error {
	return misusef("%w; see %s --help", err, c.Command.HelpName)
}

func needCommand(c *cli.Context) error {
	if name := c.Args().First(); name != "" {
		return misusef("unknown command %q; see %s --help", name, c.App.HelpName)
	}
	return cli.ShowSubcommandHelp(c)
}
