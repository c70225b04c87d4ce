package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print what makes a shell complete mpcctl: bash, zsh or fish", ArgsUsage: "SHELL",
		Description: "bash: source <(mpcctl completion bash)\nzsh:  source <(mpcctl completion zsh)\nfish: mpcctl completion fish | source",
		BashComplete: func(c *cli.Context) {
			for _, shell := range []string{"bash", "zsh", "fish"} {
				fmt.Fprintln(c.App.Writer, shell)
			}
		},
		Action: func(c *cli.Context) error {
			script, err := completion(c.App, c.Args().First())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.App.Writer, script)
			return err
		},
	}
}

func completion(app *cli.App, shell string) (string, error) {
	switch shell {
	case "bash":
		return bashCompletion, nil
	case "zsh":
		return zshCompletion, nil
	case "fish":
		return app.ToFishCompletion()
	}
	return "", misusef("%q: there is completion for bash, zsh and fish", shell)
}

// The program itself says what can follow: the words so far, then a flag that
// asks for it. A word that begins a flag is part of the question, but for "--",
// which would end the flags.
const bashCompletion = `_mpcctl() {
	local current=${COMP_WORDS[COMP_CWORD]} answers
	local -a question=("${COMP_WORDS[@]:0:COMP_CWORD}")
	case $current in
		--) question+=(-) ;;
		-*) question+=("$current") ;;
	esac
	answers=$("${question[@]}" ` + completionFlag + ` 2>/dev/null)
	mapfile -t COMPREPLY < <(compgen -W "$answers" -- "$current")
}
complete -o bashdefault -o default -F _mpcctl mpcctl`

const zshCompletion = `#compdef mpcctl
_mpcctl() {
	local -a question answers
	question=("${(@)words[1,CURRENT-1]}")
	case ${words[CURRENT]} in
		--) question+=(-) ;;
		-*) question+=("${words[CURRENT]}") ;;
	esac
	answers=("${(@f)$("${question[@]}" ` + completionFlag + ` 2>/dev/null)}")
	if [[ -n ${answers[1]} ]]; then
		compadd -- "${answers[@]}"
	else
		_files
	fi
}
compdef _mpcctl mpcctl`
