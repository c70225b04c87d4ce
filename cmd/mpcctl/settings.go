package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"
)

// setting is a common setting. It comes from, in falling precedence: the flag,
// the variable, the configuration file, the default.
type setting struct {
	name     string // of the flag, and of the key in the file
	variable string // empty: none
	usage    string
}

var (
	setURL     = setting{"url", "MPC_URL", "`URL` of the coordinator, such as https://mpc.example.com:4000"}
	setKeyFile = setting{"api-key-file", "MPC_API_KEY_FILE", "`FILE` with the API key; the variable MPC_API_KEY holds the key itself"}
	setCA      = setting{"ca-file", "MPC_CA_FILE", "PEM `FILE` with the authority of the coordinator's TLS certificate"}
	setTimeout = setting{"timeout", "MPC_TIMEOUT", "how long to wait for an answer, such as 90s (default: 5m)"}
	setNetwork = setting{"network", "", "`NAME` of the network that keys must be of"}
	setParties = setting{"trusted-party", "", "`PEER-ID` of a node that may hold shares; repeatable; none: any"}
	setKnown   = setting{"known-keys", "", "`FILE` that remembers the keys of accounts (default: mpcctl/known_keys.json in the user's configuration folder)"}

	settings = []setting{setURL, setKeyFile, setCA, setTimeout, setNetwork, setParties, setKnown}
)

// Flags that are no settings of the file.
const (
	flagConfig = "config"
	flagJSON   = "json"
)

const (
	variableConfig = "MPCCTL_CONFIG"
	variableKey    = "MPC_API_KEY"
	category       = "connection and trust"
)

// commonFlags are the flags of the program and of every command.
func commonFlags() []cli.Flag {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: flagJSON, Usage: "print JSON as the API has it"},
		&cli.StringFlag{Name: flagConfig, Category: category, Usage: "YAML `FILE` with settings, named like the flags (default: mpcctl/config.yaml in the user's configuration folder)" + variableHint(variableConfig)},
	}
	for _, s := range settings {
		if s == setParties {
			flags = append(flags, &cli.StringSliceFlag{Name: s.name, Category: category, Usage: s.usage})
			continue
		}
		flags = append(flags, &cli.StringFlag{Name: s.name, Category: category, Usage: s.usage + variableHint(s.variable)})
	}
	return flags
}

// variableHint names a variable as the library does. It does not read them
// itself: then one would count as a flag of the command, and go before a flag of
// the program.
func variableHint(name string) string {
	if name == "" {
		return ""
	}
	return " [$" + name + "]"
}

// flagValues returns what a flag was set to, by the command or before it.
func flagValues(c *cli.Context, name string) ([]string, bool) {
	for _, ctx := range c.Lineage() {
		if ctx.Command == nil && ctx.App == nil || !slices.Contains(ctx.LocalFlagNames(), name) {
			continue
		}
		if list, ok := ctx.Value(name).(cli.StringSlice); ok {
			return list.Value(), true
		}
		return []string{fmt.Sprint(ctx.Value(name))}, true
	}
	return nil, false
}

func wantsJSON(c *cli.Context) bool {
	list, ok := flagValues(c, flagJSON)
	return ok && list[0] == "true"
}

// configured are the common settings as they hold.
type configured struct {
	file string // the configuration file, which need not exist
	read map[string][]string
}

// configure reads the configuration file.
func configure(c *cli.Context) (*configured, error) {
	file, named := os.Getenv(variableConfig), true
	if list, ok := flagValues(c, flagConfig); ok {
		file = list[0]
	}
	if file == "" {
		file, named = ownFile("config.yaml"), false
	}
	s := &configured{file: file}
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return s, nil
	case err != nil:
		return nil, misusef("configuration file: %w", err)
	}
	s.read, err = parseSettings(data)
	if err != nil {
		return nil, misusef("configuration file %s: %w", file, err)
	}
	return s, nil
}

// ownFile names a file in the user's configuration folder, or where there is no
// home in the working folder.
func ownFile(name string) string {
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = "."
	}
	return filepath.Join(dir, "mpcctl", name)
}

// parseSettings reads a file of settings and refuses keys that mean nothing, for
// a misspelt key would otherwise be a default that nobody asked for.
func parseSettings(data []byte) (map[string][]string, error) {
	var raw map[string]any
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	read := make(map[string][]string)
	for name, value := range raw {
		if !slices.ContainsFunc(settings, func(s setting) bool { return s.name == name }) {
			return nil, fmt.Errorf("unknown key %q; the keys are %s", name, strings.Join(settingNames(), ", "))
		}
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, v := range list {
			read[name] = append(read[name], fmt.Sprint(v))
		}
	}
	return read, nil
}

func settingNames() []string {
	var names []string
	for _, s := range settings {
		names = append(names, s.name)
	}
	return names
}

// list returns a setting's values.
func (f *configured) list(c *cli.Context, s setting) []string {
	if list, ok := flagValues(c, s.name); ok {
		return list
	}
	if v := os.Getenv(s.variable); s.variable != "" && v != "" {
		return []string{v}
	}
	return f.read[s.name]
}

// text returns a setting that has one value, or "".
func (f *configured) text(c *cli.Context, s setting) string {
	if list := f.list(c, s); len(list) > 0 {
		return list[len(list)-1]
	}
	return ""
}

func (f *configured) timeout(c *cli.Context) (time.Duration, error) {
	text := f.text(c, setTimeout)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, misusef("--%s %q: write it like 90s or 5m", setTimeout.name, text)
	}
	return d, nil
}

// key returns the API key. A file that the command line names goes before the
// variable with the key, which goes before other files.
func (f *configured) key(c *cli.Context) (string, error) {
	file := f.text(c, setKeyFile)
	value := strings.TrimSpace(os.Getenv(variableKey))
	if _, named := flagValues(c, setKeyFile.name); value != "" && !named {
		if os.Getenv(setKeyFile.variable) != "" {
			return "", misusef("%s and %s are both set: set one of them", variableKey, setKeyFile.variable)
		}
		return value, nil
	}
	if file == "" {
		return "", nil
	}
	data, err := readSecret(file)
	if err != nil {
		return "", misusef("API key: %w", err)
	}
	if value = strings.TrimSpace(string(data)); value == "" {
		return "", misusef("API key: %s is empty", file)
	}
	return value, nil
}
