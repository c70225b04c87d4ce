package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exampleLine is a variable of .env.example, with or without a value.
var exampleLine = regexp.MustCompile(`(?m)^([A-Z][A-Z0-9_]*)=`)

// TestEnvExample keeps .env.example and the program's variables the same.
func TestEnvExample(t *testing.T) {
	data, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range exampleLine.FindAllStringSubmatch(string(data), -1) {
		documented = append(documented, m[1])
	}
	known := environmentVariables(newApp(stdio{}))
	for _, s := range known {
		if !slices.Contains(documented, s) {
			t.Errorf(".env.example lacks %s", s)
		}
	}
	for _, s := range documented {
		if !slices.Contains(known, s) {
			t.Errorf(".env.example names %s, which the program does not read", s)
		}
	}
}

// TestReadmeSettings keeps the README's table of settings complete.
func TestReadmeSettings(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(data)
	for _, name := range environmentVariables(newApp(stdio{})) {
		if !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("README.md lacks the variable %s", name)
		}
	}
	for _, c := range newApp(stdio{}).Commands {
		for _, f := range c.Flags {
			if name := f.Names()[0]; name != "help" && !strings.Contains(readme, "`--"+name+"`") {
				t.Errorf("README.md lacks the flag --%s of mpcd %s", name, c.Name)
			}
		}
	}
}

// loggerLine is where a package makes its logger.
var loggerLine = regexp.MustCompile(`logging\.Logger\("([^"]+)"\)`)

// TestSubsystems keeps the list of loggers that --log-level is about complete.
func TestSubsystems(t *testing.T) {
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && filepath.Dir(path) == "../../cmd" && entry.Name() != "mpcd" {
			return fs.SkipDir // another program
		}
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range loggerLine.FindAllStringSubmatch(string(source), -1) {
			if !slices.Contains(subsystems, m[1]) {
				t.Errorf("%s logs as %q, which subsystems lacks", path, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
