package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"github.com/urfave/cli/v2/altsrc"
	"gopkg.in/yaml.v3"
)

// layer fills the settings that neither a flag nor an environment variable has
// set from the --config file. It runs before a daemon's action.
func layer(c *cli.Context) error {
	if err := layerLogVariable(c); err != nil {
		return err
	}
	file := c.String(flagConfig)
	if file == "" {
		return nil
	}
	values, err := readSettings(file)
	if err != nil {
		return err
	}
	if err := checkSettings(file, values, settingNames(c.Command)); err != nil {
		return err
	}
	source := altsrc.NewMapInputSource(file, values)
	if err := altsrc.ApplyInputSourceValues(c, source, c.Command.Flags); err != nil {
		return refusef("config file %s: %w", file, err)
	}
	return nil
}

func readSettings(file string) (map[any]any, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refusef("config file %s does not exist", file)
	}
	if err != nil {
		return nil, refusef("config file: %w", err)
	}
	var values map[any]any
	if err := yaml.Unmarshal(data, &values); err != nil {
		return nil, refusef("config file %s: %w", file, err)
	}
	return values, nil
}

// checkSettings refuses keys that mean nothing, for a misspelt key would
// otherwise be a default that nobody asked for.
func checkSettings(file string, values map[any]any, known []string) error {
	for key := range values {
		name := fmt.Sprint(key)
		if !slices.Contains(known, name) {
			return refusef("config file %s: unknown key %q; the keys are %s", file, name, strings.Join(known, ", "))
		}
	}
	return nil
}

// settingNames lists the settings of a command that a YAML file may have.
func settingNames(c *cli.Command) []string {
	var names []string
	for _, f := range c.Flags {
		if _, ok := f.(altsrc.FlagInputSourceExtension); ok {
			names = append(names, f.Names()[0])
		}
	}
	return names
}

// printSettings prints the effective settings in the form of a config file.
// Secrets are comments, for they do not belong into such a file.
func printSettings(c *cli.Context) error {
	var doc yaml.Node
	doc.Kind = yaml.MappingNode
	for _, name := range settingNames(c.Command) {
		value := c.Value(name)
		if s, ok := value.(cli.StringSlice); ok {
			value = s.Value()
		}
		if d, ok := value.(fmt.Stringer); ok {
			value = d.String()
		}
		var node yaml.Node
		if err := node.Encode(value); err != nil {
			return fmt.Errorf("print settings: %w", err)
		}
		doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, &node)
	}
	out, err := yaml.Marshal(&doc)
	if err != nil {
		return fmt.Errorf("print settings: %w", err)
	}
	printf(c, "%s", out)
	for _, s := range secretsOf(c.Command) {
		if os.Getenv(s.variable) != "" {
			printf(c, "# %s: ******** (set, not shown)\n", s.variable)
		}
	}
	return nil
}
