package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// checkArguments wants as many arguments as a command's usage line has words; one
// that ends in "..." stands for one or more, one in brackets may be missing.
func checkArguments(usage string, action cli.ActionFunc) cli.ActionFunc {
	least, most := 0, 0
	for _, word := range strings.Fields(usage) {
		switch {
		case strings.HasSuffix(word, "..."):
			least, most = least+1, 1<<10
		case strings.HasPrefix(word, "["):
			most++
		default:
			least, most = least+1, most+1
		}
	}
	return func(c *cli.Context) error {
		if n := c.NArg(); n < least {
			return misusef("%s is missing; see %s --help", strings.Trim(strings.Fields(usage)[n], "."), c.Command.HelpName)
		}
		if c.NArg() > most {
			return misusef("unexpected argument %q; see %s --help", c.Args().Get(most), c.Command.HelpName)
		}
		return action(c)
	}
}

// completionFlag is what shells put behind a command line to have it completed.
const completionFlag = "--generate-bash-completion"

// flagsFirst moves a command's flags before its arguments, for the library reads
// flags only up to the first argument, and people write them where they like.
// "--" ends the flags.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) == 0 || args[len(args)-1] == completionFlag {
		return args
	}
	flags, commands := app.Flags, app.Commands
	at := 1 // the program's name stays where it is
	for at < len(args) {
		if isFlag(args[at]) {
			at += 1 + values(flags, args[at])
			continue
		}
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(args[at]) })
		if i < 0 {
			break
		}
		flags, commands = commands[i].Flags, commands[i].Subcommands
		at++
		if len(commands) == 0 {
			break
		}
	}
	if at >= len(args) {
		return args
	}
	return append(slices.Clone(args[:at]), partition(flags, args[at:])...)
}

// partition puts flags with their values before arguments.
func partition(flags []cli.Flag, args []string) []string {
	var first, rest []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			rest = append(rest, args[i+1:]...)
			i = len(args)
		case isFlag(args[i]):
			end := min(len(args), i+1+values(flags, args[i]))
			first = append(first, args[i:end]...)
			i = end - 1
		default:
			rest = append(rest, args[i])
		}
	}
	return append(append(first, "--"), rest...)
}

func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' && arg != "--" }

// values is how many of the following words are a flag's value.
func values(flags []cli.Flag, arg string) int {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return 0
	}
	for _, f := range flags {
		if doc, ok := f.(cli.DocGenerationFlag); ok && slices.Contains(f.Names(), name) && doc.TakesValue() {
			return 1
		}
	}
	return 0
}
