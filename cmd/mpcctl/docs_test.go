package main

import (
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestReadme keeps the README's section complete: commands and variables.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(data)
	for _, s := range settings {
		if s.variable != "" && !strings.Contains(readme, "`"+s.variable+"`") {
			t.Errorf("README.md lacks the variable %s", s.variable)
		}
	}
	for _, name := range []string{variableConfig, variableKey} {
		if !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("README.md lacks the variable %s", name)
		}
	}
	for _, c := range newApp(stdio{}).Commands {
		if !strings.Contains(readme, "mpcctl "+c.Name) && !strings.Contains(readme, "`"+c.Name+"`") {
			t.Errorf("README.md lacks the command mpcctl %s", c.Name)
		}
	}
}

// TestDocComment keeps the list of commands in the package comment complete.
func TestDocComment(t *testing.T) {
	data, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range newApp(stdio{}).Commands {
		if !strings.Contains(string(data), c.Name) {
			t.Errorf("doc.go lacks the command %s", c.Name)
		}
	}
}

// TestCommonFlagsEverywhere: no command has a flag of its own that hides a common
// one, and each flag has words that explain it.
func TestCommonFlagsEverywhere(t *testing.T) {
	var check func(path string, commands []*cli.Command)
	check = func(path string, commands []*cli.Command) {
		for _, c := range commands {
			seen := make(map[string]bool)
			for _, f := range c.Flags {
				for _, name := range f.Names() {
					if seen[name] {
						t.Errorf("%s %s has the flag --%s twice", path, c.Name, name)
					}
					seen[name] = true
				}
				if doc, ok := f.(cli.DocGenerationFlag); ok && doc.GetUsage() == "" {
					t.Errorf("%s %s: --%s has no explanation", path, c.Name, f.Names()[0])
				}
			}
			if len(c.Subcommands) == 0 && !seen[flagJSON] {
				t.Errorf("%s %s has no --json", path, c.Name)
			}
			if c.Usage == "" {
				t.Errorf("%s %s has no explanation", path, c.Name)
			}
			check(path+" "+c.Name, c.Subcommands)
		}
	}
	check("mpcctl", newApp(stdio{}).Commands)
}
